package jinja

import (
	"math"
	"slices"
	"strconv"
)

// arithmetic is what an operator makes of two values.
func (m *machine) arithmetic(op string, a, b any) any {
	if op == "~" {
		s := m.str(a) + m.str(b)
		m.sized(len(s))
		return s
	}
	if _, ok := b.(undefined); ok {
		var before any
		if op == "-" {
			before = a
		}
		m.missingValue(b, before)
	}
	if _, ok := a.(undefined); ok {
		m.missingValue(a, nil)
	}
	x, xInt, xok := toNumber(a)
	y, yInt, yok := toNumber(b)
	if xok && yok {
		return m.calculate(op, x, y, xInt && yInt)
	}
	switch a := a.(type) {
	case string:
		if s, ok := b.(string); ok && op == "+" {
			m.sized(len(a) + len(s))
			return a + s
		}
	case []any:
		if l, ok := b.([]any); ok && op == "+" {
			m.spend(len(a) + len(l))
			return slices.Concat(a, l)
		}
	case tuple:
		if l, ok := b.(tuple); ok && op == "+" {
			m.spend(len(a) + len(l))
			return slices.Concat(a, l)
		}
	}
	m.unsupported(typeName(a)+" and "+typeName(b)+" with", op)
	return nil
}

// missingValue ends the rendering where a missing variable needs a value.
// before is another one that it was to be subtracted from.
func (m *machine) missingValue(missing, before any) {
	name := missing.(undefined).name
	message := strconv.Quote(name) + " is undefined"
	if u, ok := before.(undefined); ok {
		message += "; if " + u.name + "-" + name + " is one name, write it with \"_\""
	}
	m.fail(message)
}

// calculate is arithmetic with numbers. Whole numbers are exact up to 2^53,
// and more is refused.
func (m *machine) calculate(op string, x, y float64, whole bool) any {
	if y == 0 && op != "+" && op != "-" && op != "*" {
		m.fail("division by zero")
	}
	if math.Abs(x) > maxWhole && whole || math.Abs(y) > maxWhole && whole {
		m.fail("a number out of range")
	}
	var z float64
	switch op {
	case "+":
		z = x + y
	case "-":
		z = x - y
	case "*":
		z = x * y
	case "/":
		return float(x / y)
	default: // as in Python's float_divmod: the remainder has the divisor's sign
		rest := math.Mod(x, y)
		if rest == 0 {
			rest = math.Copysign(0, y)
		} else if (rest < 0) != (y < 0) {
			rest += y
		}
		quotient := (x - rest) / y
		if z = math.Floor(quotient); quotient-z > 0.5 {
			z++
		}
		if quotient == 0 {
			z = math.Copysign(0, x/y)
		}
		if op == "%" {
			z = rest
		}
	}
	if !whole {
		if math.IsInf(z, 0) || z != z {
			m.fail("a number out of range")
		}
		return float(z)
	}
	if math.Abs(z) > maxWhole {
		m.fail("a number out of range")
	}
	return int64(z)
}

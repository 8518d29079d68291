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
	if u, ok := b.(undefined); ok {
		v, ok := a.(undefined)
		m.missingValue(u, either(ok && op == "-", string(v), ""))
	}
	if u, ok := a.(undefined); ok {
		m.missingValue(u, "")
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
	}
	m.unsupported(typeName(a)+" and "+typeName(b)+" with", op)
	return nil
}

// missingValue ends the rendering where a missing variable needs a value.
// before is another one that it was to be subtracted from.
func (m *machine) missingValue(u undefined, before string) {
	message := strconv.Quote(string(u)) + " is undefined"
	if before != "" {
		message += "; if " + before + "-" + string(u) + " is one name, write it with \"_\""
	}
	m.fail(message)
}

// calculate is arithmetic with numbers. Whole numbers are exact up to 2^53,
// and more is refused.
func (m *machine) calculate(op string, x, y float64, whole bool) any {
	if y == 0 && op != "+" && op != "-" && op != "*" {
		m.fail("division by zero")
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
	case "//":
		z = math.Floor(x / y)
	default:
		z = x - y*math.Floor(x/y)
	}
	if !whole {
		return float(z)
	}
	if math.Abs(z) > 1<<53 {
		m.fail("a number out of range")
	}
	return int64(z)
}

package upstart

import "strings"

// maxParens bounds the nesting of parentheses.
const maxParens = 1000

// expression reads what follows "start on" or "stop on", up to the end of the
// line. Both operators bind alike, from the left.
func (r *reader) expression() (*Expr, error) {
	if !r.hasToken() {
		return nil, r.fail(ExpectedToken)
	}
	e := exprReader{reader: r, frames: make([]frame, 1)}
	for first := true; first || len(e.frames) > 1 && r.pos < len(r.file) || r.hasToken(); first = false {
		if err := e.step(); err != nil {
			return nil, err
		}
		if len(e.frames) > 1 && !r.hasToken() {
			// Inside parentheses the line may end here. Only one end is
			// taken: an empty line is an error.
			if err := r.endLine(); err != nil {
				return nil, err
			}
			r.skipBlanks()
		}
	}
	if len(e.frames) > 1 {
		return nil, r.fail(MismatchedParens)
	}
	top := e.frames[0]
	if top.op != "" {
		return nil, r.failAt(ExpectedEvent, top.opAt)
	}
	return top.value, r.endLine()
}

// A frame is what has been read of one pair of parentheses: a value, and
// perhaps an operator that waits for its right side.
type frame struct {
	value *Expr
	op    string
	opAt  mark
	// open says that the value's last event may take arguments.
	open *Expr
}

type exprReader struct {
	*reader
	frames []frame
}

func (e *exprReader) top() *frame { return &e.frames[len(e.frames)-1] }

// step reads one token.
func (e *exprReader) step() error {
	at := e.mark()
	if at.pos < len(e.file) {
		switch e.file[at.pos] {
		case '(':
			if f := e.top(); f.value != nil && f.op == "" {
				return e.fail(ExpectedOperator)
			}
			if len(e.frames) > maxParens {
				return e.fail(TooLarge)
			}
			e.pos++
			e.skipBlanks()
			e.frames = append(e.frames, frame{})
			return nil
		case ')':
			return e.closeParen()
		}
	}
	raw := e.raw()
	if raw == "and" || raw == "or" {
		f := e.top()
		if f.value == nil || f.op != "" {
			return e.fail(ExpectedEvent)
		}
		f.op, f.opAt, f.open = raw, at, nil
		e.pos += len(raw)
		e.skipBlanks()
		return nil
	}
	return e.operand(at)
}

// raw looks at the next token as it is written.
func (e *exprReader) raw() string {
	rest := e.file[e.pos:]
	if i := strings.IndexAny(rest, eventDelimiters+"\x00"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

func (e *exprReader) closeParen() error {
	f := *e.top()
	if f.value == nil || f.op != "" {
		return e.fail(ExpectedEvent)
	}
	if len(e.frames) == 1 {
		return e.fail(MismatchedParens)
	}
	e.pos++
	e.skipBlanks()
	e.frames = e.frames[:len(e.frames)-1]
	e.put(f.value)
	return nil
}

// operand reads an event's name, or an argument of the event before.
func (e *exprReader) operand(at mark) error {
	f := e.top()
	if f.value != nil && f.op == "" && f.open == nil {
		return e.fail(ExpectedOperator)
	}
	text, err := e.next(eventDelimiters, true)
	if err != nil {
		return err
	}
	if f.open == nil {
		event := &Expr{Event: text, Line: at.line}
		e.put(event)
		e.top().open = event
		return nil
	}
	args := f.open.Args
	if !strings.Contains(text, "=") && len(args) > 0 && strings.Contains(args[len(args)-1], "=") {
		return e.fail(ExpectedVariable)
	}
	f.open.Args = append(args, text)
	return nil
}

// put makes a value the frame's own, or the right side of its operator.
func (e *exprReader) put(v *Expr) {
	f := e.top()
	if f.op != "" {
		v = &Expr{Op: f.op, Left: f.value, Right: v, Line: f.opAt.line}
	}
	*f = frame{value: v}
}

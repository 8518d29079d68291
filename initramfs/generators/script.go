package generators

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// The calls as they are put into a script.
const (
	shellEarly = Agent + " early || :"
	shellLate  = Agent + " late --root %s || :"
)

// An insertion is text to be put in at a byte offset.
type insertion struct {
	at   int
	text string
}

// places is where a script must be changed.
type places struct {
	early insertion
	late  [][]insertion // for each pivot
}

// addCalls returns a script with the calls in it. The rest stays as it is,
// byte for byte.
func addCalls(script []byte) ([]byte, error) {
	p, err := findPlaces(script)
	if err != nil {
		return nil, err
	}
	all := append(slices.Concat(p.late...), p.early)
	slices.SortStableFunc(all, func(a, b insertion) int { return b.at - a.at })
	out := slices.Clone(script)
	for _, in := range all {
		out = slices.Insert(out, in.at, []byte(in.text)...)
	}
	return out, nil
}

func findPlaces(script []byte) (places, error) {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(bytes.NewReader(script), "")
	if err != nil {
		return places{}, fmt.Errorf("not understood as a shell script: %w", err)
	}
	var p places
	for _, list := range statementLists(file) {
		for i, stmt := range list {
			if pivot := pivotIn(stmt); pivot != nil {
				p.late = append(p.late, lateCall(script, list, i, pivot))
			}
		}
	}
	if len(p.late) == 0 {
		return places{}, errors.New("no switch_root and no run-init is called in it")
	}
	after := -1
	for i, stmt := range file.Stmts {
		if mountsKernelFS(stmt) {
			after = i
		}
	}
	if after < 0 || after+1 >= len(file.Stmts) {
		return places{}, errors.New("it mounts neither /proc nor /sys: there is no place for the early call")
	}
	at := int(file.Stmts[after+1].Pos().Offset())
	p.early = insertion{at, shellEarly + "\n"}
	if first := p.late[0][0].at; first < at {
		return places{}, errors.New("it pivots before it mounts /proc and /sys")
	}
	return p, nil
}

// statementLists gives every list of statements in a script, in order.
func statementLists(file *syntax.File) [][]*syntax.Stmt {
	var lists [][]*syntax.Stmt
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.File:
			lists = append(lists, n.Stmts)
		case *syntax.Block:
			lists = append(lists, n.Stmts)
		case *syntax.Subshell:
			lists = append(lists, n.Stmts)
		case *syntax.IfClause:
			lists = append(lists, n.Cond, n.Then)
		case *syntax.WhileClause:
			lists = append(lists, n.Cond, n.Do)
		case *syntax.ForClause:
			lists = append(lists, n.Do)
		case *syntax.CaseItem:
			lists = append(lists, n.Stmts)
		}
		return true
	})
	return lists
}

// A pivot is a call of switch_root or run-init, and the word that names the
// new root.
type pivot struct {
	stmt   *syntax.Stmt // the call alone
	root   *syntax.Word
	behind bool // && or ||
}

// pivotIn finds a pivot that is a statement of a list itself, or a branch of
// its && and ||.
func pivotIn(stmt *syntax.Stmt) *pivot {
	switch cmd := stmt.Cmd.(type) {
	case *syntax.BinaryCmd:
		if cmd.Op != syntax.AndStmt && cmd.Op != syntax.OrStmt {
			return nil
		}
		if p := pivotIn(cmd.X); p != nil {
			return p
		}
		if p := pivotIn(cmd.Y); p != nil {
			return &pivot{p.stmt, p.root, true}
		}
	case *syntax.CallExpr:
		if root := newRoot(cmd.Args); root != nil {
			return &pivot{stmt, root, false}
		}
	}
	return nil
}

// newRoot is the first word behind switch_root or run-init that is neither an
// option nor an option's value.
func newRoot(args []*syntax.Word) *syntax.Word {
	at := slices.IndexFunc(args, func(w *syntax.Word) bool {
		base := path.Base(w.Lit())
		return base == "switch_root" || base == "run-init"
	})
	if at < 0 || at > 0 && !slices.Contains([]string{"exec", "busybox", "env", "toybox"}, path.Base(args[0].Lit())) {
		return nil
	}
	for i := at + 1; i < len(args); i++ {
		switch word := args[i].Lit(); {
		case word == "-n": // run-init only looks whether it could
			return nil
		case word == "-c" || word == "-d":
			i++
		case strings.HasPrefix(word, "-"):
		case isOptions(args[i]):
		default:
			return args[i]
		}
	}
	return nil
}

// isOptions tells whether a word is an unquoted variable that holds options,
// as $switch_root_opts and ${drop_caps} do.
func isOptions(w *syntax.Word) bool {
	if len(w.Parts) != 1 {
		return false
	}
	v, ok := w.Parts[0].(*syntax.ParamExp)
	return ok && (strings.HasSuffix(v.Param.Value, "opts") || strings.HasSuffix(v.Param.Value, "caps"))
}

// lateCall is what to insert for the pivot in the i-th statement of a list.
func lateCall(script []byte, list []*syntax.Stmt, i int, p *pivot) []insertion {
	root := string(script[p.root.Pos().Offset():p.root.End().Offset()])
	if _, quoted := p.root.Parts[0].(*syntax.DblQuoted); !quoted && p.root.Lit() == "" {
		root = `"` + root + `"`
	}
	call := fmt.Sprintf(shellLate, root)
	if p.behind { // A && switch_root: not before A
		return []insertion{
			{int(p.stmt.Pos().Offset()), "{ " + call + "; "},
			{int(p.stmt.End().Offset()), "; }"},
		}
	}
	for i > 0 && clearsUp(list[i-1]) {
		i--
	}
	at := int(list[i].Pos().Offset())
	line := bytes.LastIndexByte(script[:at], '\n') + 1
	indent := script[line:at]
	if len(bytes.TrimLeft(indent, " \t")) > 0 {
		indent = nil
	}
	return []insertion{{at, call + "\n" + string(indent)}}
}

// clearsUp tells whether a statement only moves or removes mounts and what
// goes with that, on the way to a pivot.
func clearsUp(stmt *syntax.Stmt) bool {
	only, clears := true, false
	syntax.Walk(stmt, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		switch words := literals(call); commandOf(words) {
		case "umount", "sync":
			clears = true
		case "mount":
			clears, only = true, only && movesMount(words)
		case "mkdir", "cat", "read", "[", "test", "echo", "true", ":":
		default:
			only = false
		}
		return true
	})
	return only && clears
}

// mountsKernelFS tells whether a statement mounts /proc, /sys or /dev, or /run,
// where a mount would hide what the agent has there.
func mountsKernelFS(stmt *syntax.Stmt) bool {
	found := false
	syntax.Walk(stmt, func(n syntax.Node) bool {
		if _, ok := n.(*syntax.FuncDecl); ok {
			return false
		}
		call, ok := n.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		words := literals(call)
		if commandOf(words) == "mount" && !movesMount(words) {
			found = found || slices.ContainsFunc(words, func(w string) bool {
				return w == "/proc" || w == "/sys" || w == "/dev" || w == "/run"
			})
		}
		return true
	})
	return found
}

func movesMount(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		return slices.Contains([]string{"move", "--move", "-M", "bind", "--bind", "rbind", "--rbind"}, w)
	})
}

// literals gives the words of a call, "" for those that are not plain text.
func literals(call *syntax.CallExpr) []string {
	words := make([]string, len(call.Args))
	for i, w := range call.Args {
		words[i] = w.Lit()
	}
	return words
}

// commandOf is the command of a call, behind busybox, exec and a leading
// variable such as $MOCK.
func commandOf(words []string) string {
	for _, w := range words {
		switch base := path.Base(w); base {
		case ".", "busybox", "toybox", "exec", "command":
			// path.Base gives "." for a word that is not plain text
		default:
			return base
		}
	}
	return ""
}

package cloudconfig

import (
	"path"
	"strings"

	"boothook/injector/plan"
)

// bootcmd makes the hook script that runs on every boot.
func bootcmd(b *builder) {
	b.result.Bootcmd = shellify(b, "bootcmd", b.cfg.Get("bootcmd"))
}

// runcmd writes the script that runs late, among the others by its name.
func runcmd(b *builder) {
	v := b.cfg.Get("runcmd")
	if script := shellify(b, "runcmd", v); script != nil {
		b.step(&plan.Step{
			Kind: plan.File, Path: path.Join(b.InstanceDir, "scripts/runcmd"), Body: script,
			Mode: 0o700, Secret: true, Why: v.why("runcmd"),
		})
	}
}

// shellify makes a shell script of a list of commands: a string is a line as
// it is, a list one command with every argument quoted. As in cloud-init one
// bad item makes the whole list unusable, since the others may rest on it.
func shellify(b *builder, key string, v *Value) []byte {
	if v.Kind != List {
		b.fail(v, "%s must be a list, not %v", key, v.Kind)
		return nil
	}
	var s strings.Builder
	s.WriteString("#!/bin/sh\n")
	for _, item := range v.List {
		switch item.Kind {
		case Null:
		case String:
			s.WriteString(item.Text + "\n")
		case List:
			for i, arg := range item.List {
				if !arg.IsScalar() && arg.Kind != Null {
					b.fail(arg, "an argument in %s must be a string, not %v; nothing of %s will run", key, arg.Kind, key)
					return nil
				}
				if i > 0 {
					s.WriteByte(' ')
				}
				text := arg.Scalar()
				if arg.Kind == Null {
					text = "None" // what Python's str() makes of it
				}
				s.WriteString("'" + strings.ReplaceAll(text, "'", `'\''`) + "'")
			}
			s.WriteByte('\n')
		default:
			b.fail(item, "a command in %s must be a string or a list, not %v; nothing of %s will run", key, item.Kind, key)
			return nil
		}
	}
	return []byte(s.String())
}

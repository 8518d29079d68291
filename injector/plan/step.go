package plan

import (
	"errors"
	"fmt"
	"strings"

	"boothook/netboot/instance"
)

// ErrInvalid marks a step that cannot mean anything.
var ErrInvalid = errors.New("invalid step")

// maxPath is PATH_MAX of Linux, the zero byte included.
const maxPath = 4096

// Validate says what is wrong with a step whatever root it is meant for.
func (s *Step) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	switch s.Kind {
	case File, Dir, Link, Remove, Sudo, Doas:
		switch {
		case !strings.HasPrefix(s.Path, "/"):
			return bad("path %q is not absolute", s.Path)
		case strings.Contains(s.Path, "\x00"):
			return bad("path %q has a zero byte", s.Path)
		case len(s.Path) >= maxPath:
			return bad("path of %d bytes is too long", len(s.Path))
		case s.Kind == File && strings.HasSuffix(s.Path, "/"):
			return bad("path %q names a directory", s.Path)
		case s.Size != 0 && (s.Kind != File || s.Append || !s.KeepExisting || s.Size < int64(len(s.Body))):
			return bad("size %d", s.Size)
		case (s.Kind == Sudo || s.Kind == Doas) && (s.Account == nil || s.Account.Name == ""):
			return bad("%s without a name", s.Kind)
		case s.Kind == Link && (s.Target == "" || len(s.Target) >= maxPath || strings.Contains(s.Target, "\x00")):
			return bad("link to %.40q", s.Target)
		}
	case User, Group, Password, AuthorizedKeys:
		if s.Account == nil || s.Account.Name == "" {
			return bad("%s without a name", s.Kind)
		}
	case Hostname:
		name := strings.TrimSpace(string(s.Body))
		if name == "" || len(name) > 253 || strings.ContainsAny(name, " \t\n\x00/") {
			return bad("host name %.80q", name)
		}
	default:
		return bad("unknown kind %q", s.Kind)
	}
	if s.Mode > 0o7777 {
		return bad("mode %#o", s.Mode)
	}
	return nil
}

// Subject is what the step is about: its path or its account's name.
func (s *Step) Subject() string {
	switch {
	case s.Path != "":
		return s.Path
	case s.Account != nil:
		return s.Account.Name
	case s.Kind == Hostname:
		return "/etc/hostname"
	}
	return ""
}

// String gives the step as "KIND SUBJECT", for errors.
func (s Step) String() string { return string(s.Kind) + " " + s.Subject() }

// Problem is a problem with this step, placed where the step comes from.
func (s *Step) Problem(message string) instance.Problem {
	if about := strings.TrimSpace(s.String()); about != "" {
		message = printable(about) + ": " + message
	}
	return instance.Problem{Origin: s.Why.Origin, Part: s.Why.Part, Line: s.Why.Line, Message: message}
}

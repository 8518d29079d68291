package root

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// The bounds of extended attributes are the kernel's (linux/limits.h), in bytes.
const (
	maxAttrNames = 64 << 10
	maxAttrValue = 64 << 10
)

// An attr is an extended attribute (xattr(7)).
type attr struct{ name, value string }

// keptAttrs are the attributes of the file name in the directory dir that what
// replaces it shall have: access lists, capabilities and those of users.
// Labels are the policy's business, and what IMA and EVM have signed is no
// longer true of other content.
func keptAttrs(dir int, name string) []attr {
	buf := make([]byte, maxAttrNames)
	n, err := unix.Llistxattr(fdPath(dir)+"/"+name, buf)
	if err != nil || n == 0 {
		return nil // a file system that has none
	}
	var kept []attr
	for _, a := range strings.Split(string(buf[:n-1]), "\x00") {
		if strings.HasPrefix(a, "user.") || a == "system.posix_acl_access" || a == "security.capability" {
			kept = append(kept, attr{a, attrOf(dir, name, a)})
		}
	}
	return kept
}

// attrOf reads an attribute of name in the directory dir; empty for none.
func attrOf(dir int, name, attribute string) string {
	buf := make([]byte, maxAttrValue)
	n, err := unix.Lgetxattr(fdPath(dir)+"/"+name, attribute, buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

// setAttrs gives name in the directory dir its attributes.
func (s *stager) setAttrs(dir int, name string, attrs []attr) error {
	for _, a := range attrs {
		err := s.sys.Attr(dir, name, a.name, a.value)
		if s.anyOwn {
			err = ignorePermission(err)
		}
		if err != nil && !errors.Is(err, unix.ENOTSUP) {
			return err
		}
	}
	return nil
}

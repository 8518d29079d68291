package dhcp

import "errors"

// Names reads domain names in the DNS's form, one after the other, as DHCP's
// options have them (RFC 3397, RFC 8415 §10). They may be compressed: a pointer
// ends a name with another one of the same option, and points to no pointer. A
// name without its end is taken as it is. The characters are not looked at.
func Names(b []byte) (names []string, err error) {
	name, next := "", -1 // next: where to go on behind a pointer
	for at := 0; at < len(b); {
		n := int(b[at])
		at++
		switch {
		case n == 0:
			names, name = append(names, name), ""
			if next >= 0 {
				at, next = next, -1
			}
		case n >= 0xc0:
			if next >= 0 || at == len(b) {
				return nil, errors.New("bad pointer in a domain name")
			}
			at, next = (n&^0xc0)<<8|int(b[at]), at+1
		case at+n > len(b):
			return nil, errors.New("domain name is cut off")
		default:
			if name != "" {
				name += "."
			}
			name += string(b[at : at+n])
			at += n
		}
	}
	if name != "" {
		names = append(names, name)
	}
	return names, nil
}

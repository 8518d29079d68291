package cloudconfig

import (
	"strings"
	"testing"
)

// What openssl passwd -6 makes of them.
func TestSHA512Crypt(t *testing.T) {
	for _, tt := range []struct{ password, salt, want string }{
		{"Hello world!", "saltstring", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"},
		{strings.Repeat("x", 100), "0123456789abcdef", "$6$0123456789abcdef$hdKQR3U1ofzUBt70lpJrj9gRNuOHUPP5vMHbJtWeAVw9d3x7kUXPRZHmXi8rquaE8P8IDbMUrlAn6yB.w0e9w1"},
	} {
		if got := sha512Crypt([]byte(tt.password), []byte(tt.salt)); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.password, got, tt.want)
		}
	}
}

func TestIsHash(t *testing.T) {
	for s, want := range map[string]bool{
		"$6$salt$digest": true, "$y$j9T$salt$digest": true, "$2y$10$abc": true, "$1$a$b": true,
		"plain": false, "$6$salt": false, "$6$$digest": false, "$9$a$b": false, "$6$a:b$c": false, "": false,
	} {
		if isHash(s) != want {
			t.Errorf("isHash(%q) = %t", s, !want)
		}
	}
}

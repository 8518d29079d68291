//go:build boot && inits

package boottest

import "testing"

// TestInits boots all that TestSysvinit does not, one after the other.
func TestInits(t *testing.T) {
	for _, init := range []string{"systemd", "openrc", "runit"} {
		t.Run(init, func(t *testing.T) { testInit(t, init) })
	}
}

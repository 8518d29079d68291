package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A Key is an SSH key pair made for one run.
type Key struct {
	// Path holds the private key; Public is the authorized_keys line.
	Path, Public string
}

// NewKey makes an ed25519 key pair in dir, under the given name, in place of
// one of an earlier run.
func NewKey(ctx context.Context, dir, name string) (Key, error) {
	path := filepath.Join(dir, name)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Key{}, fmt.Errorf("make ssh key: %w", err)
	}
	if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path).CombinedOutput(); err != nil {
		return Key{}, fmt.Errorf("make ssh key: %w: %s", err, bytes.TrimSpace(out))
	}
	public, err := os.ReadFile(path + ".pub")
	if err != nil {
		return Key{}, err
	}
	return Key{path, strings.TrimSpace(string(public))}, nil
}

// A Login is a way into the guest.
type Login struct {
	Network *Network
	Key     Key
	User    string
	Port    int
	// KnownHosts is a known_hosts(5) file that the guest's host key must
	// stand in; empty takes any key.
	KnownHosts string
}

// Run runs a shell script in the guest and returns what it printed. The
// script goes through standard input, so it never meets a second shell's
// quoting. sudo -n works where the account may.
func (l Login) Run(ctx context.Context, script string) ([]byte, error) {
	strict, known := "no", "/dev/null"
	if l.KnownHosts != "" {
		strict, known = "yes", l.KnownHosts
	}
	cmd := exec.CommandContext(ctx, "ssh", "-F", "/dev/null", "-i", l.Key.Path, "-p", strconv.Itoa(l.Port),
		"-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=30",
		"-o", "StrictHostKeyChecking="+strict, "-o", "UserKnownHostsFile="+known, "-o", "GlobalKnownHostsFile=/dev/null",
		l.User+"@"+GuestAddress, "sh -s")
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(script), &stdout, &stderr
	if err := l.Network.start(cmd); err != nil {
		return nil, fmt.Errorf("start ssh: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return stdout.Bytes(), fmt.Errorf("ssh %s port %d: %w: %s", l.User, l.Port, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

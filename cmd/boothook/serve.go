package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"boothook/netboot/simulate"
)

const serveHelp = `Runs a simulated metadata service alone, until interrupted. It answers as the
cloud does, errors included, and logs each request on standard error. The
address it listens at is printed on standard output.`

// runServe runs "boothook serve".
func runServe(ctx context.Context, e env, args []string) error {
	var (
		m        simulate.Machine
		server   simulate.Server
		flags    = newFlags(e, "serve", "serve [--cloud NAME] [OPTIONS]", serveHelp)
		cloud    = flags.String("cloud", "ec2", "the `cloud` to simulate: "+strings.Join(cloudNames(), ", "))
		listen   = flags.String("listen", "127.0.0.1:0", "the `address` to listen at, HOST:PORT")
		userData = flags.String("user-data", "", "a `file` with the user-data; - is standard input")
		vendor   = flags.String("vendor-data", "", "a `file` with the vendor-data")
	)
	flags.StringVar(&m.InstanceID, "instance-id", "i-0123456789abcdef0", "the instance's `id`")
	flags.StringVar(&m.Hostname, "hostname", "ip-10-0-0-10.ec2.internal", "the instance's `name`")
	flags.IntVar(&m.LaunchIndex, "launch-index", 0, "the instance's number in its launch")
	flags.Func("key", "an OpenSSH public `key`, or a file with some; may be repeated", func(s string) error {
		keys, err := publicKeys(s)
		m.PublicKeys = append(m.PublicKeys, keys...)
		return err
	})
	flags.DurationVar(&server.Faults.Delay, "delay", 0, "how long each answer is held back")
	flags.IntVar(&server.Faults.Status, "fail", 0, "answer with this `status` instead")
	flags.IntVar(&server.Faults.Times, "times", 0, "how many requests fail; 0: all")
	flags.StringVar(&server.Faults.Path, "path", "", "only requests below this `path` fail")
	flags.BoolVar(&server.Faults.Hang, "hang", false, "never answer instead")
	flags.BoolVar(&server.Faults.Reset, "reset", false, "reset the connection instead")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usagef("serve: %v", err)
	}
	if flags.NArg() > 0 {
		return usagef("serve: unexpected argument %q", flags.Arg(0))
	}
	c, err := simulate.Find(*cloud)
	if err != nil {
		return usagef("serve: %v", err)
	}
	if m.UserData, err = readOptional(e, *userData); err != nil {
		return err
	}
	if m.VendorData, err = readOptional(e, *vendor); err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%s at http://%s/\n", c.Name, ln.Addr())
	if c.Address != "" {
		fmt.Fprintf(e.stderr, "boothook: machines of that cloud expect it at http://%s/\n", c.Address)
	}
	server.Handler = c.New(m)
	server.Log = func(r simulate.Entry) {
		fmt.Fprintf(e.stderr, "%s connection %d: %s %s: %d, %d bytes, %v\n",
			r.Time.Format("15:04:05.000"), r.Conn, r.Method, r.Path, r.Status, r.Bytes, r.Took)
	}
	return server.Serve(ctx, ln)
}

func cloudNames() []string {
	var names []string
	for _, c := range simulate.Clouds() {
		names = append(names, c.Name)
	}
	return names
}

// publicKeys reads a key, or the file that holds some.
func publicKeys(s string) ([]string, error) {
	if strings.Contains(s, " ") {
		return []string{s}, nil
	}
	b, err := os.ReadFile(s)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("neither a key nor a file: %s", s)
		}
		return nil, err
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' || r == '\r' }), nil
}

// readOptional reads a document, or nothing when no name is given.
func readOptional(e env, name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	return readDocument(e, name)
}

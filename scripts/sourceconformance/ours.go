package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing/fstest"
	"time"

	"boothook/injector/network"
	"boothook/netboot/fetch"
	boothook "boothook/netboot/instance"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// An instance is what boothook made of a case.
type instance struct {
	boothook.Instance
	err error
}

// volumeLabels are those of the sources whose documents are on a volume.
func volumeLabels() map[string]string {
	return map[string]string{
		"nocloud": "cidata", "configdrive": "config-2", "ibmcloud": "metadata", "opennebula": "CONTEXT",
		"rbxcloud": "CLOUDMD", "ovf": "OVF ENV",
	}
}

// ask puts a case to the source that it is for.
func (c *sourceCase) ask() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	env := source.Env{Evidence: platform.Evidence{DMI: c.Evidence.DMI, Words: c.Evidence.Words}}
	match := platform.Match{Source: c.Source}
	sysfs, err := c.sysfs()
	if err != nil {
		return err
	}
	defer os.RemoveAll(sysfs)
	env.Sysfs = sysfs
	env.Lease = source.Lease{Interface: c.nics()[0], Address: netip.MustParseAddr("192.0.2.10"), Gateway: netip.MustParseAddr("192.0.2.1")}
	switch label := volumeLabels()[c.Source]; {
	case label != "":
		env.Volumes = []source.Volume{{Label: label, FS: fileSystem(c.Docs)}}
		c.ours.Instance, c.ours.err = source.Fetch(ctx, match, env)
	case c.Source == "lxd":
		env.Dev = sysfs
		c.ours.Instance, c.ours.err = c.overSocket(ctx, match, env)
	case c.Source == "vmware" || c.Source == "smartos":
		c.ours.Instance, c.ours.err = source.Parse(match, source.Docs(c.bare()), &env.Evidence)
	default:
		ln := &listener{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: http.HandlerFunc(c.serve)}
		go server.Serve(ln)
		defer server.Close()
		env.HTTP = fetch.New(fetch.Config{Dial: ln.dial})
		defer env.HTTP.Close()
		if ovf := c.Docs["ovf-env.xml"]; ovf != nil {
			env.Volumes = []source.Volume{{Label: "rd_rdfe_stable.1", FS: fstest.MapFS{"ovf-env.xml": {Data: ovf}}}}
		}
		c.ours.Instance, c.ours.err = source.Fetch(ctx, match, env)
	}
	c.Vendor = c.ours.VendorData
	doc, _ := network.Read(c.ours.NetworkConfig, "network-config")
	for _, step := range network.Plan(doc, nil, "netplan", nil).Steps {
		if strings.HasSuffix(step.Path, ".yaml") {
			c.Netplan = string(step.Body)
		}
	}
	return nil
}

// overSocket serves the documents on LXD's socket.
func (c *sourceCase) overSocket(ctx context.Context, match platform.Match, env source.Env) (boothook.Instance, error) {
	if err := os.Mkdir(filepath.Join(env.Dev, "lxd"), 0o755); err != nil {
		return boothook.Instance{}, err
	}
	ln, err := net.Listen("unix", filepath.Join(env.Dev, "lxd/sock"))
	if err != nil {
		return boothook.Instance{}, err
	}
	server := &http.Server{Handler: http.HandlerFunc(c.serve)}
	go server.Serve(ln)
	defer server.Close()
	return source.Fetch(ctx, match, env)
}

// nics gives the names of the machine's NICs, in order.
func (c *sourceCase) nics() []string {
	names := map[string]bool{}
	for _, name := range c.hardware() {
		names[name] = true
	}
	return sorted(names)
}

func (c *sourceCase) hardware() map[string]string {
	if c.Evidence.NICs != nil {
		return c.Evidence.NICs
	}
	return map[string]string{"fa:16:3e:12:34:01": "eth0", "fa:16:3e:12:34:02": "eth1", "fa:16:3e:12:34:03": "eth2"}
}

// sysfs makes a directory that shows the NICs as sysfs does.
func (c *sourceCase) sysfs() (string, error) {
	top, err := os.MkdirTemp("", "sysfs")
	if err != nil {
		return "", err
	}
	for mac, name := range c.hardware() {
		dir := filepath.Join(top, "class/net", name)
		if err := os.MkdirAll(filepath.Join(dir, "device"), 0o755); err != nil {
			return top, err
		}
		if err := os.WriteFile(filepath.Join(dir, "address"), []byte(mac+"\n"), 0o644); err != nil {
			return top, err
		}
	}
	return top, nil
}

// bare gives VMware's documents by their names, and others' as they are.
func (c *sourceCase) bare() map[string][]byte {
	out := map[string][]byte{}
	for path, body := range c.Docs {
		out[strings.TrimPrefix(path, "guestinfo.")] = body
	}
	return out
}

func fileSystem(docs map[string][]byte) fstest.MapFS {
	files := fstest.MapFS{}
	for path, body := range docs {
		files[path] = &fstest.MapFile{Data: body}
	}
	return files
}

// serve answers as a metadata service does: documents, listings of what is
// below a path, and a token to whoever puts the question.
func (c *sourceCase) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.RequestURI(), "/")
	if r.Header.Get("DomU_Request") != "" {
		path = "password"
	}
	if r.Method == http.MethodPut {
		fmt.Fprint(w, "token")
		return
	}
	if body, ok := c.Docs[path]; ok {
		w.Write(body)
		return
	}
	if body, ok := c.Docs[strings.TrimSuffix(path, "/")+"/"]; ok {
		w.Write(body)
		return
	}
	listing := c.listing(strings.TrimSuffix(path, "/") + "/")
	if listing == "" {
		http.NotFound(w, r)
		return
	}
	fmt.Fprint(w, listing)
}

func (c *sourceCase) listing(dir string) string {
	seen := map[string]bool{}
	for path := range c.Docs {
		rest, below := strings.CutPrefix(path, dir)
		if !below || rest == "" {
			continue
		}
		name, _, deeper := strings.Cut(rest, "/")
		if deeper {
			name += "/"
		}
		seen[name] = true
	}
	return strings.Join(sorted(seen), "\n")
}

// A listener gives a server the other ends of connections that were dialled.
type listener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *listener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { close(l.done); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

package injector

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/root"
	"boothook/injector/state"
	"boothook/netboot/instance"
)

// machine is the hardware id of the tests' machine.
const machine = "uuid=here"

// customizedRoot is a root that has been an instance.
func customizedRoot(t *testing.T, inst instance.Instance) *root.Root {
	t.Helper()
	r, err := root.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	result := Inject(t.Context(), r, Prepare(t.Context(), inst, nil), Options{NoHooks: true, Apply: root.Options{AnyOwner: true}})
	if !result.Outcome.Applied {
		t.Fatalf("not customized: %v", result.Outcome.Problems)
	}
	return r
}

// TestIdentify is who the machine is, in a root that has been i-1 on this
// machine: the first column is what the source gave.
func TestIdentify(t *testing.T) {
	script := []byte("#!/bin/sh\n")
	stored := instance.Instance{Source: "ec2", ID: "i-1", HardwareID: machine, UserData: script}
	fetched := func(id string) *instance.Instance {
		return &instance.Instance{Source: "ec2", ID: id, HardwareID: machine, UserData: []byte("#cloud-config\n")}
	}
	partial := func(id string) *instance.Instance { return &instance.Instance{Source: "ec2", ID: id, Partial: true} }
	type want struct {
		ID, Body         string
		New, PerInstance bool
		Warnings         int
		Err              error
	}
	for name, c := range map[string]struct {
		fetched *instance.Instance
		ids     []string
		again   bool
		want    want
	}{
		"the same instance":                    {fetched("i-1"), []string{machine}, false, want{ID: "i-1", Body: "#cloud-config\n"}},
		"the same, and all is due again":       {fetched("i-1"), []string{machine}, true, want{ID: "i-1", Body: "#cloud-config\n", PerInstance: true}},
		"another instance":                     {fetched("i-2"), []string{machine}, false, want{ID: "i-2", Body: "#cloud-config\n", New: true, PerInstance: true}},
		"another machine, and a source":        {fetched("i-1"), []string{"uuid=there"}, false, want{ID: "i-1", Body: "#cloud-config\n"}},
		"no source":                            {nil, []string{machine}, false, want{ID: "i-1", Body: string(script), Warnings: 1}},
		"no source, this machine by one id":    {nil, []string{"serial=1", "", machine}, false, want{ID: "i-1", Body: string(script), Warnings: 1}},
		"no source, another machine":           {nil, []string{"uuid=there"}, false, want{Err: ErrNothing}},
		"no source, another machine, again":    {nil, []string{"uuid=there"}, true, want{Err: ErrNothing}},
		"no source, an id that is part of it":  {nil, []string{"uuid=her", "uuid=here2", "UUID=here"}, false, want{Err: ErrNothing}},
		"no source, a machine without ids":     {nil, nil, false, want{Err: ErrNothing}},
		"no source, a machine of the empty id": {nil, []string{""}, false, want{Err: ErrNothing}},
		"part of the same":                     {partial("i-1"), []string{"uuid=there"}, false, want{ID: "i-1", Body: string(script)}},
		"part of another":                      {partial("i-2"), []string{machine}, false, want{ID: "i-2", New: true, PerInstance: true}},
		"an id that is none":                   {fetched("\n"), []string{machine}, false, want{ID: "\n", Body: "#cloud-config\n", Err: state.ErrBadID}},
	} {
		t.Run(name, func(t *testing.T) {
			r := customizedRoot(t, stored)
			var p *Prepared
			if c.fetched != nil {
				p = Prepare(t.Context(), *c.fetched, nil)
			}
			who, err := identify(r, p, c.ids, c.again)
			got := want{ID: who.instance.ID, New: who.decision.New, PerInstance: who.decision.PerInstance, Warnings: len(who.problems)}
			if who.documents[user] != nil {
				got.Body = string(who.documents[user].body)
			}
			if !errors.Is(err, c.want.Err) {
				t.Errorf("error %v, want %v", err, c.want.Err)
			}
			c.want.Err = nil
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
		})
	}
}

// TestStoredOfNobody: what a machine without a hardware id has stored is
// nobody's, not even another one's without.
func TestStoredOfNobody(t *testing.T) {
	r := customizedRoot(t, instance.Instance{Source: "ec2", ID: "i-1", UserData: []byte("#!/bin/sh\n")})
	for _, ids := range [][]string{nil, {""}, {machine}} {
		if _, err := identify(r, nil, ids, false); !errors.Is(err, ErrNothing) {
			t.Errorf("%q: %v", ids, err)
		}
	}
}

// TestSigned is the signature rule: no document of an instance gets through,
// wherever it is from.
func TestSigned(t *testing.T) {
	body := []byte("#!/bin/sh\n")
	for name, inst := range map[string]instance.Instance{
		"user-data":    {ID: "i-1", UserData: body},
		"vendor-data":  {ID: "i-1", VendorData: body},
		"vendor-data2": {ID: "i-1", VendorData2: body},
		"a space":      {ID: "i-1", UserData: []byte(" ")},
	} {
		docs := Prepare(t.Context(), inst, nil).documents
		if err := checkSigned(docs, true); !errors.Is(err, ErrUnsigned) {
			t.Errorf("%s: %v", name, err)
		}
		if err := checkSigned(docs, false); err != nil {
			t.Errorf("%s, and none required: %v", name, err)
		}
	}
	docs := Prepare(t.Context(), instance.Instance{ID: "i-1", Hostname: "web1", NetworkConfig: body}, nil).documents
	if err := checkSigned(docs, true); err != nil {
		t.Errorf("nothing to be signed: %v", err)
	}
}

// A brokenRoot is a recoverable one.
type brokenRoot struct {
	mount, recovery error
	persistence     string
	found           root.Recovery
	recovered       bool
	mounted         []string
}

func (b *brokenRoot) MountFor(paths []string) error { b.mounted = paths; return b.mount }
func (b *brokenRoot) Persistence() string           { return b.persistence }
func (b *brokenRoot) Recover(context.Context) (root.Recovery, error) {
	b.recovered = true
	return b.found, b.recovery
}

func TestRecoverRoot(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		root   brokenRoot
		dryRun bool
		want   []string
		err    error
	}{
		"nothing to do":       {},
		"not to be mounted":   {root: brokenRoot{mount: broken}, err: broken},
		"a volatile root":     {root: brokenRoot{persistence: "volatile"}, want: []string{"volatile"}},
		"an apply was undone": {root: brokenRoot{found: root.Recovery{Found: true}}, want: []string{"the work of an earlier boot was cut short and was undone: it had changed nothing yet"}},
		"an apply is finished": {root: brokenRoot{found: root.Recovery{Found: true, Finished: true, LeftOver: "/x"}},
			want: []string{"the work of an earlier boot was cut short and is finished now", "not all that it had staged could be taken away: /x"}},
		"a dry run":         {root: brokenRoot{recovery: broken, persistence: "volatile"}, dryRun: true, want: []string{"volatile"}},
		"not to be finshed": {root: brokenRoot{recovery: broken, persistence: "volatile"}, want: []string{"volatile"}, err: broken},
	} {
		found, err := recoverRoot(t.Context(), &c.root, c.dryRun)
		var got []string
		for _, p := range found {
			got = append(got, p.Message)
			if !p.Warning {
				t.Errorf("%s: %v is no warning", name, p)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" || !errors.Is(err, c.err) {
			t.Errorf("%s: error %v; warnings (-want +got):\n%s", name, err, diff)
		}
		if c.root.recovered == (c.dryRun || c.root.mount != nil) {
			t.Errorf("%s: recovered %v", name, c.root.recovered)
		}
		if diff := cmp.Diff([]string{state.CloudDir, state.OwnDir}, c.root.mounted); diff != "" {
			t.Errorf("%s: mounted (-want +got):\n%s", name, diff)
		}
	}
}

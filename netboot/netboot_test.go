package netboot

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/nic"
	"boothook/netboot/platform"
	"boothook/netboot/source"
)

// A lab is a machine in which a search takes place: what it meets, and what it
// has done. Its clock is synctest's.
type lab struct {
	t       *testing.T
	search  *Search
	leases  chan nic.Lease
	idle    bool
	noNICs  error // of Raise
	stuck   error // of Settle
	answers map[string]func(context.Context, Over, []source.Volume) (instance.Instance, error)
	volumes []source.Volume
	image   Image
	seed    source.Docs
	mounted chan struct{}
	end     func() // closes leases, as a manager does when its context is done

	lock     sync.Mutex // guards what follows
	raised   []nic.Options
	settled  []int
	leased   []string
	answered []*Found
	marks    []string
	problems []string
	closed   int
}

const timeout = time.Minute

func newLab(t *testing.T, matches ...platform.Match) *lab {
	l := &lab{t: t, leases: make(chan nic.Lease, 8), idle: true, mounted: make(chan struct{}),
		answers: map[string]func(context.Context, Over, []source.Volume) (instance.Instance, error){}}
	l.search = &Search{Matches: matches, Options: Options{Timeout: timeout},
		Network: l, Sources: l, Volumes: l, Seed: l, Watcher: l}
	l.end = sync.OnceFunc(func() {
		l.lock.Lock()
		defer l.lock.Unlock()
		close(l.leases)
	})
	return l
}

func (l *lab) Raise(_ context.Context, o nic.Options) (NICs, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.raised = append(l.raised, o)
	return l, l.noNICs
}

func (l *lab) Leases() <-chan nic.Lease { return l.leases }
func (l *lab) Idle() bool               { return l.idle }

func (l *lab) Settle(index int) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.settled = append(l.settled, index)
	return l.stuck
}

func (l *lab) Connect(*nic.Lease) *fetch.Client { return fetch.New(fetch.Config{}) }

func (l *lab) Ask(ctx context.Context, over Over, m platform.Match, volumes []source.Volume) (instance.Instance, error) {
	return l.answers[m.Source](ctx, over, volumes)
}

func (l *lab) More(_ context.Context, over Over, m platform.Match, names []string) (source.Docs, error) {
	return source.Docs{names[0]: []byte(m.Source + " over " + over.Lease.Name)}, nil
}

func (l *lab) Tell(_ context.Context, over Over, m platform.Match, out instance.Outcome) error {
	return fmt.Errorf("%s over %s: %v", m.Source, over.Lease.Name, out.Applied)
}

func (l *lab) List(ctx context.Context) ([]source.Volume, func(), error) {
	select {
	case <-l.mounted:
		return l.volumes, func() { l.closed++ }, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

func (l *lab) Seed(string) Image { i := l.image; i.Docs = l.seed; return i }

func (l *lab) Leased(lease nic.Lease) { l.note(&l.leased, lease.Name) }
func (l *lab) Mark(stage string)      { l.note(&l.marks, stage) }
func (l *lab) Problem(p instance.Problem) {
	l.note(&l.problems, fmt.Sprintf("%v, warning: %v", p, p.Warning))
}

func (l *lab) note(to *[]string, s string) {
	l.lock.Lock()
	defer l.lock.Unlock()
	*to = append(*to, s)
}

func (l *lab) Answered(f *Found) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.answered = append(l.answered, f)
}

// says makes a source answer after some time.
func (l *lab) says(name, id string, after time.Duration) {
	l.answers[name] = func(ctx context.Context, _ Over, volumes []source.Volume) (instance.Instance, error) {
		if err := sleep(ctx, after); err != nil {
			return instance.Instance{}, err
		}
		if len(volumes) > 0 {
			id += " with " + volumes[0].Label
		}
		return instance.Instance{Source: name, ID: id}, nil
	}
}

// refuses makes a source say no for good.
func (l *lab) refuses(name string, err error) {
	l.answers[name] = func(context.Context, Over, []source.Volume) (instance.Instance, error) {
		return instance.Instance{}, err
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lease makes NICs get an address, one after the other.
func (l *lab) lease(names ...string) {
	l.lock.Lock()
	defer l.lock.Unlock()
	for _, name := range names {
		l.leases <- nic.Lease{Name: name, Index: int(name[len(name)-1] - '0'), Prefix: netip.MustParsePrefix("192.0.2.7/24")}
	}
}

// mount makes the root and its volumes be there after some time.
func (l *lab) mount(after time.Duration) {
	time.AfterFunc(after, func() { close(l.mounted) })
}

// find searches, and gives how long it took.
func (l *lab) find() (*Found, time.Duration, error) {
	l.t.Helper()
	ctx, cancel := context.WithCancel(l.t.Context())
	start := time.Now()
	found, err := l.search.Find(ctx)
	took := time.Since(start)
	time.Sleep(timeout) // for what comes late
	cancel()
	l.end()
	synctest.Wait()
	l.lock.Lock() // from here on only the test reads
	defer l.lock.Unlock()
	return found, took, err
}

func cidata(files map[string]string) source.Volume {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return source.Volume{Label: "cidata", FS: fsys}
}

var (
	ec2   = platform.Match{Source: "ec2", Platform: "aws", HardwareID: "board_asset_tag=i-1", Because: "the firmware says so"}
	azure = platform.Match{Source: "azure", Because: "boothook.source=azure"}
	errNo = errors.New("the service says no")
)

// TestFind is the story in its cases: who has an answer, when, and which of
// them counts.
func TestFind(t *testing.T) {
	for _, tt := range []struct {
		name    string
		matches []platform.Match
		set     func(*lab)
		// want is the instance-id, and after how long; or part of an error.
		want  string
		after time.Duration
		err   string
		check func(*testing.T, *lab, *Found)
	}{
		{name: "the network, long before the root", matches: []platform.Match{ec2},
			set:  func(l *lab) { l.says("ec2", "i-1", time.Second); l.lease("eth1"); l.mount(20 * time.Second) },
			want: "i-1", after: 20 * time.Second,
			check: func(t *testing.T, l *lab, f *Found) {
				if len(l.answered) != 1 || l.answered[0] != f {
					t.Errorf("answered %v, want the very same as what is found", l.answered)
				}
				if f.Match != ec2 || f.Lease.Name != "eth1" || f.Client == nil || time.Until(f.Deadline) != -20*time.Second { // find has waited that much longer than the timeout
					t.Errorf("found %+v", f)
				}
				if !slices.Equal(l.settled, []int{1}) || !slices.Equal(l.marks, []string{"instance fetched"}) {
					t.Errorf("settled %v, marks %q", l.settled, l.marks)
				}
				if o := l.raised[0]; o.Pace != nic.CloudPace || o.LinkLocal4 {
					t.Errorf("raised with %+v", o)
				}
			}},
		{name: "the network, long after the root", matches: []platform.Match{ec2},
			set:  func(l *lab) { l.says("ec2", "i-1", 50*time.Second); l.lease("eth0"); l.mount(0) },
			want: "i-1", after: 50 * time.Second},
		{name: "a source behind one that says no", matches: []platform.Match{azure, ec2},
			set: func(l *lab) {
				l.refuses("azure", errNo)
				l.says("ec2", "i-1", 0)
				l.lease("eth0")
				l.mount(0)
			}, want: "i-1",
			check: func(t *testing.T, l *lab, _ *Found) {
				if o := l.raised[0]; o.Pace != 0 || !slices.Equal(o.DHCPOptions, source.DHCPOptions([]platform.Match{azure})) {
					t.Errorf("raised with %+v", o)
				}
			}},

		// What the machine itself holds, which comes later than the network.
		{name: "a volume counts more", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.says("ec2", "i-1", 0)
				l.says("nocloud", "iid-volume", 0)
				l.volumes = []source.Volume{cidata(map[string]string{"meta-data": "", "user-data": ""})}
				l.lease("eth0")
				l.mount(10 * time.Second)
			}, want: "iid-volume with cidata", after: 10 * time.Second,
			check: func(t *testing.T, l *lab, f *Found) {
				if f.Client != nil || f.Match.Source != "nocloud" || l.closed != 1 || len(l.answered) != 1 || l.answered[0] == f {
					t.Errorf("found %+v, volumes closed %d times, answered %v", f, l.closed, l.answered)
				}
				if got := l.marks[len(l.marks)-1]; got != "instance read from volume label is cidata" {
					t.Errorf("marked %q", got)
				}
			}},
		{name: "a volume that cannot be read counts for nothing", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.says("ec2", "i-1", 0)
				l.refuses("nocloud", errNo)
				l.volumes = []source.Volume{cidata(map[string]string{"meta-data": "", "user-data": ""})}
				l.lease("eth0")
				l.mount(0)
			}, want: "i-1",
			check: func(t *testing.T, l *lab, _ *Found) {
				if want := "nocloud: the service says no, warning: true"; !slices.Equal(l.problems, []string{want}) {
					t.Errorf("problems %q", l.problems)
				}
			}},
		{name: "a seed counts more", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.says("ec2", "i-1", 0)
				l.seed = source.Docs{"meta-data": []byte("instance-id: iid-seed\n")}
				l.lease("eth0")
				l.mount(10 * time.Second)
			}, want: "iid-seed", after: 10 * time.Second},
		{name: "a seed whose source is left out", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.search.Evidence.Only = []string{"ec2"}
				l.says("ec2", "i-1", 0)
				l.seed = source.Docs{"meta-data": []byte("instance-id: iid-seed\n")}
				l.lease("eth0")
				l.mount(0)
			}, want: "i-1"},
		{name: "a list that leaves the network's source out", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.says("ec2", "i-1", 0)
				l.image = Image{Sources: []string{"NoCloud", "None"}, Origin: "/etc/cloud/cloud.cfg"}
				l.lease("eth0")
				l.mount(0)
			}, err: "left out",
			check: func(t *testing.T, l *lab, _ *Found) {
				if len(l.problems) != 1 || !strings.Contains(l.problems[0], "cloud.cfg: ec2") || !strings.Contains(l.problems[0], "boothook.source=ec2") {
					t.Errorf("problems %q", l.problems)
				}
			}},
		{name: "a list that leaves out what does not answer", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.says("ec2", "i-1", timeout)
				l.image = Image{Sources: []string{"NoCloud", "None"}}
				l.lease("eth0")
				l.mount(time.Second)
			}, err: "left out by the image's datasource_list: ec2", after: time.Second},
		{name: "a list that leaves one of two out", matches: []platform.Match{ec2, {Source: "gce"}},
			set: func(l *lab) {
				l.says("ec2", "i-1", 0)
				l.says("gce", "i-2", 0)
				l.image = Image{Sources: []string{"GCE", "NoCloud"}}
				l.lease("eth0")
				l.mount(time.Second)
			}, want: "i-2", after: time.Second},
		{name: "a list that leaves it out, and names another", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.says("ec2", "i-1", 0)
				l.says("gce", "i-2", 0)
				l.image = Image{Sources: []string{"GCE", "None"}, Certain: true}
				l.lease("eth0")
				l.mount(0)
			}, want: "i-2"},
		{name: "a list that leaves out what has not answered", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.refuses("ec2", errors.New("no"))
				l.image = Image{Sources: []string{"GCE"}, Certain: true}
				l.lease("eth0")
				l.mount(0)
			}, err: "no source answered", after: lateLinkTime,
			check: func(t *testing.T, l *lab, _ *Found) {
				if len(l.problems) != 1 || !strings.Contains(l.problems[0], "gce: named alone") {
					t.Errorf("problems %q", l.problems)
				}
			}},
		{name: "a list with the network's source in front of the seed's", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.says("ec2", "i-1", time.Second)
				l.seed = source.Docs{"meta-data": []byte("instance-id: iid-seed\n")}
				l.image = Image{Sources: []string{"Ec2", "NoCloud", "None"}}
				l.lease("eth0")
				l.mount(0)
			}, want: "i-1", after: time.Second},
		{name: "a list with the seed's in front", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.says("ec2", "i-1", time.Second)
				l.seed = source.Docs{"meta-data": []byte("instance-id: iid-seed\n")}
				l.image = Image{Sources: []string{"NoCloud", "Ec2", "None"}}
				l.lease("eth0")
				l.mount(0)
			}, want: "iid-seed"},
		{name: "a list with the network's in front, which says no", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.refuses("ec2", errors.New("no"))
				l.seed = source.Docs{"meta-data": []byte("instance-id: iid-seed\n")}
				l.image = Image{Sources: []string{"Ec2", "NoCloud", "None"}}
				l.lease("eth0")
				l.mount(0)
			}, want: "iid-seed", after: lateLinkTime},
		{name: "a single source that nothing else speaks for",
			set: func(l *lab) {
				l.says("ec2", "i-1", 0)
				l.image = Image{Sources: []string{"Ec2", "None"}, Certain: true}
				l.lease("eth0")
				l.mount(time.Second)
			}, want: "i-1", after: time.Second},
		{name: "settings that come too late", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.refuses("ec2", errors.New("no"))
				l.image = Image{Settings: map[string]string{"ec2": "{timeout: 50, max_wait: 120}\n"}}
				l.lease("eth0")
				l.mount(0)
			}, err: "no source answered", after: lateLinkTime,
			check: func(t *testing.T, l *lab, _ *Found) {
				if len(l.problems) != 1 || !strings.Contains(l.problems[0], "ec2: max_wait, timeout came too late") {
					t.Errorf("problems %q", l.problems)
				}
			}},
		{name: "settings that do not matter", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.says("ec2", "i-1", 0)
				l.image = Image{Settings: map[string]string{"ec2": "{timeout: 50, metadata_urls: ['http://169.254.169.254:80']}\n"}}
				l.lease("eth0")
				l.mount(0)
			}, want: "i-1",
			check: func(t *testing.T, l *lab, _ *Found) {
				if len(l.problems) != 0 {
					t.Errorf("problems %q", l.problems)
				}
			}},
		{name: "a server of the image's, and a network that has been asked", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.says("ec2", "i-1", 0)
				l.image = Image{Server: true, Origin: "/etc/cloud/cloud.cfg"}
				l.lease("eth0")
				l.mount(0)
			}, want: "i-1",
			check: func(t *testing.T, l *lab, _ *Found) {
				if len(l.problems) != 1 || !strings.Contains(l.problems[0], "seedfrom was not asked") {
					t.Errorf("problems %q", l.problems)
				}
			}},
		{name: "a seed that is malformed", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.says("ec2", "i-1", 0)
				l.seed = source.Docs{"meta-data": []byte("{")}
				l.lease("eth0")
				l.mount(0)
			}, want: "i-1",
			check: func(t *testing.T, l *lab, _ *Found) {
				if len(l.problems) != 1 || !strings.HasPrefix(l.problems[0], "seed in the root: ") {
					t.Errorf("problems %q", l.problems)
				}
			}},
		{name: "no network, and a network that said no before the volumes came", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.noNICs = errNo
				l.says("nocloud", "iid-volume", 0)
				l.volumes = []source.Volume{cidata(map[string]string{"meta-data": "", "user-data": ""})}
				l.mount(0)
			}, want: "iid-volume with cidata"},
		{name: "a volume adds to the network's answer", matches: []platform.Match{azure},
			set: func(l *lab) {
				l.search.Evidence.Only = []string{"azure"}
				l.says("azure", "uuid", time.Second)
				l.volumes = []source.Volume{{Label: "rd_rdfe_stable.131231"}}
				l.lease("eth0")
				l.mount(10 * time.Second)
			}, want: "uuid with rd_rdfe_stable.131231", after: 11 * time.Second,
			check: func(t *testing.T, l *lab, f *Found) {
				if l.answered[0] == f || l.answered[0].Instance.ID != "uuid" || f.Client != l.answered[0].Client {
					t.Errorf("answered %+v, found %+v", l.answered[0], f)
				}
			}},
		{name: "a volume names a server", matches: []platform.Match{{Source: "nocloud"}},
			set: func(l *lab) {
				l.says("nocloud", "iid-server", time.Second)
				l.volumes = []source.Volume{cidata(map[string]string{"meta-data": "seedfrom: http://seed.lab/\n"})}
				l.lease("eth0")
				l.mount(10 * time.Second)
			}, want: "iid-server with cidata", after: 11 * time.Second}, // asked once: the volume was there

		// The race of the NICs.
		{name: "the quicker NIC", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.answers["ec2"] = func(ctx context.Context, over Over, _ []source.Volume) (instance.Instance, error) {
					wait := time.Second
					if over.Lease.Name == "eth0" {
						wait = time.Hour // until it is ended
					}
					return instance.Instance{ID: "by " + over.Lease.Name}, sleep(ctx, wait)
				}
				l.lease("eth0", "eth1")
				l.mount(0)
				time.AfterFunc(500*time.Millisecond, func() { l.lease("eth2") })
				time.AfterFunc(2*time.Second, func() { l.lease("eth1") }) // over IPv6
			}, want: "by eth1", after: time.Second,
			check: func(t *testing.T, l *lab, _ *Found) {
				if !slices.Equal(l.settled, []int{1}) {
					t.Errorf("settled %v", l.settled)
				}
			}},
		{name: "NICs that cannot be put back", matches: []platform.Match{ec2},
			set:  func(l *lab) { l.stuck = errNo; l.says("ec2", "i-1", 0); l.lease("eth0"); l.mount(0) },
			want: "i-1",
			check: func(t *testing.T, l *lab, _ *Found) {
				if want := "network: the service says no, warning: true"; !slices.Equal(l.problems, []string{want}) {
					t.Errorf("problems %q", l.problems)
				}
			}},

		// Nothing is found, and how long that takes.
		{name: "all say no, and no lease is on its way", matches: []platform.Match{ec2},
			set:   func(l *lab) { l.refuses("ec2", errNo); l.lease("eth0"); l.mount(0) },
			after: lateLinkTime, err: "no source answered: over eth0: the service says no"},
		{name: "all say no, and a lease is on its way for ever", matches: []platform.Match{ec2},
			set:   func(l *lab) { l.idle = false; l.refuses("ec2", errNo); l.lease("eth0"); l.mount(0) },
			after: timeout + lastMoment, err: "no source answered within 1m0s"},
		{name: "one says no, and a later one is asked in time", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.answers["ec2"] = func(_ context.Context, over Over, _ []source.Volume) (instance.Instance, error) {
					if over.Lease.Name == "eth0" {
						return instance.Instance{}, errNo
					}
					return instance.Instance{ID: "by " + over.Lease.Name}, nil
				}
				l.lease("eth0")
				l.mount(0)
				time.AfterFunc(lateLinkTime-time.Millisecond, func() { l.lease("eth1") })
			}, want: "by eth1", after: lateLinkTime - time.Millisecond},
		{name: "one says no while another is asked", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.answers["ec2"] = func(ctx context.Context, over Over, _ []source.Volume) (instance.Instance, error) {
					if over.Lease.Name == "eth0" {
						return instance.Instance{}, errNo
					}
					return instance.Instance{ID: "by " + over.Lease.Name}, sleep(ctx, 3*lateLinkTime)
				}
				l.lease("eth0", "eth1")
				l.mount(0)
			}, want: "by eth1", after: 3 * lateLinkTime},
		{name: "no lease at all", matches: []platform.Match{ec2},
			set: func(l *lab) { l.mount(0) }, after: timeout + lastMoment, err: "no source answered within 1m0s"},
		{name: "the work on the NICs ends", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.refuses("ec2", errNo)
				l.lease("eth0")
				l.mount(0)
				time.AfterFunc(time.Second, l.end)
			}, after: time.Second, err: "no source answered within 1m0s: over eth0: the service says no"},
		{name: "an answer in the last moment", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.answers["ec2"] = func(context.Context, Over, []source.Volume) (instance.Instance, error) {
					time.Sleep(timeout + lastMoment/2)
					return instance.Instance{ID: "i-1"}, nil
				}
				l.lease("eth0")
				l.mount(0)
			}, want: "i-1", after: timeout + lastMoment/2},
		{name: "an answer after that", matches: []platform.Match{ec2},
			set: func(l *lab) {
				l.answers["ec2"] = func(context.Context, Over, []source.Volume) (instance.Instance, error) {
					time.Sleep(timeout + 2*lastMoment)
					return instance.Instance{ID: "i-1"}, nil
				}
				l.lease("eth0")
				l.mount(0)
			}, after: timeout + lastMoment, err: "no source answered within 1m0s"},
		{name: "the NICs cannot be raised", matches: []platform.Match{ec2},
			set: func(l *lab) { l.noNICs = errNo; l.mount(0) }, err: "the service says no"},
		{name: "what a volume adds cannot be had", matches: []platform.Match{azure},
			set: func(l *lab) {
				l.search.Evidence.Only = []string{"azure"}
				l.answers["azure"] = func(_ context.Context, _ Over, volumes []source.Volume) (instance.Instance, error) {
					if len(volumes) > 0 {
						return instance.Instance{}, errNo
					}
					return instance.Instance{ID: "uuid"}, nil
				}
				l.volumes = []source.Volume{{Label: "rd_rdfe_stable.131231"}}
				l.lease("eth0")
				l.mount(0)
			}, err: "the service says no"},
		{name: "a volume that is not there", matches: []platform.Match{{Source: "nocloud"}},
			set: func(l *lab) { l.mount(time.Second) }, after: time.Second, err: "no source answered",
			check: func(t *testing.T, l *lab, _ *Found) {
				if len(l.raised) > 0 {
					t.Error("NICs were raised for nothing")
				}
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, tt.matches...)
				tt.set(l)
				found, took, err := l.find()
				switch {
				case tt.err != "":
					if err == nil || !strings.Contains(err.Error(), tt.err) {
						t.Errorf("error %v, want %q", err, tt.err)
					}
				case err != nil || found.Instance.ID != tt.want:
					t.Fatalf("found %+v, error %v, want %q", found, err, tt.want)
				}
				if took != tt.after {
					t.Errorf("it took %v, want %v", took, tt.after)
				}
				if tt.check != nil {
					tt.check(t, l, found)
				}
			})
		})
	}
}

// Leases that come after the answer are told of, and those who ask over them
// are ended: nothing goes on when all is over, or synctest would say so.
func TestLosersAreAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, ec2)
		ended := 0
		l.answers["ec2"] = func(ctx context.Context, over Over, _ []source.Volume) (instance.Instance, error) {
			switch over.Lease.Name {
			case "eth0":
				return instance.Instance{ID: "i-1"}, sleep(ctx, time.Second)
			case "eth1": // too late, although it does not fail
				time.Sleep(2 * time.Second)
				return instance.Instance{ID: "i-2"}, nil
			}
			err := sleep(ctx, time.Hour)
			ended++
			return instance.Instance{}, err
		}
		l.lease("eth0", "eth1", "eth2")
		l.mount(10 * time.Second)
		time.AfterFunc(3*time.Second, func() { l.lease("eth3") })
		found, _, err := l.find()
		if err != nil || found.Instance.ID != "i-1" {
			t.Fatalf("found %+v, error %v", found, err)
		}
		if want := []string{"eth0", "eth1", "eth2", "eth3"}; !slices.Equal(l.leased, want) || ended != 1 {
			t.Errorf("told of %v, want %v; %d ended", l.leased, want, ended)
		}
	})
}

// A held is a Held that is let go after some time.
type held struct{ after time.Duration }

func (h held) Wait(ctx context.Context) error { return sleep(ctx, h.after) }

// Where a hint holds packets back, no NIC is raised before it is let go, and
// the time for the network begins only then.
func TestHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, ec2)
		l.search.Held = held{2 * timeout}
		l.says("ec2", "i-1", 0)
		l.lease("eth0")
		l.mount(0)
		time.AfterFunc(2*timeout-1, func() {
			l.lock.Lock()
			defer l.lock.Unlock()
			if len(l.raised) > 0 {
				t.Error("NICs were raised although packets are held back")
			}
		})
		found, took, err := l.find()
		if err != nil || took != 2*timeout || time.Until(found.Deadline) != 0 {
			t.Errorf("found %+v after %v, error %v", found, took, err)
		}
	})
}

// Where the root says that there is nothing to ask, the search is ended: held
// back or not, it gives no answer, and one held back has raised nothing.
func TestNothingToAsk(t *testing.T) {
	for _, hold := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, ec2)
			if hold {
				l.search.Held = held{time.Hour}
			}
			l.says("ec2", "i-1", 0)
			l.lease("eth0")
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			found, err := l.search.Find(ctx)
			if found != nil || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("found %+v, error %v", found, err)
			}
			if raised := len(l.raised) > 0; raised == hold {
				t.Errorf("raised: %v", raised)
			}
			l.end()
		})
	}
}

// boothook.url= needs the network, whatever the source does.
func TestUserDataURLWantsNetwork(t *testing.T) {
	s := &Search{Matches: []platform.Match{{Source: "smbios"}}}
	if s.WantsNetwork(nil) {
		t.Error("firmware needs no network")
	}
	s.Options.UserDataURL = "http://192.0.2.1/"
	if !s.WantsNetwork(nil) {
		t.Error("user-data on a server do")
	}
	if s = (&Search{Matches: []platform.Match{{Source: "nobody"}}}); !s.WantsNetwork(nil) {
		t.Error("a source that is unknown has to be asked to say so")
	}
}

// What was found can be asked once more, and be told the outcome, over the
// same lease.
func TestMoreAndTell(t *testing.T) {
	l := newLab(t)
	f := &Found{Match: ec2, Lease: nic.Lease{Name: "eth0"}, sources: l}
	docs, err := f.More(t.Context(), "meta-data/placement/region")
	if got := string(docs["meta-data/placement/region"]); err != nil || got != "ec2 over eth0" {
		t.Errorf("more: %q, %v", got, err)
	}
	if err := f.Tell(t.Context(), instance.Outcome{Applied: true}); err == nil || err.Error() != "ec2 over eth0: true" {
		t.Errorf("tell: %v", err)
	}
}

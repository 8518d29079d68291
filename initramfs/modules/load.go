package modules

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of loading.
const (
	maxModule = 64 << 20 // bytes of a decompressed module
	maxRounds = 16       // times that loading brought up new devices; buses nest a few deep
)

// compressedFile tells finit_module(2) that the file is compressed (linux/module.h).
const compressedFile = 4

// ErrCompressed marks a module whose compression neither the kernel nor the
// agent undoes; bake should have.
var ErrCompressed = errors.New("compressed module, and the kernel cannot decompress it")

// A Loader loads modules into the running kernel, each at most once, several
// at a time where their dependencies allow. Its methods may be called from any
// goroutine.
type Loader struct {
	index  *Index
	policy Policy
	log    func(string)
	sys    string                          // where sysfs is mounted
	insert func(path, params string) error // what gets a file into the kernel
	slots  chan struct{}                   // one for each processor

	mu    sync.Mutex
	tasks map[string]*task
	ended atomic.Bool
}

// ErrEnded marks a module that was still to be loaded at End.
var ErrEnded = errors.New("the loading of modules has ended")

// A task is the loading of one module; err is valid once done is closed.
type task struct {
	done chan struct{}
	err  error
}

// NewLoader makes a loader. log takes one line per module that was loaded or
// failed, from any goroutine; nil drops it.
func NewLoader(index *Index, policy Policy, log func(string)) *Loader {
	if log == nil {
		log = func(string) {}
	}
	return &Loader{
		index: index, policy: policy, log: log, sys: "/sys", insert: insertFile,
		slots: make(chan struct{}, runtime.NumCPU()),
		tasks: map[string]*task{},
	}
}

// Load loads modules by name or alias, with all they need. What is built in
// or loaded already is fine. It goes on after a failure and returns all of
// them; when ctx ends it returns at once, but what the kernel has begun to
// load it finishes.
func (l *Loader) Load(ctx context.Context, names ...string) error {
	order, err := l.index.Closure(names...)
	errs := []error{err}
	for _, t := range l.begin(order) {
		select {
		case <-t.done:
			errs = append(errs, t.err)
		case <-ctx.Done():
			return errors.Join(append(errs, ctx.Err())...)
		}
	}
	return errors.Join(errs...)
}

// LoadFor loads what the class's driverless devices want, and then what the
// devices want that appeared by that (virtio_pci brings the virtio devices),
// until nothing new is wanted. A machine whose drivers are all there, or whose
// index knows nothing, is no error. Devices that appear later are Watch's.
func (l *Loader) LoadFor(ctx context.Context, class Class) error {
	var errs []error
	for range maxRounds {
		wanted := l.wanted(class)
		if len(wanted) == 0 {
			break
		}
		if err := l.Load(ctx, wanted...); err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// End ends the loading. What waits for its dependencies or for a processor is
// left out; what the kernel has begun to load it finishes.
func (l *Loader) End() { l.ended.Store(true) }

// Settle does what LoadFor does, and also waits for what others had begun to
// load, until all devices that are there have been looked at: the kernel says
// that a module is loaded once its driver has finished probing. It takes no
// longer than within. What fails was logged by whoever loads it.
func (l *Loader) Settle(ctx context.Context, class Class, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for range maxRounds {
		_ = l.LoadFor(ctx, class)
		if !l.awaitAll(ctx) {
			return
		}
	}
}

// awaitAll waits for what is being loaded; false: nothing was.
func (l *Loader) awaitAll(ctx context.Context) (any bool) {
	l.mu.Lock()
	tasks := slices.Collect(maps.Values(l.tasks))
	l.mu.Unlock()
	for _, t := range tasks {
		select {
		case <-t.done:
			continue
		default:
		}
		any = true
		select {
		case <-t.done:
		case <-ctx.Done():
			return false
		}
	}
	return any
}

// wanted gives the modules for the class's driverless devices that were not
// tried before.
func (l *Loader) wanted(class Class) []string {
	var out []string
	for _, modalias := range class.driverless(l.sys) {
		for _, m := range l.index.Match(modalias) {
			if l.policy.Blacklist[m] || l.index.builtin[m] || l.tried(m) {
				continue
			}
			out = append(out, m)
		}
	}
	return out
}

func (l *Loader) tried(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tasks[name] != nil
}

// begin starts a task for each module of a closure that has none, and gives
// the tasks of all. Each waits for those it needs, which come before it in the
// closure or were begun earlier: so none waits for itself.
func (l *Loader) begin(order []string) []*task {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*task, 0, len(order))
	for _, name := range order {
		t := l.tasks[name]
		if t == nil {
			t = &task{done: make(chan struct{})}
			hard := l.tasksOf(l.index.deps(name))
			var soft []*task
			for _, n := range l.index.pre[name] {
				soft = append(soft, l.tasksOf(l.index.resolve(n))...)
			}
			l.tasks[name] = t
			go func() {
				defer close(t.done)
				t.err = l.run(name, hard, soft)
			}()
		}
		all = append(all, t)
	}
	return all
}

// tasksOf gives the tasks that have been begun for some of these names.
func (l *Loader) tasksOf(names []string) []*task {
	var out []*task
	for _, n := range names {
		if t := l.tasks[n]; t != nil {
			out = append(out, t)
		}
	}
	return out
}

// run loads one module once those it needs are there.
func (l *Loader) run(name string, hard, soft []*task) error {
	for _, t := range hard {
		if <-t.done; t.err != nil {
			return fmt.Errorf("load module %s: its dependency failed", name)
		}
	}
	for _, t := range soft {
		<-t.done
	}
	l.slots <- struct{}{}
	defer func() { <-l.slots }()
	if l.ended.Load() {
		return fmt.Errorf("load module %s: %w", name, ErrEnded)
	}
	if l.live(name) {
		return nil
	}
	err := l.insert(filepath.Join(l.index.dir, l.index.path[name]), l.policy.Options[name])
	if err != nil && !errors.Is(err, unix.EEXIST) {
		err = fmt.Errorf("load module %s: %w", name, err)
		l.log(err.Error())
		return err
	}
	l.log("loaded module " + name)
	return nil
}

// live says whether the kernel has the module already.
func (l *Loader) live(name string) bool {
	state, err := os.ReadFile(filepath.Join(l.sys, "module", name, "initstate"))
	return err == nil && strings.TrimSpace(string(state)) == "live"
}

// insertFile gets a module's file into the kernel. A compressed one is left
// to the kernel (CONFIG_MODULE_DECOMPRESS), or, if that cannot and it is
// gzip, decompressed here.
func insertFile(path, params string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if strings.HasSuffix(path, ".ko") {
		return unix.FinitModule(int(f.Fd()), params, 0)
	}
	err = unix.FinitModule(int(f.Fd()), params, compressedFile)
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
		return err
	}
	if !strings.HasSuffix(path, ".ko.gz") {
		return fmt.Errorf("%s: %w", path, ErrCompressed)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var image bytes.Buffer
	n, err := io.Copy(&image, io.LimitReader(z, maxModule+1))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if n > maxModule {
		return fmt.Errorf("%s: larger than %d bytes", path, maxModule)
	}
	return unix.InitModule(image.Bytes(), params)
}

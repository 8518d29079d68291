package injector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"boothook/injector/userdata"
	"boothook/netboot/instance"
)

// Pages is a Getter and a root with a handful of files.
type pages map[string]string

func (p pages) Get(_ context.Context, url string) ([]byte, error) {
	body, ok := p[url]
	if !ok {
		return nil, errors.New("not found")
	}
	return []byte(body), nil
}

func (p pages) ReadFileMax(path string, limit int64) ([]byte, error) {
	body, ok := p[path]
	switch {
	case !ok:
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	case int64(len(body)) > limit:
		return nil, errors.New("too big")
	}
	return []byte(body), nil
}

func (p pages) ReadDir(string) ([]string, error) { return nil, fs.ErrNotExist }

func bodies(parts []userdata.Part) (list []string) {
	for _, p := range parts {
		list = append(list, string(p.Body))
	}
	return list
}

func messages(d *document) (list []string) {
	for _, p := range d.Problems {
		list = append(list, p.Message)
	}
	return list
}

// TestPrepareLeavesTheRoots: before the root is there, what is in the network
// is had, and what only the root answers is left to finish.
func TestPrepareLeavesTheRoots(t *testing.T) {
	web := pages{"http://web/a": "#!/bin/sh\necho a\n", "HTTPS://web/b": "#!/bin/sh\necho b\n", "http://web/once": "#!/bin/sh\necho once\n"}
	root := pages{"/etc/f": "#!/bin/sh\necho f\n"}
	inst := instance.Instance{ID: "i-1", UserData: []byte(
		"#include\nhttp://web/a\nHTTPS://web/b\n/etc/f\nFILE:///etc/f\nfile://host/f\nfile:///\n#include-once\nhttp://web/once\n")}
	p := Prepare(t.Context(), inst, web)
	first := p.documents[user]
	if diff := cmp.Diff([]string{"#!/bin/sh\necho a\n", "#!/bin/sh\necho b\n"}, bodies(first.Parts)); diff != "" {
		t.Errorf("prepared (-want +got):\n%s", diff)
	}
	wants := len(first.Wants)
	done := first.finish(t.Context(), root, "/i", web)
	want := []string{"#!/bin/sh\necho a\n", "#!/bin/sh\necho b\n", "#!/bin/sh\necho f\n", "#!/bin/sh\necho f\n", "#!/bin/sh\necho once\n"}
	if diff := cmp.Diff(want, bodies(done.Parts)); diff != "" || len(done.Wants) > 0 {
		t.Errorf("finished, %d wanted still (-want +got):\n%s", len(done.Wants), diff)
	}
	if got := strings.Join(messages(done), "\n"); strings.Count(got, "\n") != 1 || !strings.Contains(got, errScheme.Error()) {
		t.Errorf("problems:\n%s", got)
	}
	if diff := cmp.Diff(map[string][]byte{"http://web/once": []byte("#!/bin/sh\necho once\n")}, done.fetchedOnce); diff != "" {
		t.Errorf("to keep (-want +got):\n%s", diff)
	}
	// What was prepared has not changed, so that it can be finished again.
	if len(first.Wants) != wants || len(first.Parts) != 2 || len(first.fetchedOnce) > 0 {
		t.Error("finishing has changed what was prepared")
	}
	root[cachePath("/i", "http://web/once")] = "#!/bin/sh\necho kept\n"
	again := first.finish(t.Context(), root, "/i", nil)
	if got := bodies(again.Parts); got[len(got)-1] != "#!/bin/sh\necho kept\n" || len(again.fetchedOnce) > 0 {
		t.Errorf("with a kept answer: %q, to keep %q", got, again.fetchedOnce)
	}
}

// TestWithoutNetwork: what cannot be fetched is a problem with its line, and
// the rest goes on.
func TestWithoutNetwork(t *testing.T) {
	p := Prepare(t.Context(), instance.Instance{ID: "i-1", UserData: []byte("#include\nhttp://web/a\n")}, nil)
	if got := messages(p.documents[user]); len(got) != 1 || !strings.Contains(got[0], errNoNetwork.Error()) {
		t.Errorf("problems %q", got)
	}
}

// TestNoPasswordOfAFile: an address that lacks its scheme looks like a file's
// path, and is shown no more of than any other.
func TestNoPasswordOfAFile(t *testing.T) {
	p := Prepare(t.Context(), instance.Instance{ID: "i-1", UserData: []byte("#include\n//user:secret@host/x\n")}, nil)
	got := messages(p.documents[user].finish(t.Context(), pages{}, "/i", nil))
	if len(got) != 1 || strings.Contains(got[0], "secret") || !strings.Contains(got[0], fs.ErrNotExist.Error()) {
		t.Errorf("problems %q", got)
	}
}

// slow is a Getter that takes a second for each page, and counts how many are
// asked for at a time.
type slow struct {
	pages
	lock    sync.Mutex
	now, at int
}

func (s *slow) Get(ctx context.Context, url string) ([]byte, error) {
	s.lock.Lock()
	s.now++
	s.at = max(s.at, s.now)
	s.lock.Unlock()
	time.Sleep(time.Second)
	s.lock.Lock()
	s.now--
	s.lock.Unlock()
	return s.pages.Get(ctx, url)
}

// TestIncludesAtOnce: all includes of a document are fetched at once, and
// those that they include next.
func TestIncludesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := &slow{pages: pages{}}
		text := "#include\n"
		for i := range 8 {
			url := fmt.Sprintf("http://web/%d", i)
			text += url + "\n"
			web.pages[url] = "#include\n" + url + "/next\n"
			web.pages[url+"/next"] = "#!/bin/sh\n"
		}
		start := time.Now()
		p := Prepare(t.Context(), instance.Instance{ID: "i-1", UserData: []byte(text)}, web)
		if took := time.Since(start); took != 2*time.Second || web.at != 8 {
			t.Errorf("took %v, with at most %d at a time", took, web.at)
		}
		if n := len(p.documents[user].Parts); n != 8 {
			t.Errorf("%d parts", n)
		}
	})
}

// TestIncludesEnd: pages that include each other come to an end.
func TestIncludesEnd(t *testing.T) {
	web := &slow{pages: pages{"http://web/a": "#include\nhttp://web/b\n", "http://web/b": "#include\nhttp://web/a\n"}}
	synctest.Test(t, func(t *testing.T) {
		p := Prepare(t.Context(), instance.Instance{ID: "i-1", UserData: []byte("#include\nhttp://web/a\n")}, web)
		if len(p.documents[user].Problems) == 0 {
			t.Error("no word of it")
		}
	})
}

// TestStoredIncludes: a stored document that includes something is taken from
// its flat form, another one as it was.
func TestStoredIncludes(t *testing.T) {
	inst := instance.Instance{ID: "i-1", UserData: []byte("#include\nhttp://web/a\n"), VendorData: []byte("#!/bin/sh\necho vendor\n")}
	first := Prepare(t.Context(), inst, pages{"http://web/a": "#!/bin/sh\necho a\n"})
	var flat [3][]byte
	for i, d := range first.documents {
		flat[i] = userdata.Flat(d.Parts)
	}
	flat[vendor] = []byte("#!/bin/sh\necho no\n")
	stored := prepareStored(inst, flat)
	for i, d := range first.documents {
		if diff := cmp.Diff(bodies(d.Parts), bodies(stored.documents[i].Parts)); diff != "" {
			t.Errorf("document %d (-first +stored):\n%s", i, diff)
		}
	}
	if gone := prepareStored(inst, [3][]byte{}); len(messages(gone.documents[user])) != 1 {
		t.Errorf("without the flat form: %q", messages(gone.documents[user]))
	}
	if got := slices.Sorted(maps.Keys(stored.documents[user].answers)); len(got) > 0 {
		t.Errorf("asked for %q", got)
	}
}

package root

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"boothook/injector/plan"
)

// BenchmarkApply sets the cost of applying a plan of n files against that of
// unpacking the same files with tar(1) and one sync: "x-tar" is the ratio, and
// "ns/byte" does not grow with n. Once the directories are there already, so
// that each file is renamed for itself, and once they are new.
//
//	go test -run - -bench Apply -benchtime 5x ./injector/root
func BenchmarkApply(b *testing.B) {
	for _, there := range []bool{true, false} {
		for _, n := range []int{1000, 10000} {
			b.Run(fmt.Sprintf("%d-files-dirs-there-%v", n, there), func(b *testing.B) { benchmark(b, n, there) })
		}
	}
}

func benchmark(b *testing.B, n int, there bool) {
	p := plan.Plan{InstanceID: "i"}
	size := 0
	for i := range n {
		body := bytes.Repeat([]byte{'a' + byte(i%26)}, 100+i%8000)
		p.Steps = append(p.Steps, plan.Step{Kind: plan.File, Path: fmt.Sprintf("/srv/dir-%d/file-%d", i%100, i), Body: body, Mode: 0o644})
		size += len(body)
	}
	archive := filepath.Join(b.TempDir(), "files.tar")
	must(b, os.WriteFile(archive, tarOf(p), 0o644))
	var ours, theirs time.Duration
	for b.Loop() {
		ours += timed(b, there, func(dir string) {
			r := openRoot(b, dir)
			_, err := r.Apply(context.Background(), p, options())
			must(b, err)
		})
		theirs += timed(b, there, func(dir string) {
			if out, err := exec.Command("tar", "-xf", archive, "-C", dir).CombinedOutput(); err != nil {
				b.Fatalf("tar: %v\n%s", err, out)
			}
			f, err := os.Open(dir)
			must(b, err)
			must(b, unix.Syncfs(int(f.Fd())))
			f.Close()
		})
	}
	b.ReportMetric(float64(ours)/float64(theirs), "x-tar")
	b.ReportMetric(float64(ours)/float64(b.N)/float64(size), "ns/byte")
	b.ReportMetric(float64(theirs)/float64(b.N)/float64(size), "tar-ns/byte")
	b.ReportMetric(0, "ns/op") // both together, which says nothing
}

// timed gives the time of do in a new directory, with nothing else unsynced.
func timed(b *testing.B, there bool, do func(dir string)) time.Duration {
	dir, err := os.MkdirTemp(b.TempDir(), "")
	must(b, err)
	for i := 0; there && i < 100; i++ {
		must(b, os.MkdirAll(fmt.Sprintf("%s/srv/dir-%d", dir, i), 0o755))
	}
	unix.Sync()
	begin := time.Now()
	do(dir)
	took := time.Since(begin)
	must(b, os.RemoveAll(dir))
	return took
}

func tarOf(p plan.Plan) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	dirs := map[string]bool{}
	for _, s := range p.Steps {
		if dir := path.Dir(s.Path); !dirs[dir] {
			dirs[dir] = true
			w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir[1:] + "/", Mode: 0o755})
		}
		w.WriteHeader(&tar.Header{Name: s.Path[1:], Mode: int64(s.Mode), Size: int64(len(s.Body))})
		w.Write(s.Body)
	}
	w.Close()
	return buf.Bytes()
}

package root

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"boothook/injector/accounts"
	"boothook/injector/plan"
)

// StateDir is boothook's own directory in the root.
const StateDir = "/var/lib/boothook"

const (
	journalName    = "journal"
	journalNew     = tempPrefix + "journal"
	journalVersion = 1
	// maxJournal bounds what is read back: some 100,000 changes.
	maxJournal = 32 << 20
)

// A journal lists the changes of an apply. It is written before anything is
// staged, and again when everything is; then it becomes durable by the same
// sync. It is removed when everything is done: whoever finds one knows that an
// apply was cut short, and where.
type journal struct {
	Version  int    `json:"version"`
	Instance string `json:"instance"`
	AnyOwner bool   `json:"any_owner,omitempty"`
	// Staging says that nothing has been renamed, and not all is staged.
	Staging bool     `json:"staging,omitempty"`
	Changes []change `json:"changes"`
}

// A Recovery is what Recover found and did.
type Recovery struct {
	// Found says that an apply was cut short.
	Found bool `json:"found"`
	// Finished says that it has been finished now. Else it had not come as
	// far as its first rename, or what it wrote has been changed by others
	// since; what it had staged is gone, and nothing else was touched.
	Finished bool `json:"finished"`
	// Instance is whom it was for, Paths what it was about.
	Instance string   `json:"instance,omitempty"`
	Paths    []string `json:"paths,omitempty"`
	// LeftOver says what of the staged could not be taken away. It is in
	// nobody's way.
	LeftOver string `json:"left_over,omitempty"`
}

// Recover finishes an apply that was cut short, or takes its traces away if
// nothing had changed yet. It is to be called at boot before anything is read
// of the root, and may itself be cut short and called again.
func (r *Root) Recover(ctx context.Context) (Recovery, error) {
	unlock, err := r.lock()
	if err != nil {
		return Recovery{}, err
	}
	defer unlock()
	if err := r.MountFor([]string{StateDir}); err != nil {
		return Recovery{}, err
	}
	return r.recover()
}

func (r *Root) recover() (Recovery, error) {
	j, found, err := r.readJournal()
	if err != nil || !found {
		return Recovery{}, err
	}
	rec := Recovery{Found: true, Instance: j.Instance}
	for _, ch := range j.Changes {
		rec.Paths = append(rec.Paths, ch.path())
	}
	if err := r.MountFor(rec.Paths); err != nil {
		return rec, err
	}
	s := newStager(r, Options{AnyOwner: j.AnyOwner})
	defer s.close()
	s.changes = j.Changes
	var left []change
	complete := false
	if !j.Staging {
		if left, complete, err = s.left(); err != nil {
			return rec, fmt.Errorf("recover: %w", err)
		}
	}
	if complete {
		s.changes = left
		if _, err := s.commit(); err != nil {
			return rec, fmt.Errorf("recover: %w: %w", ErrHalfway, err)
		}
		rec.Finished = true
	} else if err := s.abandon(); err != nil {
		rec.LeftOver = err.Error()
	}
	if err := s.sync(); err != nil {
		return rec, fmt.Errorf("recover: %w: %w", ErrHalfway, err)
	}
	return rec, r.removeJournal()
}

// left lists the changes that are still to be made. Complete says that each
// change either is made or is there to be made: then the sync before the
// first rename had come to its end, and the apply can be finished. Where it
// had not, no rename was begun either. Once a rename has been made, a change
// that the owner of its directory has made impossible since is left out.
func (s *stager) left() (left []change, complete bool, err error) {
	begun, missing := false, false
	for _, ch := range s.changes {
		staged, done, err := s.progress(ch)
		switch {
		case err != nil:
			return nil, false, err
		case staged:
			left = append(left, ch)
		case done:
			begun = true
		case ch.Shared:
			missing = true
		default:
			return nil, false, nil
		}
	}
	return left, begun || !missing, nil
}

// progress says whether a change is there to be made, or is made already.
func (s *stager) progress(ch change) (staged, done bool, err error) {
	if err := s.enter(ch.Dir); gone(err) {
		return false, false, nil
	} else if err != nil {
		return false, false, err
	}
	if ch.Temp == "" {
		return true, false, nil // removing and changing modes can be repeated
	}
	if staged, err = s.holds(ch.Temp, ch.Want); err != nil || staged {
		return staged, false, err
	}
	done, err = s.holds(ch.Name, ch.Want)
	return false, done, err
}

// holds says whether all of want stands at name in the current directory.
func (s *stager) holds(name string, want []entry) (bool, error) {
	for _, e := range want {
		ok, err := s.holdsOne(path.Join(name, e.Path), e)
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func (s *stager) holdsOne(name string, e entry) (bool, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(s.dirFD, name, &how)
	if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.ELOOP {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, err
	}
	if int(st.Uid) != e.UID && !s.anyOwn || int(st.Gid) != e.GID && !s.anyOwn {
		return false, nil
	}
	switch e.Kind {
	case folder:
		return st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Mode&0o7777 == e.Mode, nil
	case link:
		target, err := readlinkAt(fd, "")
		return err == nil && target == e.Target, nil
	case regular:
		if st.Mode != unix.S_IFREG|e.Mode || st.Size != e.Size {
			return false, nil
		}
		if e.Head > 0 {
			return headSum(fd, e.Head) == e.Sum, nil
		}
		body, err := readFD(fd, MaxFile)
		return err == nil && checksum(body) == e.Sum, err
	}
	return false, nil
}

// The journal is one line of JSON and a line with its checksum: a file that
// was not written to its end is known by that, and then nothing has changed.
func (s *stager) writeJournal(j journal) error {
	text, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	text = fmt.Appendf(text, "\n%016x\n", checksum(text))
	if err := s.sys.Unlink(s.dirFD, journalNew, 0); err != nil && err != unix.ENOENT {
		return pathError("journal", StateDir, err)
	}
	want := state{kind: regular, mode: 0o600, body: text}
	want.uid, want.gid = unix.Geteuid(), unix.Getegid()
	if err := s.makeFile(s.dirFD, journalNew, want, nil); err != nil {
		s.sys.Unlink(s.dirFD, journalNew, 0)
		return pathError("journal", StateDir, err)
	}
	if err := s.sys.Rename(s.dirFD, journalNew, journalName); err != nil {
		s.sys.Unlink(s.dirFD, journalNew, 0)
		return pathError("journal", StateDir, err)
	}
	return nil
}

// Unfinished says that there is a journal: Recover has something to look at.
func (r *Root) Unfinished() bool { return r.Exists(StateDir + "/" + journalName) }

func (r *Root) readJournal() (j journal, found bool, err error) {
	text, err := r.ReadFileMax(StateDir+"/"+journalName, maxJournal)
	if missing(err) {
		return j, false, nil
	}
	if err != nil {
		return j, false, fmt.Errorf("journal: %w", err)
	}
	line, sum, _ := bytes.Cut(text, []byte("\n"))
	want, err := strconv.ParseUint(string(bytes.TrimSpace(sum)), 16, 64)
	if err != nil || want != checksum(line) || json.Unmarshal(line, &j) != nil || j.Version != journalVersion {
		// Torn: the sync that comes before the first rename had not ended.
		return journal{}, false, r.removeJournal()
	}
	return j, true, nil
}

func (r *Root) removeJournal() error {
	dir, err := r.open(StateDir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		if err == unix.ENOENT {
			return nil
		}
		return pathError("journal", StateDir, err)
	}
	defer unix.Close(dir)
	if err := r.sys.Unlink(dir, journalName, 0); err != nil && err != unix.ENOENT {
		return pathError("journal", StateDir+"/"+journalName, err)
	}
	return nil
}

// lock keeps two applies to one root apart.
func (r *Root) lock() (unlock func(), err error) {
	fd, err := r.open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, pathError("lock", r.dir, err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err == unix.EWOULDBLOCK {
		unix.Close(fd)
		return nil, pathError("lock", r.dir, ErrBusy)
	} else if err != nil && err != unix.ENOTSUP && err != unix.ENOLCK {
		unix.Close(fd)
		return nil, pathError("lock", r.dir, err)
	}
	return func() { unix.Close(fd) }, nil
}

func (r *Root) users() []plan.PasswdEntry { return accounts.Users(r.fact("/etc/passwd")) }

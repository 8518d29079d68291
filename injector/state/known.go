package state

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"boothook/injector/digest"
	"boothook/netboot/instance"
)

// A Reader is the part of a contained root that reading the state needs.
// Paths are absolute and mean a place inside the root. All but ReadLink
// follow symbolic links; what is absent gives fs.ErrNotExist.
type Reader interface {
	// ReadFileMax gives a regular file's content, or an error where it is
	// longer than limit bytes.
	ReadFileMax(path string, limit int64) ([]byte, error)
	ReadLink(path string) (string, error)
	// ReadDir gives the names in a directory.
	ReadDir(path string) ([]string, error)
	Exists(path string) bool
}

// Known is what a root knew before this boot. A read-only value.
type Known struct {
	// ID is the instance the root belongs to, Previous the one before;
	// empty where the root does not know.
	ID, Previous string
	// Record is boothook's own, of the instance that it finished last; nil
	// where there is none to be trusted. It may be of another instance.
	Record *Record
	// Sems are the names of the semaphores of instance ID; Once those of the
	// root's whole life, without their ".once".
	Sems, Once map[string]bool
	// ByCloudInit says that cloud-init itself has provisioned instance ID.
	ByCloudInit bool
	// MachineID is /etc/machine-id, if it holds an id; DBusMachineID that of
	// /var/lib/dbus, if it is a file of its own and not a link to the other.
	MachineID, DBusMachineID string
	// HostKeys are the paths of the SSH host keys, private and public.
	HostKeys []string
	// HasRandomSeed says that systemd left a random seed on the disk.
	HasRandomSeed bool
	// HasHint says that there is a hint for the next initrd to copy.
	HasHint bool
	// Problems are what was found damaged.
	Problems []instance.Problem

	bodies map[string][]byte // stored bodies by path, digests verified
}

// Read reads what root knows. It always gives a usable value; damage is in
// its Problems.
func Read(root Reader) *Known {
	r := reader{root: root}
	k := &Known{}
	k.ID = r.identity()
	k.Previous = r.id(CloudDir + "/data/previous-instance-id")
	if k.Previous == noPrevious {
		k.Previous = ""
	}
	k.Record, k.bodies = r.record()
	if k.ID != "" {
		k.Sems = r.sems(InstanceDir(k.ID)+"/sem", "")
		k.ByCloudInit = k.Sems[consumeData] && !r.ours(InstanceSem(k.ID, consumeData))
	}
	k.Once = r.sems(CloudDir+"/sem", ".once")
	k.MachineID = r.machineID(machineIDPath)
	if _, err := root.ReadLink(dbusIDPath); err != nil {
		k.DBusMachineID = r.machineID(dbusIDPath)
	}
	k.HostKeys = r.hostKeys()
	k.HasRandomSeed = root.Exists(randomSeed)
	k.HasHint = root.Exists(HintPath)
	k.Problems = r.problems
	return k
}

// Applied says that boothook has finished instance ID in this root, on the
// machine with this hardware id. An empty one is no machine's.
func (k *Known) Applied(hardwareID string) bool {
	return k.finished(k.ID) && hardwareID != "" && k.Record.Instance.HardwareID == hardwareID
}

// finished says that boothook has finished the instance with that id, and
// that the root has not been another since.
func (k *Known) finished(id string) bool {
	return id != "" && k.ID == id && k.Record != nil && safeOrEmpty(k.Record.Instance.ID) == id
}

// Stored gives the instance as it was recorded, bodies included, for the boot
// on which its source does not answer. A body that is gone or was changed is
// left empty; that is among the Problems.
func (k *Known) Stored() (instance.Instance, bool) {
	if !k.finished(k.ID) {
		return instance.Instance{}, false
	}
	i := k.Record.Instance
	for _, b := range bodyFiles(k.ID, &i) {
		*b.body = k.bodies[b.path]
	}
	return i, true
}

// Processed gives the documents of the instance that was recorded (user-data,
// vendor-data, vendor-data2) as flat MIME messages, in which what they include
// is what it was then. One that is gone or was changed is nil.
func (k *Known) Processed() (flat [3][]byte) {
	for i, path := range processedFiles(k.ID) {
		flat[i] = k.bodies[path]
	}
	return flat
}

// processedFiles are where those are stored, for the safe id.
func processedFiles(id string) [3]string {
	dir := InstanceDir(id)
	return [3]string{dir + "/user-data.txt.i", dir + "/vendor-data.txt.i", dir + "/vendor-data2.txt.i"}
}

// A bodyFile says where one body of an instance is stored.
type bodyFile struct {
	path string
	body *[]byte
}

// bodyFiles lists the bodies of i and their places, for the safe id.
func bodyFiles(id string, i *instance.Instance) []bodyFile {
	dir := InstanceDir(id)
	return []bodyFile{
		{dir + "/user-data.txt", &i.UserData},
		{dir + "/vendor-data.txt", &i.VendorData},
		{dir + "/vendor-data2.txt", &i.VendorData2},
		{networkPath, &i.NetworkConfig},
	}
}

func safeOrEmpty(id string) string {
	safe, err := SafeID(id)
	if err != nil {
		return ""
	}
	return safe
}

// A reader collects what goes wrong while reading.
type reader struct {
	root     Reader
	problems []instance.Problem
}

func (r *reader) problem(path, format string, args ...any) {
	r.problems = append(r.problems, instance.Problem{
		Origin: path, Message: fmt.Sprintf(format, args...), Warning: true,
	})
}

// read gives the content of a regular file of at most max bytes. An absent
// file is no problem and gives false.
func (r *reader) read(path string, max int64) ([]byte, bool) {
	body, err := r.root.ReadFileMax(path, max)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	if err != nil {
		r.problem(path, "cannot be read: %v", err)
		return nil, false
	}
	return body, true
}

// id reads a file that holds one instance-id.
func (r *reader) id(path string) string {
	body, ok := r.read(path, maxSmall)
	if !ok {
		return ""
	}
	id, err := SafeID(string(body))
	if err != nil {
		r.problem(path, "damaged: %v", err)
		return ""
	}
	return id
}

// identity tells which instance the root belongs to. A damaged instance-id is
// answered from the link, so that a power cut makes no new instance; an
// absent one is not, so that a cleaned root is nobody's.
func (r *reader) identity() string {
	const file = CloudDir + "/data/instance-id"
	if id := r.id(file); id != "" || !r.root.Exists(file) {
		return id
	}
	target, err := r.root.ReadLink(InstanceLink)
	if err != nil {
		return ""
	}
	if path.Base(path.Dir(path.Clean(target))) != "instances" {
		r.problem(InstanceLink, "points to %q, which is no instance", target)
		return ""
	}
	return safeOrEmpty(path.Base(path.Clean(target)))
}

// record reads boothook's own record and the bodies that it vouches for.
func (r *reader) record() (*Record, map[string][]byte) {
	body, ok := r.read(recordPath, MaxRecord)
	if !ok {
		return nil, nil
	}
	rec, err := parseRecord(body)
	if err != nil {
		r.problem(recordPath, "damaged: %v", err)
		return nil, nil
	}
	id := safeOrEmpty(rec.Instance.ID)
	var paths []string
	for _, b := range bodyFiles(id, &rec.Instance) {
		paths = append(paths, b.path)
	}
	processed := processedFiles(id)
	paths = append(paths, processed[:]...)
	bodies := map[string][]byte{}
	for _, path := range paths {
		want, has := rec.Digests[path]
		if !has {
			continue
		}
		body, ok := r.read(path, MaxBody)
		switch {
		case !ok:
			r.problem(path, "stored data are gone")
		case fingerprint(body) != want:
			r.problem(path, "stored data are not those that were applied")
		default:
			bodies[path] = body
		}
	}
	return rec, bodies
}

// parseRecord decodes a record and refuses one that cannot be meant.
func parseRecord(body []byte) (*Record, error) {
	var rec Record
	if err := json.Unmarshal(body, &rec); err != nil {
		return nil, fmt.Errorf("decode record: %w", err)
	}
	if rec.Version != recordVersion {
		return nil, fmt.Errorf("record of version %d, this is for %d", rec.Version, recordVersion)
	}
	if _, err := SafeID(rec.Instance.ID); err != nil {
		return nil, err
	}
	return &rec, nil
}

func fingerprint(body []byte) string {
	sum := digest.SHA256(body)
	return hex.EncodeToString(sum[:])
}

// sems lists the semaphores in a directory whose names end in suffix.
func (r *reader) sems(dir, suffix string) map[string]bool {
	names := map[string]bool{}
	for _, name := range r.dir(dir) {
		if name, ok := strings.CutSuffix(name, suffix); ok && name != "" {
			names[name] = true
		}
	}
	return names
}

// ours says that boothook wrote the semaphore.
func (r *reader) ours(path string) bool {
	body, _ := r.read(path, maxSmall)
	return string(body) == semBody
}

// dir lists a directory of at most MaxNames entries; absent means empty.
func (r *reader) dir(path string) []string {
	names, err := r.root.ReadDir(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			r.problem(path, "cannot be listed: %v", err)
		}
		return nil
	}
	if len(names) > MaxNames {
		r.problem(path, "%d names, of which %d are read", len(names), MaxNames)
		names = names[:MaxNames]
	}
	return names
}

// machineID reads a machine-id: 32 hexadecimal digits (machine-id(5)).
// Anything else is none.
func (r *reader) machineID(path string) string {
	body, ok := r.read(path, maxSmall)
	id := strings.TrimSpace(string(body))
	if raw, err := hex.DecodeString(id); !ok || err != nil || len(raw) != 16 {
		return ""
	}
	return id
}

// hostKeys lists what cloud-init's cc_ssh would delete: ssh_host_*key*.
func (r *reader) hostKeys() []string {
	var keys []string
	for _, name := range r.dir(sshDir) {
		rest, ok := strings.CutPrefix(name, "ssh_host_")
		if !ok || !strings.Contains(rest, "key") {
			continue
		}
		if _, err := r.root.ReadDir(sshDir + "/" + name); err != nil { // no directory
			keys = append(keys, sshDir+"/"+name)
		}
	}
	sort.Strings(keys)
	return keys
}

package state

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"boothook/injector/plan"
	"boothook/netboot/instance"
)

const (
	// consumeData is the semaphore by which cloud-init knows that it has
	// dealt with an instance's user-data.
	consumeData = "consume_data"
	// semBody is what boothook's semaphores hold; cloud-init's hold
	// "PID: TIME". Nobody reads them but to see that they are there.
	semBody = "boothook\n"
)

// Content is what is to be kept of an instance.
type Content struct {
	Instance instance.Instance
	// Processed is the user-data as one flat MIME message of all parts
	// (user-data.txt.i); VendorProcessed and Vendor2Processed likewise.
	Processed, VendorProcessed, Vendor2Processed []byte
	// CloudConfig is the merged cloud-config of the user-data's parts as a
	// document, VendorCloudConfig and Vendor2CloudConfig those of the others.
	CloudConfig, VendorCloudConfig, Vendor2CloudConfig []byte
	// Hooks says that there are hooks or a bootcmd to run on every boot.
	Hooks bool
	// Base is the fingerprint of what lay below the user-data; see Base.
	Base string
}

// Layout gives the steps that lay out /var/lib/cloud for the instance:
// directories and the data, those that Debian's cloud-init 22.4 and 25.1 make
// at once. They come first in a plan and are the same on every boot of an
// instance whose data have not changed.
func Layout(d *Decision, c *Content) []plan.Step {
	dir := InstanceDir(d.ID)
	var steps stepList
	for _, sub := range [...]string{
		"/data", "/handlers", "/instances", "/scripts", "/scripts/per-boot", "/scripts/per-instance",
		"/scripts/per-once", "/scripts/vendor", "/seed", "/sem",
	} {
		steps.dir(CloudDir + sub)
	}
	for _, sub := range [...]string{"", "/handlers", "/scripts", "/sem"} {
		steps.dir(dir + sub)
	}
	steps.dir(OwnDir)
	steps.file(dir+"/datasource", datasource(c.Instance.Source)+"\n", 0o644)
	vendor, vendor2 := len(c.Instance.VendorData) > 0, len(c.Instance.VendorData2) > 0
	for _, f := range []struct {
		path string
		body []byte
		have bool
	}{
		{dir + "/user-data.txt", c.Instance.UserData, true},
		{dir + "/user-data.txt.i", c.Processed, true},
		{dir + "/cloud-config.txt", c.CloudConfig, true},
		{dir + "/vendor-data.txt", c.Instance.VendorData, true},
		{dir + "/vendor-data.txt.i", c.VendorProcessed, true},
		{dir + "/vendor-data2.txt", c.Instance.VendorData2, true},
		{dir + "/vendor-data2.txt.i", c.Vendor2Processed, true},
		{dir + "/vendor-cloud-config.txt", c.VendorCloudConfig, vendor},
		{dir + "/vendor2-cloud-config.txt", c.Vendor2CloudConfig, vendor2},
		{networkPath, c.Instance.NetworkConfig, len(c.Instance.NetworkConfig) > 0},
	} {
		if f.have {
			steps.secret(f.path, f.body)
		}
	}
	return steps
}

// Finish gives the steps that make the instance the root's own. They come
// last in a plan, the record last of all: it says that everything before it
// was done. Unlike cloud-init's, previous-instance-id stays that of another
// instance, so that a second boot changes nothing.
func Finish(d *Decision, k *Known, c *Content) ([]plan.Step, error) {
	previous := k.Previous
	if d.New {
		previous = k.ID
	}
	if previous == "" {
		previous = noPrevious
	}
	var steps stepList
	steps.sem(InstanceSem(d.ID, consumeData))
	steps.add(plan.Link, InstanceLink, nil, 0).Target = InstanceDir(d.ID)
	steps.file(CloudDir+"/data/previous-instance-id", previous+"\n", 0o644)
	steps.file(CloudDir+"/data/previous-datasource", datasource(c.Instance.Source)+"\n", 0o644)
	steps.file(CloudDir+"/data/instance-id", strings.TrimSpace(c.Instance.ID)+"\n", 0o644)
	steps.keepHint(k, c)
	record, err := marshalRecord(d.ID, c)
	if err != nil {
		return nil, err
	}
	steps.secret(recordPath, record)
	return steps, nil
}

// marshalRecord renders the record of an instance whose content is c.
func marshalRecord(id string, c *Content) ([]byte, error) {
	rec := Record{Version: recordVersion, Instance: c.Instance, Hooks: c.Hooks, Base: c.Base, Digests: map[string]string{}}
	for _, b := range bodyFiles(id, &c.Instance) {
		if len(*b.body) > 0 {
			rec.Digests[b.path] = fingerprint(*b.body)
		}
	}
	for i, body := range [...][]byte{c.Processed, c.VendorProcessed, c.Vendor2Processed} {
		if len(body) > 0 {
			rec.Digests[processedFiles(id)[i]] = fingerprint(body)
		}
	}
	body, err := json.MarshalIndent(rec, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	if len(body) >= MaxRecord {
		return nil, fmt.Errorf("encode record: %d bytes of meta-data, at most %d are kept", len(body), MaxRecord)
	}
	return append(body, '\n'), nil
}

// Renew gives the steps that take from a new instance what identified the old
// one: SSH host keys, unless keepHostKeys (cloud-config's ssh_deletekeys:
// false) or a later step writes them anyway; and, when the root was another
// instance before, its machine-id, for which machineID is the fresh one, and
// systemd's random seed. The rest of the plan is only looked at.
func Renew(d *Decision, k *Known, keepHostKeys bool, machineID string, rest []plan.Step) []plan.Step {
	if !d.New {
		return nil
	}
	var steps stepList
	if !keepHostKeys {
		for _, key := range k.HostKeys {
			written := func(s plan.Step) bool { return s.Kind == plan.File && s.Path == key && d.Due(&s) }
			if !slices.ContainsFunc(rest, written) {
				steps.remove(key)
			}
		}
	}
	if !d.Changed {
		return steps
	}
	if k.MachineID != "" && machineID != "" {
		steps.file(machineIDPath, machineID+"\n", 0o444).Frequency = plan.PerInstance
		if k.DBusMachineID != "" {
			steps.file(dbusIDPath, machineID+"\n", 0o644).Frequency = plan.PerInstance
		}
	}
	if k.HasRandomSeed {
		steps.remove(randomSeed)
	}
	return steps
}

// A stepList is steps of this package. Those that are added are for every
// boot, unless the caller changes what add gives.
type stepList []plan.Step

func (l *stepList) add(kind plan.Kind, path string, body []byte, mode uint32) *plan.Step {
	*l = append(*l, plan.Step{Kind: kind, Path: path, Body: body, Mode: mode, Frequency: plan.PerBoot, Why: plan.Why{Part: "state"}})
	return &(*l)[len(*l)-1]
}

func (l *stepList) dir(path string) { l.add(plan.Dir, path, nil, 0o755) }

func (l *stepList) file(path, body string, mode uint32) *plan.Step {
	return l.add(plan.File, path, []byte(body), mode)
}

func (l *stepList) secret(path string, body []byte) {
	l.add(plan.File, path, body, 0o600).Secret = true
}

func (l *stepList) sem(path string) *plan.Step {
	s := l.file(path, semBody, 0o644)
	s.KeepExisting = true
	return s
}

// remove is for what goes with a new instance only.
func (l *stepList) remove(path string) { l.add(plan.Remove, path, nil, 0).Frequency = plan.PerInstance }

package plan

// Facts are what was read of a root before planning. Nobody changes them
// afterwards.
type Facts struct {
	// Init is what the root really boots.
	Init Init
	// OSRelease is the root's os-release(5), keys as written there.
	OSRelease map[string]string
	// Accounts and Groups are the root's passwd(5) and group(5).
	Accounts []PasswdEntry
	Groups   []GroupEntry
	// HasCloudInit says that a cloud-init is installed in the root.
	HasCloudInit bool
	// CloudConfig is the root's own cloud.cfg with its drop-ins merged over
	// it in name order, as YAML documents, lowest priority first.
	CloudConfig []Document
	// Fstab is the text of /etc/fstab; Hostname that of /etc/hostname.
	Fstab, Hostname string
	// Exists says of the paths that planning asks about which ones exist.
	Exists map[string]bool
	// Files has the text of the files that planning asks about, by path; what
	// is too large to be configuration, or no text, is there without it.
	Files map[string]string
}

// A Document is a file of the root and its content.
type Document struct {
	Path string
	Body []byte
}

// An Init is an init system.
type Init string

const (
	Systemd     Init = "systemd"
	Upstart     Init = "upstart"
	Sysvinit    Init = "sysvinit"
	OpenRC      Init = "openrc"
	Runit       Init = "runit"
	BusyboxInit Init = "busybox"
	UnknownInit Init = "unknown"
)

// A PasswdEntry is one line of passwd(5).
type PasswdEntry struct {
	Name        string
	UID, GID    int
	Gecos, Home string
	Shell       string
}

// A GroupEntry is one line of group(5).
type GroupEntry struct {
	Name    string
	GID     int
	Members []string
}

// Account returns the entry of that name.
func (f Facts) Account(name string) (PasswdEntry, bool) {
	for _, a := range f.Accounts {
		if a.Name == name {
			return a, true
		}
	}
	return PasswdEntry{}, false
}

package root

// WithReadable opens the root dir, which is going to be booted, as it is, and
// calls look with it. The file systems of fstab that MountFor asks for are
// mounted, read-only, in a mount namespace as WithWritable's; nothing is
// remounted, and nothing of the root is changed.
//
// It needs CAP_SYS_ADMIN.
func WithReadable(dir string, look func(*Root) error) error {
	return inNamespace(dir, &mounts{booting: true, looking: true, failed: map[string]error{}}, "", look)
}

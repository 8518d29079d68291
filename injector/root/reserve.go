package root

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// maxHead bounds what is written at the beginning of a reserved file: the
// header of a swap area, which is a page.
const maxHead = 64 << 10

// roomFor says why no file of that size, to swap to, can be made at n. The
// kernel swaps to blocks that stay where they are, so not to an overlay, over
// the network or to memory; a btrfs wants such files made in a way of its own.
func (c *composer) roomFor(n *node, size int64) error {
	dir := n.parent
	for dir.was.kind != folder {
		dir = dir.parent
	}
	if err := c.tree.enter(dir); err != nil {
		return pathError("look into", dir.path(), err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(c.tree.fd, &fs); err != nil {
		return pathError("look into", dir.path(), err)
	}
	if fs.Type != unix.EXT4_SUPER_MAGIC && fs.Type != unix.XFS_SUPER_MAGIC {
		return errors.New("a file to swap to can be made on ext4 and xfs only")
	}
	if room := int64(fs.Bavail) * fs.Bsize; size > room {
		return fmt.Errorf("%d bytes are wanted and %d are free", size, room)
	}
	return nil
}

// headSum is the checksum of the first n bytes of what fd, an O_PATH
// descriptor, stands for; 0 if they cannot be read.
func headSum(fd int, n int64) uint64 {
	in, err := reopen(fd, unix.O_RDONLY)
	if err != nil {
		return 0
	}
	defer unix.Close(in)
	head := make([]byte, min(n, maxHead))
	if got, err := unix.Pread(in, head, 0); err != nil || got < len(head) {
		return 0
	}
	return checksum(head)
}

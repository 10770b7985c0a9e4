// Package power cuts the power of the disk that the bot's ledger is on. A process that is killed
// leaves the system's page cache behind, so kills do not show whether data is flushed where it must
// be. Here the ledger is on a file system in memory that keeps apart what was flushed from what was
// only written, and forgets the latter when the power is cut.
package power

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// rule is what a disk keeps, when its power is cut, of what was written and not flushed.
type rule int

const (
	lost      rule = iota // nothing
	sectors               // each sector, or not
	reordered             // each write, or not
	torn                  // the writes before a moment, of the last one only some sectors
	rules
)

func (r rule) String() string { return [...]string{"lost", "sectors", "reordered", "torn"}[r] }

// sector is what a disk writes at once, in bytes.
const sector = 512

// write is one change of a file: data at an offset or, without data, a new size.
type write struct {
	off  int64
	data []byte
}

// file is a regular file: what its readers see, what was flushed, and the changes in between.
type file struct {
	fs.Inode
	d            *disk
	ino          uint64
	mode         uint32
	made         time.Time
	now, flushed []byte
	pending      []write
}

// link is one change of the folder: a name that leads to a file, or to none.
type link struct {
	name string
	to   *file
}

// disk is a folder of files. What is not flushed of it is lost when the power is cut.
type disk struct {
	mu            sync.Mutex
	rng           *rand.Rand
	names         map[string]*file // as they are seen
	flushed       map[string]*file
	pending       []link
	lastIno       uint64
	cutAt         moment
	cut           func() // called then, before the process hears of anything
	at            moment // how much there was since the power came
	off           bool
	ignoreFolders bool // flushing the folder does nothing: as with a program that never does
}

func newDisk(rng *rand.Rand) *disk {
	return &disk{rng: rng, names: map[string]*file{}, flushed: map[string]*file{}, lastIno: 1}
}

// mount puts the disk at dir. Call what it returns to take it away.
func (d *disk) mount(dir string) (func() error, error) {
	d.mu.Lock()
	d.at, d.off = moment{}, false
	d.mu.Unlock()
	second := time.Duration(0) // the kernel asks each time, since a cut changes the files beneath it
	server, err := fs.Mount(dir, &folder{d: d}, &fs.Options{
		EntryTimeout: &second, AttrTimeout: &second, NegativeTimeout: &second,
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "power"},
	})
	if err != nil {
		return nil, err
	}
	return server.Unmount, nil
}

// moment is when the power is cut: at a sync, before it is done, or at a change between syncs. The
// zero moment never comes.
type moment struct{ sync, change int }

func (m moment) String() string {
	if m.sync > 0 {
		return fmt.Sprint("sync ", m.sync)
	}
	return fmt.Sprint("change ", m.change)
}

// on reports whether the power is there for a sync or a change.
func (d *disk) on(sync, change int) bool {
	if d.off {
		return false
	}
	d.at.sync += sync
	d.at.change += change
	if sync > 0 && d.at.sync == d.cutAt.sync || change > 0 && d.at.change == d.cutAt.change {
		d.off = true
		d.cut()
	}
	return !d.off
}

// now is the moment on the disk.
func (d *disk) now() moment {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

// restore leaves on the disk what it keeps by the rule, as after a cut of the power.
func (d *disk) restore(r rule) {
	d.mu.Lock()
	defer d.mu.Unlock()
	// A journal keeps the changes of a folder in order.
	kept := 0
	if r != lost {
		kept = d.rng.IntN(len(d.pending) + 1)
	}
	for _, l := range d.pending[:kept] {
		point(d.flushed, l)
	}
	d.pending = nil
	d.names = map[string]*file{}
	for name, f := range d.flushed {
		data := f.flushed
		for _, w := range keep(f.pending, r, d.rng) {
			data = apply(data, w)
		}
		f = &file{d: d, ino: f.ino, mode: f.mode, made: f.made, now: data, flushed: slices.Clone(data)}
		d.names[name], d.flushed[name] = f, f
	}
}

// keep returns what of the writes a disk keeps by the rule.
func keep(pending []write, r rule, rng *rand.Rand) (kept []write) {
	some := func(w write) {
		if w.data == nil {
			if rng.IntN(2) == 0 {
				kept = append(kept, w)
			}
			return
		}
		for at := 0; at < len(w.data); {
			end := min(len(w.data), at+sector-int((w.off+int64(at))%sector))
			if rng.IntN(2) == 0 {
				kept = append(kept, write{off: w.off + int64(at), data: w.data[at:end]})
			}
			at = end
		}
	}
	switch r {
	case sectors:
		for _, w := range pending {
			some(w)
		}
	case reordered:
		for _, w := range pending {
			if rng.IntN(2) == 0 {
				kept = append(kept, w)
			}
		}
	case torn:
		if n := rng.IntN(len(pending) + 1); n > 0 {
			kept = slices.Clone(pending[:n-1])
			some(pending[n-1])
		}
	}
	return kept
}

func apply(data []byte, w write) []byte {
	size := w.off
	if w.data != nil {
		size = max(int64(len(data)), w.off+int64(len(w.data)))
	}
	if int64(len(data)) > size {
		data = data[:size]
	} else if n := size - int64(len(data)); n > 0 {
		data = append(data, make([]byte, n)...)
	}
	copy(data[w.off:], w.data)
	return data
}

func point(names map[string]*file, l link) {
	if names[l.name] = l.to; l.to == nil {
		delete(names, l.name)
	}
}

// relink changes a name, until the folder is flushed only for its readers.
func (d *disk) relink(name string, to *file) {
	l := link{name, to}
	point(d.names, l)
	d.pending = append(d.pending, l)
}

// contents returns the files as they are on the disk.
func (d *disk) contents() map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string][]byte{}
	for name, f := range d.names {
		all[name] = slices.Clone(f.now)
	}
	return all
}

// change writes a change of the file.
func (f *file) change(w write) syscall.Errno {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if !f.d.on(0, 1) {
		return syscall.EIO
	}
	f.now = apply(f.now, w)
	f.pending = append(f.pending, w)
	return 0
}

func (f *file) attr(out *fuse.Attr) {
	out.Ino, out.Mode, out.Nlink = f.ino, f.mode|syscall.S_IFREG, 1
	out.Size, out.Blocks, out.Blksize = uint64(len(f.now)), uint64(len(f.now)+sector-1)/sector, 4096
	out.SetTimes(&f.made, &f.made, &f.made)
}

func (f *file) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, 0, 0
}

func (f *file) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.off {
		return nil, syscall.EIO
	}
	off = min(off, int64(len(f.now)))
	return fuse.ReadResultData(slices.Clone(f.now[off:min(off+int64(len(dest)), int64(len(f.now)))])), 0
}

func (f *file) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	return uint32(len(data)), f.change(write{off, slices.Clone(data)})
}

func (f *file) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if !f.d.on(1, 0) {
		return syscall.EIO
	}
	for _, w := range f.pending {
		f.flushed = apply(f.flushed, w)
	}
	f.pending = nil
	return 0
}

func (f *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.attr(&out.Attr)
	return 0
}

func (f *file) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if mode, ok := in.GetMode(); ok {
		f.d.mu.Lock()
		f.mode = mode & 0o777
		f.d.mu.Unlock()
	}
	if size, ok := in.GetSize(); ok {
		if errno := f.change(write{off: int64(size)}); errno != 0 {
			return errno
		}
	}
	return f.Getattr(ctx, h, out)
}

// folder is the only folder of a disk.
type folder struct {
	fs.Inode
	d *disk
}

// node returns the kernel's handle of a file.
func (o *folder) node(ctx context.Context, f *file, out *fuse.EntryOut) *fs.Inode {
	f.attr(&out.Attr)
	return o.NewInode(ctx, f, fs.StableAttr{Mode: syscall.S_IFREG, Ino: f.ino})
}

func (o *folder) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	f := o.d.names[name]
	if f == nil {
		return nil, syscall.ENOENT
	}
	return o.node(ctx, f, out), 0
}

func (o *folder) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	var list []fuse.DirEntry
	for name, f := range o.d.names {
		list = append(list, fuse.DirEntry{Name: name, Mode: syscall.S_IFREG, Ino: f.ino})
	}
	return fs.NewListDirStream(list), 0
}

func (o *folder) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode,
	fs.FileHandle, uint32, syscall.Errno) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	if !o.d.on(0, 1) {
		return nil, nil, 0, syscall.EIO
	}
	o.d.lastIno++
	f := &file{d: o.d, ino: o.d.lastIno, mode: mode & 0o777, made: time.Now()}
	o.d.relink(name, f)
	return o.node(ctx, f, out), nil, 0, 0
}

func (o *folder) Unlink(_ context.Context, name string) syscall.Errno {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	if !o.d.on(0, 1) {
		return syscall.EIO
	}
	o.d.relink(name, nil)
	return 0
}

func (o *folder) Rename(_ context.Context, name string, _ fs.InodeEmbedder, to string, _ uint32) syscall.Errno {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	if !o.d.on(0, 1) {
		return syscall.EIO
	}
	f := o.d.names[name]
	if f == nil {
		return syscall.ENOENT
	}
	o.d.relink(to, f) // both changes are one in a journal; kept apart, the file has two names at worst
	o.d.relink(name, nil)
	return 0
}

func (o *folder) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Nlink, out.Ino = syscall.S_IFDIR|0o700, 2, 1
	return 0
}

func (o *folder) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	if !o.d.on(1, 0) {
		return syscall.EIO
	}
	if o.d.ignoreFolders {
		return 0
	}
	o.d.flushed = map[string]*file{}
	for name, f := range o.d.names {
		o.d.flushed[name] = f
	}
	o.d.pending = nil
	return 0
}

var (
	_ = fs.NodeOpener((*file)(nil))
	_ = fs.NodeReader((*file)(nil))
	_ = fs.NodeWriter((*file)(nil))
	_ = fs.NodeFsyncer((*file)(nil))
	_ = fs.NodeSetattrer((*file)(nil))
	_ = fs.NodeGetattrer((*file)(nil))
	_ = fs.NodeLookuper((*folder)(nil))
	_ = fs.NodeReaddirer((*folder)(nil))
	_ = fs.NodeCreater((*folder)(nil))
	_ = fs.NodeUnlinker((*folder)(nil))
	_ = fs.NodeRenamer((*folder)(nil))
	_ = fs.NodeFsyncer((*folder)(nil))
	_ = fs.NodeGetattrer((*folder)(nil))
)

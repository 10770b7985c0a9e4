package ledgertest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

const (
	smallDisk = "RECALLBOT_TEST_SMALL_DISK" // set in the process that has the disk
	noDisk    = 77                          // its exit code where it may not mount one
)

// SmallDisk runs fn with a directory that is a file system of its own, of so many bytes, which can
// really be full. A test, not a subtest, must call it first: the test program is run again for this
// test alone, in a mount namespace of its own, as root or as an unprivileged user. So nobody else
// sees the mount, and it ends with that process, however the process ends. Where neither is allowed
// the test is skipped.
func SmallDisk(t *testing.T, bytes int, fn func(t *testing.T, dir string)) {
	t.Helper()
	if os.Getenv(smallDisk) != "" {
		fn(t, mountSmall(t, bytes))
		return
	}
	file, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var refused []error
	for _, attr := range []*syscall.SysProcAttr{
		{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		},
		{Cloneflags: syscall.CLONE_NEWNS},
	} {
		attr.Pdeathsig = syscall.SIGKILL
		cmd := exec.Command(file, "-test.run=^"+regexp.QuoteMeta(t.Name())+"$", "-test.v")
		cmd.Env, cmd.SysProcAttr = append(os.Environ(), smallDisk+"=1"), attr
		out, err := cmd.CombinedOutput()
		exit, ended := errors.AsType[*exec.ExitError](err)
		switch {
		case err == nil && strings.Contains(string(out), "--- PASS: "+t.Name()):
			t.Logf("%s", out)
			return
		case ended && exit.ExitCode() == noDisk || errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EINVAL) ||
			errors.Is(err, syscall.ENOSPC):
			refused = append(refused, fmt.Errorf("%w %s", err, out))
		default:
			t.Fatalf("%v\n%s", err, out)
		}
	}
	t.Skipf("no file system of a test's own may be mounted: %v", errors.Join(refused...))
}

// mountSmall mounts the file system until the test ends.
func mountSmall(t *testing.T, bytes int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		err = syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") // nothing gets out
	}
	if err == nil {
		err = syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(noDisk)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

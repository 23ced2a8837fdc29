package main

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
	libcap "kernel.org/pub/linux/libs/security/libcap/cap"
)

// become changes to another user for good, in all threads, and keeps no capability.
func become(a account) error {
	if unix.Geteuid() == 0 || unix.Getgid() != a.gid {
		if err := syscall.Setgroups(a.groups); err != nil {
			return err
		}
	}
	if err := syscall.Setresgid(a.gid, a.gid, a.gid); err != nil {
		return err
	}
	if err := syscall.Setresuid(a.uid, a.uid, a.uid); err != nil {
		return err
	}
	return dropCapabilities()
}

// dropCapabilities gives all capabilities up, in all threads. Ambient ones go with
// the permitted ones, and with no_new_privs no program that is run has more.
func dropCapabilities() error {
	none := libcap.NewSet()
	if err := none.SetProc(); err != nil {
		return err
	}
	if _, err := libcap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return err
	}
	if left := libcap.GetProc(); left.String() != none.String() {
		return errors.New("capabilities are left: " + left.String())
	}
	return nil
}

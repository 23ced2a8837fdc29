//go:build unix && !linux

package main

import (
	"errors"
	"syscall"
)

// become changes to another user for good.
func become(a account) error {
	groups := a.groups
	if len(groups) == 0 {
		groups = []int{a.gid}
	}
	if err := syscall.Setgroups(groups); err != nil {
		return err
	}
	if err := syscall.Setgid(a.gid); err != nil {
		return err
	}
	if err := syscall.Setuid(a.uid); err != nil {
		return err
	}
	if syscall.Getuid() != a.uid || syscall.Geteuid() != a.uid || syscall.Getegid() != a.gid {
		return errors.New("the system has not done it")
	}
	return nil
}

// dropCapabilities has nothing to do: there are none here.
func dropCapabilities() error { return errors.ErrUnsupported }

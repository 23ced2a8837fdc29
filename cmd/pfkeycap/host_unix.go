//go:build unix

package main

import "golang.org/x/sys/unix"

// osName is the system and its release, such as "Linux 6.1.176".
func osName() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

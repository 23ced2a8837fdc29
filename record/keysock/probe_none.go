//go:build !(linux || freebsd || netbsd || openbsd || dragonfly || darwin || solaris)

package keysock

func probe(f *Facts) {
	f.Present, f.Loadable, f.Permitted = No, No, No
	f.note(f.OS, "has no PF_KEY sockets, or this program was not built to use them")
}

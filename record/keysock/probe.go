package keysock

import (
	"fmt"
	"runtime"
)

// Answer is what Probe found out about one question.
type Answer uint8

// The three answers. Unknown is honest: the places to look were not there or
// not readable.
const (
	Unknown Answer = iota
	No
	Yes
)

// String returns unknown, no or yes.
func (a Answer) String() string {
	switch a {
	case No:
		return "no"
	case Yes:
		return "yes"
	}
	return "unknown"
}

// Facts is what can be known of PF_KEY on this machine without opening a
// socket.
type Facts struct {
	// OS is the operating system as Go names it.
	OS string
	// Present says whether the running kernel has PF_KEY now, built in or
	// loaded.
	Present Answer
	// Loadable says, of a kernel without PF_KEY, whether a module for it is
	// installed; opening a socket or modprobe would load it. Linux only.
	Loadable Answer
	// Permitted says whether this process has the privilege that opening a
	// socket needs.
	Permitted Answer
	// Evidence has one line per observation, each beginning with the place it
	// was made.
	Evidence []string
}

// Probe looks at what the system shows of PF_KEY and opens no socket, since
// that can load a kernel module. CanOpen then makes the real trial.
func Probe() Facts {
	f := Facts{OS: runtime.GOOS}
	probe(&f)
	return f
}

// Advice says what to do about the first question that was answered no, and is
// empty when none was.
func (f Facts) Advice() string {
	switch {
	case f.Present == No && f.Loadable != Yes:
		return adviceAbsent
	case f.Present == No:
		return "its module is installed but not loaded: modprobe af_key as root loads it, and so does opening a PF_KEY socket, unless modprobe.d forbids it"
	case f.Permitted == No:
		return advicePermission
	}
	return ""
}

// note adds a line of evidence.
func (f *Facts) note(place, format string, args ...any) {
	f.Evidence = append(f.Evidence, place+": "+fmt.Sprintf(format, args...))
}

package main

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Usage: "say what this machine can do, and what to do about what it cannot",
		Description: `Looks whether this kernel has PF_KEY (in /proc and among the modules first,
because opening a socket can load one), whether this process may open it, and
whether a sandbox kernel is installed. Ends with 0 if something can be recorded
or replayed here, with 3 if nothing can.`,
		Action: doctor,
	}
}

// health is what doctor and the greeting know of this machine.
type health struct {
	facts   keysock.Facts
	open    error // of opening a socket, where that was worth a try
	tried   bool
	kernel  sandbox.Kernel
	noUML   error
	sandbox bool
}

// examine looks at the machine. It opens a PF_KEY socket only if the kernel
// already has PF_KEY, so that looking changes nothing.
func examine() health {
	h := health{facts: keysock.Probe()}
	if h.facts.Present != keysock.No {
		h.tried = true
		h.open = keysock.CanOpen()
	}
	h.kernel, h.noUML = sandbox.Find()
	h.sandbox = h.noUML == nil
	return h
}

func (h *health) here() bool { return h.tried && h.open == nil }

func doctor(c *cli.Context) error {
	h := examine()
	w := c.App.Writer
	say := func(ok, what string) { fmt.Fprintf(w, "%-4s %s\n", ok, what) }
	note := func(s string) { fmt.Fprintf(w, "     %s\n", s) }
	yes := func(b bool) string {
		if b {
			return "yes"
		}
		return "no"
	}
	say(h.facts.Present.String(), fmt.Sprintf("this kernel has PF_KEY (%s)", runtime.GOOS))
	for _, e := range h.facts.Evidence {
		note(e)
	}
	if h.facts.Present == keysock.No {
		if a := h.facts.Advice(); a != "" {
			note("to do: " + a)
		}
	}
	switch {
	case !h.tried:
		say(h.facts.Permitted.String(), "this process may open PF_KEY sockets (not tried: there are none)")
	case h.open == nil:
		say("yes", "this process may open PF_KEY sockets (tried)")
	default:
		say("no", "this process may open PF_KEY sockets")
		note(h.open.Error())
	}
	say(yes(h.sandbox), "a sandbox kernel is installed")
	if h.sandbox {
		note(fmt.Sprintf("%s, modules in %s", h.kernel.Path, h.kernel.Modules))
	} else {
		note(h.noUML.Error())
	}
	if !h.here() && !h.sandbox {
		return &statusError{exitMachine, errors.New("nothing can be recorded or replayed here; decoding captures works everywhere")}
	}
	return nil
}

// welcome is what the program says without arguments: at most 20 lines.
func welcome(c *cli.Context) error {
	h := examine()
	w := c.App.Writer
	fmt.Fprintf(w, `pfkeycap %s: record, decode and replay PF_KEY messages (RFC 2367)

  pfkeycap record -w FILE          record this kernel's PF_KEY traffic
  pfkeycap FILE                    decode a capture, one line a message (-v: all)
  pfkeycap decode FILE -T json     the same for programs
  pfkeycap replay FILE             send a capture to a throwaway kernel, compare
  pfkeycap dump -t esp             list the kernel's SAs (-P: policies)
  pfkeycap sandbox -- COMMAND      run a command inside a throwaway Linux kernel
  pfkeycap demo                    all of it once, on a kernel of its own
  pfkeycap help [COMMAND]          options

`, versionString())
	switch {
	case h.here():
		fmt.Fprintln(w, "This kernel has PF_KEY and lets you use it.")
	case h.tried:
		fmt.Fprintln(w, "This kernel has PF_KEY, but does not let you use it (pfkeycap doctor).")
	default:
		fmt.Fprintln(w, "This kernel has no PF_KEY (pfkeycap doctor).")
	}
	if h.sandbox {
		fmt.Fprintln(w, "A sandbox kernel is installed: add --sandbox to use it.")
	} else {
		fmt.Fprintln(w, "No sandbox kernel is installed (pfkeycap doctor).")
	}
	return nil
}

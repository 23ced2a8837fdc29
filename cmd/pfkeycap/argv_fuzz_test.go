package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// FuzzArgv: any arguments are an error that says so with the status of wrong use, or
// become a command and its subcommands, flags that the command has, "--" and the
// operands, which the library then reads as exactly these.
func FuzzArgv(f *testing.F) {
	for _, line := range []string{
		"decode f.pcapng -T json -c 1",
		"decode -Tjson -c1 -- f.pcapng -x",
		"-r f -vvx",
		"-w out.pcapng -p",
		"record -w - -- ip -x s",
		"fuzz generate -n3 --seed=5 --valid",
		"fuzz kernel -h",
		"help fuzz export",
		"decode --lint=linux --lint x",
		"sandbox -- sh -c true",
		"add 10.0.0.1 10.0.0.2 esp 1 -E null",
		"--version",
		"--",
		"decode --format",
		"nosuch -- --help",
	} {
		f.Add(strings.ReplaceAll(line, " ", "\x00"))
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\x00")
		var called *cli.Context
		app := wholeApp(strings.NewReader(""), io.Discard, io.Discard)
		disarm(app.Commands, func(c *cli.Context) error {
			called = c
			return nil
		})
		app.Action = func(c *cli.Context) error { return nil }
		out, err := rewrite(app, args)
		if err != nil {
			var se *statusError
			if !errors.As(err, &se) || se.status != exitUsage || err.Error() == "" {
				t.Fatalf("%q: %v", args, err)
			}
			return
		}
		if len(out) == 0 || out[0] == "help" || slices.Contains(out, "--help") || slices.Equal(out, []string{"version"}) {
			return // nothing that has options
		}
		c := app.Command(out[0])
		rest := out[1:]
		for c != nil && len(c.Subcommands) > 0 {
			c, rest = c.Command(rest[0]), rest[1:]
		}
		if c == nil {
			t.Fatalf("%q became %q: no such command", args, out)
		}
		end := slices.Index(rest, "--")
		if end < 0 {
			t.Fatalf("%q became %q: nothing ends the options", args, out)
		}
		names := map[string]bool{}
		for _, f := range c.Flags {
			names[f.Names()[0]] = true
		}
		set := 0
		for _, a := range rest[:end] {
			name, _, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
			if !strings.HasPrefix(a, "--") || !names[name] {
				t.Fatalf("%q became %q: %q is no option of %s", args, out, a, c.Name)
			}
			set++
		}
		if err := app.RunContext(context.Background(), append([]string{"pfkeycap"}, out...)); err != nil {
			var se *statusError
			if !errors.As(err, &se) || se.status != exitUsage {
				t.Fatalf("%q became %q: %v", args, out, err)
			}
			return // a value that is no number, for example
		}
		if called == nil {
			t.Fatalf("%q became %q: nothing was run", args, out)
		}
		if called.Command.Name != c.Name || !slices.Equal(called.Args().Slice(), rest[end+1:]) {
			t.Fatalf("%q became %q: the library reads %s with operands %q", args, out, called.Command.Name, called.Args().Slice())
		}
		if (called.NumFlags() == 0) != (set == 0) {
			t.Fatalf("%q became %q: the library reads %d options", args, out, called.NumFlags())
		}
	})
}

// disarm puts f into the place of what the commands do.
func disarm(list []*cli.Command, f cli.ActionFunc) {
	for _, c := range list {
		if c.Action != nil {
			c.Action = f
		}
		disarm(c.Subcommands, f)
	}
}

// Command pfkeycap records, decodes and replays PF_KEY version 2 messages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

// version is set by the linker for releases.
var version = ""

func versionString() string {
	if version != "" {
		return version
	}
	if bi, ok := debug.ReadBuildInfo(); ok && bi.Main.Version != "" && bi.Main.Version != "(devel)" {
		return bi.Main.Version
	}
	return "0.1.0-dev"
}

// Exit statuses, the same for every command (see the manual page).
const (
	exitFound   = 1 // a difference, a lint finding
	exitUsage   = 2 // wrong use, bad filter, unreadable file
	exitMachine = 3 // this machine cannot do it
	exitDamage  = 4 // damaged input or I/O error

	exitInterrupted = 128 + 2 // by SIGINT or another signal, as shells say it
)

// statusError is an error with the exit status it leads to. A nil err ends the
// program without a word.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &statusError{exitUsage, fmt.Errorf(format, args...)}
}

func machinef(format string, args ...any) error {
	return &statusError{exitMachine, fmt.Errorf(format, args...)}
}

func damagef(format string, args ...any) error {
	return &statusError{exitDamage, fmt.Errorf(format, args...)}
}

// found ends a command that did its work and found something.
func found() error { return &statusError{status: exitFound} }

func main() {
	sandbox.InitIfGuest()
	// It is not undone: that takes as long as setting it up, and the process ends.
	ctx, _ := signal.NotifyContext(context.Background(), stopSignals()...)
	os.Exit(run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process: what a test calls.
func run(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &output{w: stdout}
	app := newApp(stdin, out, stderr)
	args, err := rewrite(app, argv[1:])
	if err == nil {
		err = app.RunContext(ctx, append([]string{"pfkeycap"}, args...))
	}
	switch ferr := out.failure(); {
	case ferr != nil && err == nil:
		err = ferr
	case ferr != nil && errors.Is(err, out.err): // whatever the command took it for
		err = &statusError{exitDamage, err}
	}
	if err == nil {
		return 0
	}
	status := exitUsage
	var se *statusError
	if errors.As(err, &se) {
		status = se.status
		if se.err == nil {
			return status
		}
	}
	fmt.Fprintf(stderr, "pfkeycap: %v\n", err)
	if status == exitUsage && isCommandLine(err) {
		fmt.Fprintln(stderr, "Try \"pfkeycap help\".")
	}
	return status
}

// isCommandLine tells errors of the command line from those about files.
func isCommandLine(err error) bool {
	var pe *os.PathError
	var se *convert.SyntaxError
	inFile := errors.As(err, &se) && se.Line > 0 // else it is in arguments
	return !errors.As(err, &pe) && !inFile && !errors.Is(err, record.ErrNotCapture)
}

// output remembers a failed write, so that a full disk or a closed pipe behind
// stdout is an error and not a short answer.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	if err != nil {
		o.err = err
	}
	return n, err
}

// failure returns the error of the first failed write. A reader that has seen
// enough (head) is not one.
func (o *output) failure() error {
	if o.err == nil || errors.Is(o.err, syscall.EPIPE) {
		return nil
	}
	return damagef("writing the output: %w", o.err)
}

// standardOutput is the app's output without the memory of failed writes: what a
// child process gets, and what is or is not a terminal.
func standardOutput(c *cli.Context) io.Writer {
	if o, ok := c.App.Writer.(*output); ok {
		return o.w
	}
	return c.App.Writer
}

// newApp makes the command line without its commands: rewrite adds the one that is
// called.
func newApp(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	return &cli.App{
		Name:                      "pfkeycap",
		Usage:                     "record, decode and replay PF_KEY version 2 messages",
		Version:                   versionString(),
		HideVersion:               true,
		Reader:                    stdin,
		Writer:                    stdout,
		ErrWriter:                 stderr,
		DisableSliceFlagSeparator: true,
		Suggest:                   false,
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              func(_ *cli.Context, err error, _ bool) error { return usagef("%w", err) },
		CommandNotFound:           func(c *cli.Context, name string) {},
		CustomAppHelpTemplate:     appHelp,
		Action:                    welcome,
		Compiled:                  time.Unix(0, 0), // else it is looked for on the disk
	}
}

// wholeApp is newApp with every command.
func wholeApp(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	app := newApp(stdin, stdout, stderr)
	addCommands(app, commandList()...)
	return app
}

// entry is one of the program's commands. It is made when it is called, because
// all of them with their hundreds of options take longer to make than a capture to
// decode.
type entry struct {
	name string
	make func() *cli.Command
}

// commandList are all of them, in the order of the help.
func commandList() []entry {
	return slices.Concat([]entry{
		{"record", recordCommand},
		{"decode", decodeCommand},
		{"explain", explainCommand},
		{"exchanges", exchangesCommand},
		{"sas", sasCommand},
		{"findings", findingsCommand},
		{"diff", diffCommand},
		{"report", reportCommand},
		{"scrub", scrubCommand},
		{"convert", convertCommand},
		{"keys", keysCommand},
		{"replay", replayCommand},
		{"dump", dumpCommand},
		{"register", registerCommand},
	}, statementCommands(), []entry{
		{"send", sendCommand},
		{"dialects", dialectsCommand},
		{"wireshark", wiresharkCommand},
		{"extcap", extcapCommand},
		{"fuzz", fuzzCommand},
		{"sandbox", sandboxCommand},
		{"doctor", doctorCommand},
		{"demo", demoCommand},
		{serveTarget, targetCommand},
		{"launch", launchCommand},
		{serveKernel, serveKernelCommand},
		{"completion", completionCommand},
		{"complete", completeCommand},
		{"version", versionCommand},
		{"man", manCommand},
	})
}

// aliases are other names of commands.
var aliases = map[string]string{"monitor": "record"}

func addCommands(app *cli.App, list ...entry) {
	for _, x := range list {
		c := x.make()
		c.Name = x.name
		for alias, name := range aliases {
			if name == x.name {
				c.Aliases = append(c.Aliases, alias)
			}
		}
		prepare(c, c.Name)
		app.Commands = append(app.Commands, c)
	}
}

// find returns a command of the app, made if need be, or nil.
func find(app *cli.App, name string) *cli.Command {
	if c := app.Command(name); c != nil {
		return c
	}
	all := commandList()
	i := slices.IndexFunc(all, func(x entry) bool { return x.name == name || aliases[name] == x.name })
	if i < 0 {
		return nil
	}
	addCommands(app, all[i])
	return app.Command(name)
}

// prepare gives a command, and its subcommands, what all of them have in common.
// name is what errors call it.
func prepare(c *cli.Command, name string) {
	c.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return usagef("%s: %w", name, err) }
	c.HideHelpCommand = true
	c.CustomHelpTemplate = commandHelp
	for _, f := range c.Flags {
		if b, ok := f.(*cli.BoolFlag); ok {
			b.DisableDefaultText = true
		}
	}
	if act := c.Action; act != nil {
		c.Action = func(ctx *cli.Context) error { return inCommand(name, act(ctx)) }
	}
	for _, sub := range c.Subcommands {
		prepare(sub, name+" "+sub.Name)
	}
}

const appHelp = `pfkeycap records, decodes and replays PF_KEY version 2 messages (RFC 2367).

Usage:
  pfkeycap COMMAND [OPTION…] [FILE]
  pfkeycap FILE             decode FILE
  pfkeycap -w FILE          record to FILE

Commands:{{range .VisibleCommands}}
  {{join .Names ", "}}{{"\t"}}{{.Usage}}{{end}}

"pfkeycap help COMMAND" lists a command's options. Options may stand anywhere.
Exit status: 0 fine, 1 something was found, 2 wrong use or an unreadable file, 3 this
machine cannot, 4 damaged input or an I/O error.
`

const commandHelp = `{{.HelpName}}: {{.Usage}}

Usage:
  {{.HelpName}} [OPTION…]{{if .ArgsUsage}} {{.ArgsUsage}}{{end}}

{{.Description}}{{if .VisibleCommands}}

Subcommands:{{range .VisibleCommands}}
  {{join .Names ", "}}{{"\t"}}{{.Usage}}{{end}}{{end}}{{if .VisibleFlags}}

Options:{{range .VisibleFlags}}
  {{.}}{{end}}{{end}}
`

// inCommand puts the command's name before an error.
func inCommand(name string, err error) error {
	var se *statusError
	if err == nil || errors.As(err, &se) && se.err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// rewrite turns the program's arguments into what the library takes: a command
// first, its flags normalized.
func rewrite(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, nil
	}
	switch args[0] {
	case "-h", "--help":
		args = []string{"help"}
	case "-V", "--version":
		args = []string{"version"}
	}
	if args[0] == "help" {
		if len(args) == 1 || find(app, args[1]) == nil {
			app.Commands = nil
			addCommands(app, commandList()...)
			return args, nil
		}
		args = append(args[1:], "--help")
	}
	c := find(app, args[0])
	if c == nil && impliedExtcap(args) {
		args = append([]string{"extcap"}, args...)
		c = find(app, args[0])
	}
	if c == nil {
		name := implied(args)
		if name == "" {
			return nil, usagef("unknown command %q%s", args[0], suggestCommand(args[0]))
		}
		c = find(app, name)
	} else {
		args = args[1:]
	}
	path := []string{c.Name}
	for len(c.Subcommands) > 0 && !(len(args) > 0 && (args[0] == "-h" || args[0] == "--help")) {
		sub, err := subcommand(c, args)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(path, " "), err)
		}
		c, args, path = sub, args[1:], append(path, sub.Name)
	}
	for _, a := range args {
		if a == "--" {
			break
		}
		if a == "-h" || a == "--help" {
			return append(path, "--help"), nil
		}
	}
	nameFlags(c.Flags)
	rest, err := normalize(c, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(path, " "), err)
	}
	return append(path, rest...), nil
}

// subcommand finds the one that the arguments begin with.
func subcommand(c *cli.Command, args []string) (*cli.Command, error) {
	var names []string
	for _, sub := range c.Subcommands {
		if len(args) > 0 && sub.HasName(args[0]) {
			return sub, nil
		}
		names = append(names, sub.Name)
	}
	if len(args) == 0 {
		return nil, usagef("which subcommand? %s", strings.Join(names, ", "))
	}
	return nil, usagef("unknown subcommand %q: want %s", args[0], strings.Join(names, ", "))
}

// implied is the command that is meant when none is named: "-w FILE" records,
// "-r FILE" and "FILE" decode.
func implied(args []string) string {
	file := false
	for _, a := range args {
		if a == "--" {
			break
		}
		if a == "--write" || strings.HasPrefix(a, "--write=") || strings.HasPrefix(a, "-w") {
			return "record"
		}
		if a == "--read" || strings.HasPrefix(a, "-r") {
			return "decode"
		}
		if a == "-" || looksLikeFile(a) {
			file = true
		}
	}
	if file {
		return "decode"
	}
	return ""
}

func looksLikeFile(a string) bool {
	if strings.HasPrefix(a, "-") {
		return false
	}
	if _, err := os.Stat(a); err == nil {
		return true
	}
	return strings.ContainsAny(a, "./")
}

func suggestCommand(name string) string {
	for _, c := range commandList() {
		if strings.HasPrefix(c.name, name) || strings.HasPrefix(name, c.name) {
			return fmt.Sprintf(" (did you mean %q?)", c.name)
		}
	}
	return " (and no file of that name)"
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Usage: "print the version",
		Action: func(c *cli.Context) error {
			fmt.Fprintf(c.App.Writer, "pfkeycap %s\n", versionString())
			return nil
		},
	}
}

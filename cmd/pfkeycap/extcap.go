package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record"
)

// extcapInterface is what Wireshark lists and calls this socket by.
const extcapInterface = "pfkey"

// extcapCommand is what Wireshark, tshark and dumpcap run: they know programs, not
// commands, so it is implied by their options (see impliedExtcap). The protocol is
// that of extcap(4): questions are answered in lines on standard output, and a
// capture goes into a named pipe until SIGTERM, or until nobody reads the pipe.
func extcapCommand() *cli.Command {
	return &cli.Command{
		Usage:  "what Wireshark runs to capture from PF_KEY",
		Hidden: true,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "extcap-interfaces", Usage: "list the interface"},
			&cli.StringFlag{Name: "extcap-interface", Usage: "the interface is `NAME`"},
			&cli.BoolFlag{Name: "extcap-dlts", Usage: "list its link types"},
			&cli.BoolFlag{Name: "extcap-config", Usage: "list its options"},
			&cli.StringFlag{Name: "extcap-reload-option", Usage: "list the values of an option anew"},
			&cli.StringFlag{Name: "extcap-version", Usage: "the version of Wireshark"},
			&cli.StringFlag{Name: "extcap-capture-filter", Usage: "only what `EXPR` is true for"},
			&cli.BoolFlag{Name: "extcap-cleanup-postkill", Usage: "clean up after a capture"},
			&cli.BoolFlag{Name: "capture", Usage: "capture"},
			&cli.StringFlag{Name: "fifo", Usage: "into `FILE`"},
			targetFlag(),
			&cli.StringFlag{Name: "snapshot", Usage: "first dump SAs and policies: true or false"},
			&cli.StringFlag{Name: "keys", Usage: "`WHERE` secrets go: inside or none", Value: "none"},
			&cli.StringFlag{Name: "buffer", Usage: "receive buffer in `KIB`"},
		},
		Action: extcapAction,
	}
}

// impliedExtcap reports whether the arguments are those of Wireshark, which has no
// command before them.
func impliedExtcap(args []string) bool {
	return strings.HasPrefix(args[0], "--extcap-") || args[0] == "--capture" || args[0] == "--fifo"
}

func extcapAction(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("unexpected operand %q", c.Args().First())
	}
	out := c.App.Writer
	if c.Bool("extcap-interfaces") {
		fmt.Fprintf(out, "extcap {version=%s}{display=pfkeycap}\n", versionString())
		fmt.Fprintf(out, "interface {value=%s}{display=PF_KEY}\n", extcapInterface)
		return nil
	}
	if name := c.String("extcap-interface"); name != extcapInterface {
		return usagef("interface %q: the only one is %s", name, extcapInterface)
	}
	switch {
	case c.Bool("extcap-dlts"):
		fmt.Fprintf(out, "dlt {number=%d}{name=USER0}{display=PF_KEY version 2}\n", record.LinkTypeUser0)
	case c.Bool("extcap-config"):
		io.WriteString(out, extcapOptions)
	case c.String("extcap-reload-option") != "", c.Bool("extcap-cleanup-postkill"):
		// There is nothing to list or to clean up.
	case c.Bool("capture"):
		return extcapCapture(c)
	case c.IsSet("extcap-capture-filter"):
		// Is it a filter? What is printed is the complaint; a good one leaves no word.
		if _, err := newChooser(c.String("extcap-capture-filter"), nil); err != nil {
			fmt.Fprintln(out, err)
		}
	default:
		return usagef("nothing is asked for: want --extcap-interfaces, --extcap-dlts, --extcap-config or --capture")
	}
	return nil
}

// extcapOptions are what Wireshark asks its user for.
const extcapOptions = `arg {number=0}{call=--target}{display=Kernel}{tooltip=here, or netns:NAME, netns:PID or netns:PATH: another network namespace}{type=string}{default=here}{validation=^(here|netns:.+)$}{group=Socket}
arg {number=1}{call=--snapshot}{display=SAs and policies first}{tooltip=Dump what the kernel has before listening}{type=boolean}{default=false}{group=Socket}
arg {number=2}{call=--buffer}{display=Receive buffer (KiB)}{tooltip=What does not fit is lost}{type=unsigned}{range=64,1048576}{default=16384}{group=Socket}
arg {number=3}{call=--keys}{display=Keys}{tooltip=Stand-ins have the length of a key and tell one from another, and say nothing else of it}{type=selector}{group=Keys}
value {arg=3}{value=none}{display=stand-ins in the capture}{default=true}
value {arg=3}{value=inside}{display=true keys in the capture}{default=false}
`

// extcapCapture records into Wireshark's pipe: it is "record -w -" with the pipe as
// standard output.
func extcapCapture(c *cli.Context) error {
	if c.String("fifo") == "" {
		return usagef("--capture wants --fifo: the pipe to write to")
	}
	keys, err := record.ParseKeys(c.String("keys"))
	if err != nil || keys == record.KeysBeside {
		return usagef("--keys %s: want none or inside, a pipe has nothing beside it", c.String("keys"))
	}
	args := []string{"record", "--write=-", "--keys=" + keys.String()}
	for flag, name := range map[string]string{"buffer": "buffer", "extcap-capture-filter": "filter"} {
		if v := c.String(flag); v != "" {
			args = append(args, "--"+name+"="+v)
		}
	}
	switch v := c.String("snapshot"); v {
	case "", "false":
	case "true":
		args = append(args, "--snapshot")
	default:
		return usagef("--snapshot %s: want true or false", v)
	}
	// The process becomes one that is in the namespace, so the pipe is for that one.
	if t, err := target(c, "here"); err == nil && t == "sandbox" {
		return usagef("--target %s: a new kernel has nothing to capture; want here or netns:NAME", t)
	}
	if elsewhere, err := inTarget(c); elsewhere {
		return err
	}
	pipe, err := os.OpenFile(c.String("fifo"), os.O_WRONLY, 0)
	if err != nil {
		return damagef("%w", err)
	}
	defer pipe.Close()
	// Wireshark takes whatever stands on standard error for a failure. What a
	// recording says there is kept, and told if it fails.
	said := &lastWords{}
	app := newApp(strings.NewReader(""), &output{w: pipe}, said)
	if args, err = rewrite(app, args); err != nil {
		return err
	}
	err = app.RunContext(c.Context, append([]string{"pfkeycap"}, args...))
	if errors.Is(err, syscall.EPIPE) {
		return nil // Wireshark has stopped
	}
	if err != nil {
		io.Copy(c.App.ErrWriter, strings.NewReader(said.String()))
	}
	return err
}

// lastWords keeps the end of what is written to it.
type lastWords struct {
	mu  sync.Mutex
	end []byte
}

// maxLastWords is more than a program says that fails.
const maxLastWords = 4096

func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end = append(w.end, p...)
	if extra := len(w.end) - maxLastWords; extra > 0 {
		w.end = append(w.end[:0], w.end[extra:]...)
	}
	return len(p), nil
}

func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.end)
}

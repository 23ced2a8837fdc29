package main

import (
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record/convert"
)

// manPage is made by TestManualPage from the commands themselves, so that it cannot
// say anything else than --help. It is made there, because a program that can make it
// takes longer to start.
//
//go:embed pfkeycap.1
var manPage string

// manCommand writes the manual page.
func manCommand() *cli.Command {
	return &cli.Command{
		Usage:  "print the manual page (roff)",
		Hidden: true,
		Action: func(c *cli.Context) error {
			_, err := io.WriteString(c.App.Writer, manPage)
			return err
		},
	}
}

// manual is the manual page as Markdown.
func manual(app *cli.App) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("%% pfkeycap 1")
	p("# NAME\npfkeycap - %s\n", app.Usage)
	p("# SYNOPSIS\n**pfkeycap** *COMMAND* [*OPTION* ...] [*FILE*]\n\n**pfkeycap** *FILE*\n\n**pfkeycap** **-w** *FILE*\n")
	p("# DESCRIPTION\n%s\n", manIntro)
	p("# COMMANDS")
	for _, c := range app.Commands {
		if c.Hidden || c.Name == "help" {
			continue
		}
		manCommandText(p, c, c.Name)
	}
	b.WriteString(manRecord())
	p("# FORMS\n%s\n", manForms)
	for _, f := range convert.Forms() {
		p("**%s**\n:   %s\n", f, escape(f.About()))
	}
	b.WriteString(manRest)
	return b.String()
}

// manCommandText writes what the manual says of a command and its subcommands.
func manCommandText(p func(format string, args ...any), c *cli.Command, name string) {
	p("## %s%s\n%s.\n", name, strings.TrimRight(" "+c.ArgsUsage, " "), c.Usage)
	p("%s\n", markdown(c.Description))
	for _, f := range c.VisibleFlags() {
		names, usage := flagText(f)
		p("%s\n:   %s\n", names, usage)
	}
	for _, sub := range c.Subcommands {
		if !sub.Hidden {
			manCommandText(p, sub, name+" "+sub.Name)
		}
	}
}

// markdown keeps indented lines of a description as they are.
func markdown(s string) string {
	var b strings.Builder
	for _, line := range strings.Split(s, "\n") {
		if strings.HasPrefix(line, "  ") {
			line = "    " + strings.TrimSpace(line)
		} else {
			line = escape(line)
		}
		b.WriteString(line + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

func escape(s string) string {
	return strings.NewReplacer("<", `\<`, ">", `\>`, "*", `\*`, "_", `\_`).Replace(s)
}

// flagText is a flag as the manual shows it: its names, and what it does.
func flagText(f cli.Flag) (names, usage string) {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return "", ""
	}
	value := ""
	usage = d.GetUsage()
	if i := strings.Index(usage, "`"); i >= 0 {
		if j := strings.Index(usage[i+1:], "`"); j >= 0 {
			value = " *" + usage[i+1:i+1+j] + "*"
		}
	}
	usage = escape(strings.ReplaceAll(usage, "`", ""))
	if v := d.GetValue(); v != "" && d.TakesValue() && v != "0" {
		usage += " (default: " + strings.Trim(v, `"`) + ")"
	}
	var list []string
	for _, n := range f.Names() {
		dash := "--"
		if len(n) == 1 {
			dash = "-"
		}
		list = append(list, "**"+dash+n+"**"+value)
	}
	return strings.Join(list, ", "), usage
}

const manIntro = `PF_KEY version 2 (RFC 2367) is the socket through which IPsec keys are managed.
**pfkeycap** records what programs and kernel say to each other over it, decodes
recordings, and replays them against a kernel. Options may stand anywhere before a
**--**; letters can be joined (**-vvx**, **-c5**).`

// manForms stands before the list of forms.
const manForms = `Every command that takes a capture takes these too and finds out which it
is (**--read-format** says it). **kdump**, **truss** and **hex** do not say whose messages they
hold: the bytes tell, or **-d**. Traces hold the requests that no recorder hears, through
descriptors that were inherited or passed to another process. Times without a date are
those of 1 January 1970.`

const manRest = `# CAPTURES
A capture is a pcapng file, link type USER0 (147), one message to a block, with
direction, time and comments, that other tools can read, cut and merge. Its interface
description says the dialect, the byte order and where the keys are.

# LONG RECORDINGS
A recording can be divided into files as **tcpdump** does it (**-C**, **-G**, **-W**) or as
**dumpcap** does (**-b**, **-a**). The following keeps the last 31 days (of UTC), a file
a day, the finished ones compressed:

    pfkeycap record -w /var/log/pfkey.pcapng -b interval:86400 -b files:31 --compress zstd

Every file stands alone: it has its own header, statistics and side file, which goes when
the ring lets the capture go. The record numbers go on through all of them, and equal keys
look equal in all of them; **decode** reads several files as one. Files begin and end by the clock whether messages come or not,
so one without messages says that there were none. A file is not compressed, named or
handed to the command of **-z** before it is on the disk. When the recording ends, it waits
for that; another SIGINT or SIGTERM leaves what is not done. Commands run one at a time,
at the lowest priority, with the name of the file as their last argument, and what they
print goes to standard error. A file that they rename is none of the ring's any more.

The recording ends with status 4 when its file cannot be written any more, or has been
removed. What is printed beside a capture (**-P**) does not hold it up: what a terminal
that stands still cannot take is left out and counted.

# SECRETS
Keys are replaced in captures by stand-ins of the same length, made by HMAC under a random
salt, so that equal keys look equal; so is everything that could hold a key: private and
unknown extensions, padding that is not zero, bytes that could not be decoded. The true
bytes are in *FILE*.keys, which commands find by themselves when it lies beside its capture.
Files that hold keys have mode 0600. Nothing shows keys without **--show-keys**; instead
their length and the first bytes of their stand-in are shown.

# EXIT STATUS
0
:   fine

1
:   something was found: a difference, an objection of **--lint**

2
:   wrong use, or a file that cannot be read

3
:   this machine cannot: no PF_KEY, no permission, no sandbox kernel

4
:   damaged input, or an I/O error; what was whole has been kept and shown

130

:   a signal (Ctrl-C) ended the reading of a file; what was read has been shown. Who reads
    standard input waits for its other end to stop; another signal ends it

With a command after **--** the exit status is that command's: 125 if pfkeycap itself
failed while it ran, 126 or 127 if the command could not be run, 128 and the signal's number if it was
killed.

# ENVIRONMENT
PFKEYCAP_UML
:   the sandbox kernel's executable, where it is not **linux.uml** in the PATH

NO_COLOR
:   if it is set and not empty, no colours unless **--color always** asks for them

TZ
:   time zone of times in text (JSON is in UTC)

# FILES
*FILE*.keys
:   the secrets of a capture, one line for each record

*FILE*.zst
:   a capture that has been compressed; its side file keeps the name *FILE*.keys

# SEE ALSO
**tcpdump**(1), **tshark**(1), **capinfos**(1), **setkey**(8), **ip-xfrm**(8), RFC 2367
`

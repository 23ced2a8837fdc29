package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/setkey"
	"github.com/pfkeycap/pfkeycap/record/keysock"
)

// statementUsage is the ArgsUsage of the commands that are setkey's statements.
const statementUsage = "STATEMENT…"

// statementCommands are the commands that take a statement of setkey(8), whose first
// word is their name.
func statementCommands() []entry {
	const algorithms = `
Keys are not written on the command line, which every user of the machine can see, but
named: @FILE (hex digits, a "string", or the octets themselves), - for standard input,
'?' to be asked. Their lengths are checked against what the kernel supports.`
	forms := []statementForm{
		{"add", "install a static SA", "[-46] SRC DST esp|ah|ipcomp|tcp SPI [-m MODE] [-u REQID] [-r WINDOW] [-lh SEC] [-ls SEC] [-bh BYTES] [-bs BYTES] [-E ALGORITHM KEY] [-A ALGORITHM KEY] [-C ALGORITHM]", algorithms},
		{"update", "give an SA new keys or lifetimes", "as add", algorithms},
		{"delete", "remove an SA", "[-46] SRC DST PROTOCOL SPI", ""},
		{"get", "show an SA", "[-46] SRC DST PROTOCOL SPI", ""},
		{"getspi", "reserve an SPI; 0 lets the kernel choose", "[-46] SRC DST PROTOCOL SPI", ""},
		{"flush", "remove all SAs, or those of one protocol", "[PROTOCOL]", flushText},
		{"spdadd", "install a policy", "[-46] SRC[/PREFIX][[PORT]] DST[/PREFIX][[PORT]] UPPER -P in|out|fwd [prio N] discard|none|ipsec PROTOCOL/MODE/SRC-DST/LEVEL…", ""},
		{"spddelete", "remove a policy", "[-46] SRC DST UPPER -P in|out|fwd", ""},
		{"spdflush", "remove all policies", "", flushText},
	}
	var list []entry
	for _, x := range forms {
		list = append(list, entry{x.name, x.command})
	}
	return list
}

// statementForm is what one of these commands says of itself.
type statementForm struct{ name, usage, form, more string }

func (x statementForm) command() *cli.Command {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "print the message, send nothing"},
		targetFlag(), sandboxFlag(), kernelFlag(),
	}
	if x.more == flushText {
		flags = append(flags, allowFlushFlag())
	}
	text := fmt.Sprintf("Takes setkey's statement as arguments: %s %s.", x.name, x.form)
	if x.form == "" {
		text = "Takes no arguments."
	}
	return &cli.Command{
		Usage:     x.usage,
		ArgsUsage: statementUsage,
		Description: text + ` Options of ours stand before it.
Prints the message and the kernel's answer; a refusal says why and ends with status 1.` + x.more,
		Flags:  append(flags, outputFlags()...),
		Action: statement,
	}
}

const flushText = `
The running kernel is flushed only with --allow-flush: this machine's IPsec stops.`

func allowFlushFlag() cli.Flag {
	return &cli.BoolFlag{Name: "allow-flush", Usage: "let the running kernel lose what it has"}
}

func statement(c *cli.Context) error {
	if !c.Bool("dry-run") {
		if elsewhere, err := inTarget(c); elsewhere {
			return err
		}
	}
	keys := &keySource{stdin: c.App.Reader, stderr: c.App.ErrWriter}
	s, err := setkey.ParseArgs(append([]string{c.Command.Name}, c.Args().Slice()...), setkey.Options{
		Key: keys.key, NoLiteralKeys: true, Resolve: resolve,
	})
	if err != nil {
		return usagef("%w", err)
	}
	return sendAll(c, func(t *talk) error { return t.statement(s, "") })
}

// keySource finds keys that are named on the command line.
type keySource struct {
	stdin  io.Reader
	stderr io.Writer
	read   bool // standard input
}

// maxKeyFile is more than the longest key takes in hex digits.
const maxKeyFile = 64 << 10

func (k *keySource) key(name string) ([]byte, error) {
	switch {
	case name == "?":
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("? asks on a terminal, and there is none: use @FILE or -")
		}
		defer tty.Close()
		fmt.Fprint(tty, "Key: ")
		b, err := term.ReadPassword(int(tty.Fd()))
		fmt.Fprintln(tty)
		return setkey.KeyOfFile(b), err
	case name == "-" && k.read:
		return nil, errors.New("standard input holds one key: use @FILE for the other")
	case name == "-":
		k.read = true
		return readKey(k.stdin, "standard input")
	}
	if name == "@" {
		return nil, errors.New("no file is named after @")
	}
	f, err := os.Open(name[1:])
	if err != nil && setkey.MayBeKey(filepath.Base(name)) {
		return nil, errors.New("no such file: a key is named by its file, not written (the name is not shown: it may be the key)")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readKey(f, name[1:])
}

func readKey(r io.Reader, name string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxKeyFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxKeyFile:
		return nil, fmt.Errorf("%s is longer than any key", name)
	case len(b) == 0:
		return nil, fmt.Errorf("%s is empty", name)
	}
	return setkey.KeyOfFile(b), nil
}

func resolve(host string) ([]netip.Addr, error) {
	names, err := net.LookupHost(host)
	if err != nil {
		return nil, err
	}
	var list []netip.Addr
	for _, n := range names {
		if a, err := netip.ParseAddr(n); err == nil {
			list = append(list, a.WithZone("").Unmap())
		}
	}
	return list, nil
}

// statement sends the messages of a statement. where names it in errors; it may be
// empty.
func (t *talk) statement(s *setkey.Statement, where string) error {
	if s.Command == "deleteall" && t.codec.Dialect == layers.Linux {
		return t.deleteAll(s, where)
	}
	msgs, err := s.Messages(t.codec)
	var at *setkey.Error
	if where == "" && errors.As(err, &at) {
		err = at.Err // arguments have no lines
	}
	if err != nil {
		return usagef("%s%w", where, err)
	}
	for _, m := range msgs {
		if m.Note != "" {
			fmt.Fprintf(t.stderr, "pfkeycap: %s%s\n", where, m.Note)
		}
		b, err := m.Encode(t.codec)
		if err != nil {
			return usagef("%s%w", where, err)
		}
		t.own(b)
		if where == "" && (s.Command == "add" || s.Command == "update") { // in a script the kernel says it
			if err := t.checkKeys(s, m.Base.SAType); err != nil {
				return err
			}
		}
		if err := t.send(b, where); err != nil {
			return err
		}
	}
	return nil
}

// deleteAll deletes what a dump shows to match, one SA at a time.
func (t *talk) deleteAll(s *setkey.Statement, where string) error {
	if t.dry {
		return usagef("%sdeleteall asks the kernel which SAs there are: nothing can be printed before", where)
	}
	one := *s
	one.Command = "dump"
	msgs, err := one.Messages(t.codec)
	if err != nil {
		return usagef("%s%w", where, err)
	}
	var found []uint32
	show := t.show
	t.show = func(r *record.Record) error {
		st, _, err := setkey.FromMessage(t.codec, r.Data)
		if err == nil && st.Command == "add" && matches(s.Src, st.Src) && matches(s.Dst, st.Dst) {
			found = append(found, st.SPI)
		}
		return nil
	}
	for _, m := range msgs {
		b, err := m.Encode(t.codec)
		if err == nil {
			t.own(b)
			err = t.ask(b)
		}
		if err != nil {
			t.show = show
			return fmt.Errorf("%s%w", where, err)
		}
	}
	t.show = show
	t.sent-- // a question of ours
	one.Command = "delete"
	for _, spi := range found {
		one.SPI = spi
		if err := t.statement(&one, where); err != nil {
			return err
		}
	}
	return nil
}

func matches(want, got setkey.Selector) bool {
	for _, a := range want.Addrs {
		if a == got.Addrs[0] {
			return true
		}
	}
	return false
}

// supported is what a kernel answers to REGISTER for an SA type.
type supported struct {
	auth, encrypt []layers.Alg
}

// checkKeys compares the keys of a statement with what the kernel supports. It asks
// on a socket of its own, which forgets the registration at once: a registered socket
// changes what the kernel does with ACQUIREs.
func (t *talk) checkKeys(s *setkey.Statement, satype uint8) error {
	if t.dry {
		return nil
	}
	sup, asked := t.supported[satype]
	if !asked {
		side, err := newTalk(keysock.Options{}, func(r *record.Record) error {
			m := layers.Message{}
			m.Codec = t.codec
			if r.Dir == record.FromKernel && m.DecodeFromBytes(r.Data, nil) == nil && (m.SupportedAuth() != nil || m.SupportedEncrypt() != nil) {
				sup = &supported{}
				if x := m.SupportedAuth(); x != nil {
					sup.auth = x.Algs()
				}
				if x := m.SupportedEncrypt(); x != nil {
					sup.encrypt = x.Algs()
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		defer side.close()
		msg, err := t.codec.Encode(&layers.Base{Type: layers.REGISTER, SAType: satype, Seq: 1, PID: t.pid})
		if err != nil {
			return err
		}
		if err := side.ask(msg); err != nil {
			sup = nil // it will refuse the SA as well, and say why
		}
		if t.supported == nil {
			t.supported = map[uint8]*supported{}
		}
		t.supported[satype] = sup
	}
	if sup == nil {
		return nil
	}
	for _, x := range []struct {
		a    *setkey.Algorithm
		list []layers.Alg
		what string
	}{{s.Encrypt, sup.encrypt, "encryption"}, {s.Auth, sup.auth, "authentication"}} {
		if x.a == nil {
			continue
		}
		id, ok := x.a.Number(t.codec.Dialect, x.what == "encryption")
		if !ok || id == 0 {
			continue
		}
		if err := checkKey(x.a, id, x.list, x.what); err != nil {
			return usagef("%w", err)
		}
	}
	return nil
}

func checkKey(a *setkey.Algorithm, id uint8, list []layers.Alg, what string) error {
	bits := 8 * len(a.Key)
	for _, alg := range list {
		if alg.ID != id {
			continue
		}
		if least, most := int(alg.MinBits), int(alg.MaxBits); bits < least || bits > most {
			if least == most {
				return fmt.Errorf("the key of %s has %d bits: this kernel wants %d", a.Name, bits, least)
			}
			return fmt.Errorf("the key of %s has %d bits: this kernel wants %d to %d", a.Name, bits, least, most)
		}
		return nil
	}
	return fmt.Errorf("this kernel has no %s algorithm %s for such an SA (pfkeycap register shows what it has)", what, a.Name)
}

// needsAllowFlush reports whether a message makes a kernel forget more than one
// thing.
func needsAllowFlush(codec layers.Codec, msg []byte) bool {
	base, _, _ := codec.Extensions(msg)
	if base == nil {
		return false
	}
	switch base.TypeName() {
	case "FLUSH", "SPDFLUSH":
		return true
	}
	return false
}

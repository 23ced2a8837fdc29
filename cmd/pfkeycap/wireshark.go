package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/wireshark"
	"github.com/pfkeycap/pfkeycap/record/keysock"
)

func wiresharkCommand() *cli.Command {
	return &cli.Command{
		Usage:     "teach Wireshark and tshark to read PF_KEY",
		ArgsUsage: "SUBCOMMAND",
		Description: `Makes a dissector, a Lua script, from the tables that this program reads messages with:
every system's, in both byte orders. Its fields have the names that filters here have,
after "pfkey.": pfkey.sa.spi, pfkey.msg.type_name, pfkey.errno. It takes what has link
type USER0 and is PF_KEY; anything else goes where it went before.`,
		Subcommands: []*cli.Command{wiresharkInstallCommand(), wiresharkPrintCommand()},
	}
}

func wiresharkInstallCommand() *cli.Command {
	return &cli.Command{
		Name:  "install",
		Usage: "put the dissector where your Wireshark finds it, and PF_KEY among its interfaces",
		Description: `Writes pfkey.lua into your Lua plugin directory: ~/.local/lib/wireshark/plugins, on
Windows Wireshark\plugins under %APPDATA% ("tshark -G folders" names it). One that this
command wrote before is replaced, a file of somebody else's is not.

It also makes a link to this program in ~/.local/lib/wireshark/extcap, so that Wireshark,
tshark and dumpcap list an interface "pfkey" to capture from. They run this program as
you, and it records as "pfkeycap record" does: as root, or with CAP_NET_ADMIN. Keys are
stand-ins unless you ask for true ones. Where "tshark -G folders" names no personal extcap
path, as that of 4.0, there is only one for everybody: give it with --extcap-dir.

  tshark -i pfkey -i eth0 -w both.pcapng
  tshark -i pfkey -f 'type == "ACQUIRE"' -o extcap.pfkey.snapshot:true

Dialect and byte order are those that a capture of ours says; what a message's length
says comes before that. In the other captures the first messages decide, else it is
taken for Linux, and the tree says so. Preferences override: -o pfkey.dialect:openbsd,
-o pfkey.order:big. Octets of keys are not shown unless pfkey.show_keys is on, but they
are among the packet bytes: whether they are true ones is up to the capture.

  tshark -r FILE -Y 'pfkey.errno != 0' -T fields -e pfkey.msg.type_name -e pfkey.msg.errno_name
  tshark -r FILE -Y 'pfkey.spi == 0x1234 || pfkey.ipv4 == 10.0.0.0/24'
  tshark -r FILE -q -z expert`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "write the dissector into `DIR` instead"},
			&cli.StringFlag{Name: "extcap-dir", Usage: "make the link in `DIR` instead"},
			&cli.BoolFlag{Name: "no-extcap", Usage: "the dissector only"},
		},
		Action: wiresharkInstall,
	}
}

func wiresharkPrintCommand() *cli.Command {
	return &cli.Command{
		Name:  "print",
		Usage: "write the dissector to standard output",
		Description: `For those who keep it elsewhere:

  pfkeycap wireshark print > pfkey.lua && tshark -X lua_script:pfkey.lua -r FILE`,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("unexpected operand %q", c.Args().First())
			}
			return wireshark.Generate(c.App.Writer, versionString())
		},
	}
}

func wiresharkInstall(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("unexpected operand %q: --dir says where", c.Args().First())
	}
	say := func(format string, args ...any) { fmt.Fprintf(c.App.ErrWriter, "pfkeycap: "+format+"\n", args...) }
	dir, err := directory(c, "dir", wireshark.PluginDir)
	if err != nil {
		return err
	}
	name, err := wireshark.Install(dir, versionString())
	if err != nil {
		return installError(err)
	}
	fmt.Fprintf(c.App.Writer, "wrote %s\n", name)
	say("start Wireshark anew, or press Ctrl+Shift+L in it: it shows PF_KEY from now on, as does \"tshark -r FILE\"")
	if c.Bool("no-extcap") {
		return nil
	}
	if _, err := keysock.NetNSInode(); err != nil && !c.IsSet("extcap-dir") {
		say("there is no PF_KEY to capture from here, so no interface")
		return nil
	}
	if dir, err = directory(c, "extcap-dir", wireshark.ExtcapDir); err != nil {
		return err
	}
	self, err := os.Executable()
	if err == nil {
		name, err = wireshark.Link(dir, self)
	}
	if err != nil {
		return installError(err)
	}
	fmt.Fprintf(c.App.Writer, "linked %s to %s\n", name, self)
	say("\"tshark -D\" lists the interface pfkey; if not, give the extcap path of \"tshark -G folders\" with --extcap-dir")
	return nil
}

// directory is the one that a flag names, else the user's.
func directory(c *cli.Context, flag string, personal func() (string, error)) (string, error) {
	if dir := c.String(flag); dir != "" {
		return dir, nil
	}
	dir, err := personal()
	if err != nil {
		return "", usagef("%w: --%s says where", err, flag)
	}
	return dir, nil
}

func installError(err error) error {
	if errors.Is(err, wireshark.ErrForeign) || errors.Is(err, os.ErrPermission) {
		return usagef("%w", err)
	}
	return damagef("%w", err)
}

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/wireshark"
)

func wiresharkCommand() *cli.Command {
	return &cli.Command{
		Name:      "wireshark",
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
		Usage: "put the dissector where your Wireshark finds it",
		Description: `Writes pfkey.lua into your Lua plugin directory: ~/.local/lib/wireshark/plugins, on
Windows Wireshark\plugins under %APPDATA% ("tshark -G folders" names it). One that this
command wrote before is replaced, a file of somebody else's is not.

Dialect and byte order are those that a capture of ours says; what a message's length
says comes before that. In the other captures the first messages decide, else it is
taken for Linux, and the tree says so. Preferences override: -o pfkey.dialect:openbsd,
-o pfkey.order:big. Octets of keys are not shown unless pfkey.show_keys is on, but they
are among the packet bytes: whether they are true ones is up to the capture.

  tshark -r FILE -Y 'pfkey.errno != 0' -T fields -e pfkey.msg.type_name -e pfkey.msg.errno_name
  tshark -r FILE -Y 'pfkey.spi == 0x1234 || pfkey.ipv4 == 10.0.0.0/24'
  tshark -r FILE -q -z expert`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "write it into `DIR` instead"},
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
	dir := c.String("dir")
	if dir == "" {
		var err error
		if dir, err = wireshark.PluginDir(); err != nil {
			return usagef("%w: --dir says where", err)
		}
	}
	name, err := wireshark.Install(dir, versionString())
	if err != nil {
		if errors.Is(err, wireshark.ErrForeign) || errors.Is(err, os.ErrPermission) {
			return usagef("%w", err)
		}
		return damagef("%w", err)
	}
	fmt.Fprintf(c.App.Writer, "wrote %s\n", name)
	fmt.Fprintf(c.App.ErrWriter, "pfkeycap: start Wireshark anew, or press Ctrl+Shift+L in it; \"tshark -r FILE\" shows PF_KEY from now on\n")
	return nil
}

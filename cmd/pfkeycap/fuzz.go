package main

import (
	"github.com/urfave/cli/v2"
)

func fuzzCommand() *cli.Command {
	return &cli.Command{
		Usage:     "make valid and broken messages, and test PF_KEY code with them",
		ArgsUsage: "SUBCOMMAND",
		Description: `Messages come from a seed: the same seed gives the same messages on every machine. Most
are broken on purpose, each in a way that its comment names.`,
		Subcommands: []*cli.Command{fuzzGenerateCommand(), fuzzKernelCommand(), fuzzExportCommand()},
	}
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/fixtures"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

func demoCommand() *cli.Command {
	return &cli.Command{
		Usage: "record, decode and replay a real exchange, on throwaway kernels",
		Description: `Boots a Linux kernel in a sandbox, lets a key manager and that kernel talk PF_KEY
while recording them, prints what was recorded, and replays it into a second fresh
kernel. The capture stays in the working directory. Where there is no sandbox kernel
it prints a capture made elsewhere.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "write", Aliases: []string{"w"}, Usage: "leave the capture in `FILE`", Value: "pfkeycap-demo.pcapng"},
			&cli.BoolFlag{Name: "exchange", Hidden: true},
		},
		Action: demo,
	}
}

func demo(c *cli.Context) error {
	if err := noOperands(c); err != nil {
		return err
	}
	if c.Bool("exchange") {
		return runExchange(c.App.ErrWriter)
	}
	start := time.Now()
	w := c.App.Writer
	step := func(n int, format string, args ...any) {
		fmt.Fprintf(w, "\n== %d/3 %s\n", n, fmt.Sprintf(format, args...))
	}
	if _, err := sandbox.Find(); errors.Is(err, sandbox.ErrNoKernel) {
		fmt.Fprintf(w, "There is no sandbox kernel, so nothing is recorded or replayed:\n%v\n\nHere is what an earlier demo recorded:\n\n", err)
		return demoDecode(c, fixtures.Demo())
	}
	file, err := filepath.Abs(c.String("write"))
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	step(1, "record: a Linux kernel boots, a key manager talks to it, pfkeycap listens")
	cmd := &sandbox.Cmd{
		Args:     []string{self, "record", "--overwrite", "--write", file, "--", self, "demo", "--exchange"},
		Stdout:   w,
		Stderr:   w,
		Timeout:  time.Minute,
		Writable: []string{filepath.Dir(file)},
	}
	status, err := cmd.Run(c.Context)
	if err != nil {
		return machinef("%w", err)
	}
	if status != 0 {
		return machinef("recording in the sandbox ended with status %d", status)
	}

	step(2, "decode: %s", c.String("write"))
	r, err := record.Open(file, record.ReaderOptions{})
	if err != nil {
		return inputError(file, err)
	}
	defer r.Close()
	if err := demoDecode(c, r); err != nil {
		return err
	}

	step(3, "replay: the same requests go to a second, fresh kernel")
	plan, err := planOf(c, file)
	if err != nil {
		return err
	}
	report, err := replayPlan(c, plan, "sandbox", replay.RunOptions{})
	if err != nil {
		return err
	}
	if err := report.WriteText(w, false); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nDone in %.1f s. The capture is %s; the keys lie beside it in %s.\n", time.Since(start).Seconds(), c.String("write"), filepath.Base(file)+record.KeysSuffix)
	fmt.Fprintf(w, "Look at it:  pfkeycap decode -v %[1]s | less\n             pfkeycap decode -T json %[1]s\n", c.String("write"))
	if report.Different > 0 {
		return found()
	}
	return nil
}

// demoDecode prints a recording as lines, and the first SA that was added layer
// by layer.
func demoDecode(c *cli.Context, src *record.Reader) error {
	in := traced(src, "demo", record.Yes)
	p, err := newPrinter(c, src.ID)
	if err != nil {
		return err
	}
	var add *record.Record
	for {
		r, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if r.TwinOf != 0 {
			continue
		}
		if add == nil && len(r.Data) > 1 && r.Data[1] == layers.ADD && r.Dir == record.ToKernel {
			add = r.Clone()
		}
		if err := p.print(r); err != nil {
			return err
		}
	}
	if add == nil {
		return nil
	}
	fmt.Fprintf(c.App.Writer, "\nRecord %d, layer by layer:\n", add.Number)
	p.opt.Verbose = 1
	p.setIDs(p.ids)
	return p.print(add)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pfkeycap/pfkeycap/record"
)

// postrotate does what is to be done with finished files, one after the other,
// beside the recording: compress, print the name, run a command.
type postrotate struct {
	plan   *filePlan
	series *record.Series
	names  io.Writer                        // nil: names are not printed
	out    io.Writer                        // what a command prints
	say    func(format string, args ...any) // a line for people

	jobs   chan *record.Writer
	done   chan struct{}
	ctx    context.Context // ends what is under way
	cancel context.CancelFunc
	left   atomic.Int64 // files that are not done with
	failed bool         // a file could not be compressed, or its name not be printed; read it after wait
}

// maxPostrotate is how many finished files may wait for their turn. A command that
// hangs must not make the recorder grow for ever.
const maxPostrotate = 1000

// start makes it ready for files.
func (p *postrotate) start() {
	p.jobs, p.done = make(chan *record.Writer, maxPostrotate), make(chan struct{})
	p.ctx, p.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(p.done)
		for w := range p.jobs {
			p.finish(w)
			p.left.Add(-1)
		}
	}()
}

// add takes a finished file. It does not wait.
func (p *postrotate) add(w *record.Writer) {
	p.left.Add(1)
	select {
	case p.jobs <- w:
	default:
		p.left.Add(-1)
		p.say("%d finished files wait for %s: %s is left as it is", maxPostrotate, p.what(), w.Name())
	}
}

// what is what takes time.
func (p *postrotate) what() string {
	if len(p.plan.command) > 0 {
		return p.plan.command[0]
	}
	return "compression"
}

func (p *postrotate) finish(w *record.Writer) {
	name := p.series.Name(w)
	gone := name == "" // the ring has removed it
	if gone {
		name = w.Name()
	}
	if p.plan.compress && !gone && p.ctx.Err() == nil {
		z, err := p.series.Compress(p.ctx, w)
		switch {
		case errors.Is(err, context.Canceled):
			p.say("%s is left as it is", name)
			return
		case err != nil:
			p.failed = true
			p.say("compressing %s, which is left as it is: %v", name, err)
		case z == "":
			gone = true
		default:
			name = z
		}
	}
	if p.names != nil {
		if _, err := fmt.Fprintln(p.names, name); err != nil {
			p.failed = true
			p.say("printing the name of %s: %v", name, err)
			p.names = nil
		}
	}
	if len(p.plan.command) > 0 && !gone && p.ctx.Err() == nil {
		if err := p.command(name); err != nil {
			p.say("%s %s: %v", strings.Join(p.plan.command, " "), name, err)
		}
	}
}

// command runs the user's command.
func (p *postrotate) command(name string) error {
	argv := append(append([]string(nil), p.plan.command[1:]...), name)
	cmd := exec.CommandContext(p.ctx, p.plan.command[0], argv...)
	cmd.Stdout, cmd.Stderr = p.out, p.out
	background(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	lowerPriority(cmd.Process.Pid)
	return cmd.Wait()
}

// wait lets what has been added be done. A second signal, or one that comes now,
// ends that.
func (p *postrotate) wait() {
	close(p.jobs)
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	for {
		select {
		case <-p.done:
			p.cancel()
			return
		case <-patience.C:
			p.say("waiting for %s, %d files to go (a second signal leaves them)", p.what(), p.left.Load())
		case <-again:
			p.cancel()
		}
	}
}

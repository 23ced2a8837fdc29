package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
)

// childRun is the command that is recorded.
type childRun struct {
	cmd  *exec.Cmd
	tell *os.File // its launcher, or nil
	done chan error
	err  error
}

// quiet is how long the recording goes on after the command, for what it made the
// kernel say.
const quiet = 100 * time.Millisecond

// startChild starts the command. ended is called some time after its end.
func (rec *recording) startChild(c *cli.Context, command []string, ended func()) (*childRun, error) {
	r := &childRun{done: make(chan error, 1)}
	if l := rec.launcher; l != nil {
		r.cmd, r.tell = l.cmd, l.tell
		if _, err := r.tell.Write([]byte{tellStart}); err != nil {
			return nil, &statusError{ownFailure, err}
		}
	} else {
		r.cmd = exec.Command(command[0], command[1:]...)
		r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = c.App.Reader, standardOutput(c), c.App.ErrWriter
		if err := r.cmd.Start(); err != nil {
			return nil, &statusError{startStatus(err), err}
		}
	}
	go func() {
		err := r.cmd.Wait()
		time.Sleep(quiet)
		r.done <- err
		ended()
	}()
	return r, nil
}

// startStatus is the exit status of a command that could not be started, as env(1)
// has it.
func startStatus(err error) int {
	if errors.Is(err, os.ErrPermission) {
		return 126
	}
	return 127
}

// stop ends the command if it still runs, as when the recording was interrupted.
func (r *childRun) stop() {
	select {
	case r.err = <-r.done:
		return
	default:
	}
	r.signal(os.Interrupt, tellInterrupt)
	select {
	case r.err = <-r.done:
	case <-time.After(5 * time.Second):
		r.signal(os.Kill, tellKill)
		r.err = <-r.done
	}
}

func (r *childRun) signal(sig os.Signal, word byte) {
	if r.tell != nil {
		_, _ = r.tell.Write([]byte{word})
		return
	}
	_ = r.cmd.Process.Signal(sig)
}

// result is the command's exit status as env(1) gives it on.
func (r *childRun) result() error {
	var ee *exec.ExitError
	if !errors.As(r.err, &ee) {
		return r.err
	}
	return &statusError{status: exitStatus(ee)}
}

func exitStatus(ee *exec.ExitError) int {
	if ws, ok := ee.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ee.ExitCode()
}

// launcher is a process that keeps the privileges which the recorder gives up, to
// start the command with them when it is told to, and to signal it. It is this
// program again, and ends with the command's status.
type launcher struct {
	cmd  *exec.Cmd
	tell *os.File
}

// What a launcher is told. If it hears nothing more, it lets the command run.
const (
	tellStart     = 's'
	tellInterrupt = 'i'
	tellKill      = 'k'
)

func newLauncher(c *cli.Context, command []string) (*launcher, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	l := &launcher{cmd: exec.Command(self, append([]string{"launch", "--"}, command...)...), tell: w}
	l.cmd.Args[0] = os.Args[0]
	l.cmd.Stdin, l.cmd.Stdout, l.cmd.Stderr = c.App.Reader, standardOutput(c), c.App.ErrWriter
	l.cmd.ExtraFiles = []*os.File{r} // its descriptor 3
	if err := l.cmd.Start(); err != nil {
		w.Close()
		return nil, err
	}
	return l, nil
}

// close lets a launcher go that has not been told to start anything.
func (l *launcher) close() {
	if l == nil {
		return
	}
	l.tell.Close()
	_ = l.cmd.Wait()
}

// launchCommand is the launcher's side.
func launchCommand() *cli.Command {
	return &cli.Command{
		Hidden:    true,
		ArgsUsage: "-- COMMAND…",
		Action: func(c *cli.Context) error {
			_, command := split(c.Args().Slice())
			if len(command) == 0 {
				return usagef("no command")
			}
			// What the terminal sends is for the command and for the recorder. A
			// handler, unlike ignoring, is not passed on to the command.
			signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			return launch(c, os.NewFile(3, "recorder"), command)
		},
	}
}

func launch(c *cli.Context, told io.Reader, command []string) error {
	word := make([]byte, 1)
	if _, err := io.ReadFull(told, word); err != nil || word[0] != tellStart {
		return nil // the recording has not begun
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.App.Reader, standardOutput(c), c.App.ErrWriter
	if err := cmd.Start(); err != nil {
		return &statusError{startStatus(err), err}
	}
	go func() {
		for {
			if _, err := io.ReadFull(told, word); err != nil {
				return
			}
			switch word[0] {
			case tellInterrupt:
				_ = cmd.Process.Signal(os.Interrupt)
			case tellKill:
				_ = cmd.Process.Kill()
			}
		}
	}()
	err := cmd.Wait()
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		return &statusError{status: exitStatus(ee)}
	}
	return err
}

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

// runInNetNS runs this program, whose arguments are args, in a network namespace.
// Unless that takes another process it does not return but for an error.
func runInNetNS(c *cli.Context, name string, args []string) error {
	ns, err := openNetNS(name)
	if name == "new" && errors.Is(err, keysock.ErrPermission) {
		return runInUserNS(c, args)
	}
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := c.Context.Err(); err != nil {
		return &statusError{ownFailure, err}
	}
	return ns.Do(func() error {
		// The process becomes the one that is in the namespace, so no other one is
		// left behind, whatever ends it.
		return machinef("%s: %w", args[0], syscall.Exec(args[0], args, os.Environ()))
	})
}

// openNetNS opens the namespace of --target netns:NAME.
func openNetNS(name string) (*keysock.NetNS, error) {
	if name == "new" {
		return keysock.NewNetNS()
	}
	ns, err := keysock.OpenNetNS(name)
	if errors.Is(err, keysock.ErrPermission) {
		return nil, machinef("--target netns:%s: %w", name, err)
	}
	if err != nil {
		return nil, usagef("--target netns:%s: %w", name, err)
	}
	return ns, nil
}

// runInUserNS runs this program in a network namespace of a new user namespace, in
// which it is root: that needs no privilege. Only a new process can get into one; it
// ends with this one.
func runInUserNS(c *cli.Context, args []string) error {
	runtime.LockOSThread() // a thread that ends counts as the end of the parent
	defer runtime.UnlockOSThread()
	cmd := &exec.Cmd{
		Path: args[0], Args: args,
		Stdin: c.App.Reader, Stdout: standardOutput(c), Stderr: c.App.ErrWriter,
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
			Pdeathsig:   syscall.SIGTERM,
		},
	}
	// What we are told, the child is told: from a terminal it hears it anyway.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, append(append(stopSignals(), countSignals...), syncSignals...)...)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return machinef("making a user and a network namespace: %w; being root needs no user namespace%s", err, sandboxAdvice())
	}
	ended := make(chan struct{})
	told := make(chan struct{})
	go func() {
		defer close(told)
		if c.Context.Err() != nil { // before we listened
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s)
			case <-ended:
				return
			}
		}
	}()
	err := cmd.Wait()
	close(ended)
	<-told
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return &statusError{ownFailure, fmt.Errorf("in the namespace: %w", err)}
	}
	if ws := exit.Sys().(syscall.WaitStatus); ws.Signaled() {
		return &statusError{status: 128 + int(ws.Signal())}
	}
	return &statusError{status: exit.ExitCode()}
}

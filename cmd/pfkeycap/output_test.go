package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/pfkeycap/pfkeycap/record"
)

// fullDisk is a standard output that takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "stdout", Err: syscall.ENOSPC}
}

// A failed write of the output is an I/O error, whichever command it happens to.
func TestOutputThatFails(t *testing.T) {
	const capture = "../../fixtures/linux/uml-x86_64/acquire-v4/A.pcapng"
	for _, args := range []string{
		"decode " + capture, "decode -T json " + capture, "explain " + capture + " 1", "explain -T json " + capture + " 1",
		"dialects", "dialects -T json", "send -n " + capture + " --raw -c 1 --show-keys", "get -n 10.0.0.1 10.0.0.2 esp 0x100",
		"help", "dump --help",
	} {
		t.Run(args, func(t *testing.T) {
			var stderr bytes.Buffer
			status := run(context.Background(), append([]string{"pfkeycap"}, strings.Fields(args)...), strings.NewReader(""), fullDisk{}, &stderr)
			if status != exitDamage || !strings.Contains(stderr.String(), "no space left on device") || strings.Contains(stderr.String(), "Try ") {
				t.Errorf("status %d, want %d; %s", status, exitDamage, &stderr)
			}
		})
	}
}

// Several conversations are numbered as one; what one of them heard and nobody was
// shown leaves no trace in the numbers of requests.
func TestCommonOutput(t *testing.T) {
	type shown struct{ number, reply uint64 }
	var got []shown
	o := &commonOutput{show: func(r *record.Record) error {
		got = append(got, shown{r.Number, r.ReplyTo})
		return nil
	}}
	for _, r := range []record.Record{
		{Number: 1, Dir: record.ToKernel}, {Number: 2, Dir: record.FromKernel, ReplyTo: 1},
		{Number: 1, Dir: record.ToKernel}, {Number: 5, Dir: record.FromKernel, ReplyTo: 1}, // three others heard
		{Number: 6, Dir: record.FromKernel},
		{Number: 6, Dir: record.ToKernel}, {Number: 7, Dir: record.FromKernel, ReplyTo: 6},
	} {
		if err := o.print(&r, ""); err != nil {
			t.Fatal(err)
		}
	}
	want := []shown{{1, 0}, {2, 1}, {3, 0}, {4, 3}, {5, 0}, {6, 0}, {7, 6}}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

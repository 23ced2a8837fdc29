package keysock_test

import (
	"errors"
	"io"
	"io/fs"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

const procTable = "sk               RefCnt Rmem   Wmem   User   Inode\n" +
	"00000000d1c3ae42 3      768    0      0      1532  \n" +
	"0000000000000000 2      0      16     4294967294 18446744073709551615\n"

func TestParseProcSockets(t *testing.T) {
	got, err := keysock.ParseProcSockets(strings.NewReader(procTable))
	if err != nil {
		t.Fatal(err)
	}
	want := []keysock.ProcSocket{
		{Sock: "00000000d1c3ae42", RefCnt: 3, Rmem: 768, Inode: 1532},
		{Sock: "0000000000000000", RefCnt: 2, Wmem: 16, UID: 4294967294, Inode: 18446744073709551615},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseProcSocketsBad(t *testing.T) {
	const head = "sk RefCnt Rmem Wmem User Inode\n"
	for _, tt := range []struct {
		name, text string
		sockets    int
		word       string
	}{
		{"empty", "", 0, ""},
		{"heading only", head, 0, ""},
		{"blank line", head + "\n0 1 2 3 4 5\n", 1, ""},
		{"column of a later kernel", head + "0 1 2 3 4 5 new\n", 1, ""},
		{"no heading", "0 1 2 3 4 5\n", 0, "line 1"},
		{"heading of another table", "sk Eth Pid Groups Rmem Wmem\n", 0, "line 1"},
		{"too few columns", head + "0 1 2 3 4 5\n0 1 2\n", 1, "line 3: 3 columns"},
		{"bad RefCnt", head + "0 x 2 3 4 5\n", 0, "line 2: column RefCnt"},
		{"negative Rmem", head + "0 1 -2 3 4 5\n", 0, "column Rmem"},
		{"bad Wmem", head + "0 1 2 3.0 4 5\n", 0, "column Wmem"},
		{"uid too large", head + "0 1 2 3 4294967296 5\n", 0, "column User"},
		{"bad Inode", head + "0 1 2 3 4 0x5\n", 0, "column Inode"},
		{"endless line", head + strings.Repeat("0", 1<<20), 0, "too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := keysock.ParseProcSockets(strings.NewReader(tt.text))
			if len(got) != tt.sockets {
				t.Errorf("%d sockets, want %d", len(got), tt.sockets)
			}
			if tt.word == "" && err != nil || tt.word != "" && (err == nil || !strings.Contains(err.Error(), tt.word)) {
				t.Errorf("error %v, want one with %q", err, tt.word)
			}
		})
	}
}

func TestParseProcSocketsReadError(t *testing.T) {
	broken := errors.New("broken")
	r := io.MultiReader(strings.NewReader(procTable), iotest.ErrReader(broken))
	got, err := keysock.ParseProcSockets(r)
	if len(got) != 2 || !errors.Is(err, broken) {
		t.Errorf("%d sockets and %v, want 2 and the reader's error", len(got), err)
	}
}

func TestProcSocketsAgreesWithProbe(t *testing.T) {
	_, err := keysock.ProcSockets()
	switch {
	case runtime.GOOS != "linux":
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v, want errors.ErrUnsupported", err)
		}
	case keysock.Probe().Present == keysock.Yes:
		if err != nil {
			t.Error(err)
		}
	default:
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want fs.ErrNotExist", err)
		}
	}
}

func FuzzParseProcSockets(f *testing.F) {
	f.Add(procTable)
	f.Add("sk RefCnt Rmem Wmem User Inode\n0 1 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		sockets, err := keysock.ParseProcSockets(strings.NewReader(text))
		if err == nil && len(sockets) > strings.Count(text, "\n")+1 {
			t.Errorf("%d sockets out of %q", len(sockets), text)
		}
	})
}

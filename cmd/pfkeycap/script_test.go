package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

// The test binary is the program too, for the scripts, and the first process of
// the sandbox kernel.
func TestMain(m *testing.M) {
	sandbox.InitIfGuest()
	testscript.Main(m, programs)
}

// programs are what the test binary is under other names.
var programs = map[string]func(){
	"pfkeycap": main,
	"traffic":  traffic,
}

// traffic N [PAUSE] asks the kernel N times for its SAs, of which it has none: a
// promiscuous listener hears two messages each time.
func traffic() {
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "traffic:", err)
			os.Exit(1)
		}
	}
	n, err := strconv.Atoi(os.Args[1])
	check(err)
	var pause time.Duration
	if len(os.Args) > 2 {
		pause, err = time.ParseDuration(os.Args[2])
		check(err)
	}
	conn, err := keysock.Open(keysock.Options{})
	check(err)
	answer := make([]byte, keysock.MaxMessage)
	for i := range n {
		msg, err := hostCodec().Encode(&layers.Base{Type: layers.DUMP, Seq: uint32(i), PID: uint32(os.Getpid())})
		check(err)
		_, err = conn.Write(msg)
		check(err)
		_, err = conn.Read(answer)
		check(err)
		time.Sleep(pause)
	}
}

// TestScript runs the command line as a user would: testdata/script/*.txt.
func TestScript(t *testing.T) {
	if os.Getenv("PFKEYCAP_REQUIRE_KERNEL") == "1" {
		if _, err := sandbox.Find(); err != nil {
			t.Fatal(err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			fixtures, err := filepath.Abs("../../fixtures")
			if err != nil {
				return err
			}
			e.Setenv("FIXTURES", fixtures)
			e.Setenv("TZ", "UTC")
			e.Setenv(sandbox.KernelVariable, os.Getenv(sandbox.KernelVariable))
			return writeKeys(filepath.Join(fixtures, "demo/demo.pcapng"), filepath.Join(e.WorkDir, "keys.txt"))
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "sandbox":
				_, err := sandbox.Find()
				return err == nil, nil
			case "network": // tools to build a network with and to try it
				for _, tool := range []string{"ip", "ping"} {
					if _, err := exec.LookPath(tool); err != nil {
						if os.Getenv("PFKEYCAP_REQUIRE_KERNEL") == "1" {
							return false, err
						}
						return false, nil
					}
				}
				return true, nil
			case "pfkey":
				return keysock.Probe().Present != keysock.No, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":     cmdStatus,
			"exec-lines": cmdLines,
			"cut":        cmdCut,
			"mode":       cmdMode,
			"bare":       cmdBare,
			"grep-none":  func(ts *testscript.TestScript, neg bool, args []string) { cmdWindows(ts, args, false) },
			"grep-some":  func(ts *testscript.TestScript, neg bool, args []string) { cmdWindows(ts, args, true) },
		},
	})
}

// writeKeys writes the secrets of a capture, in hex, a line each.
func writeKeys(capture, to string) error {
	r, err := record.Open(capture, record.ReaderOptions{})
	if err != nil {
		return err
	}
	defer r.Close()
	var out bytes.Buffer
	for {
		rec, err := r.Next()
		if err != nil {
			break
		}
		if rec.True == nil {
			continue
		}
		for _, s := range rec.Codec.AppendSecrets(nil, rec.True) {
			fmt.Fprintf(&out, "%x\n", rec.True[s.Offset:s.Offset+s.Len])
		}
	}
	if out.Len() == 0 {
		return errors.New("the fixture has no secrets, or its side file is missing")
	}
	return os.WriteFile(to, out.Bytes(), 0o600)
}

// status N prog args… runs a program and wants exit status N.
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		got = ee.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// exec-lines N prog args… wants at most N lines on stdout.
func cmdLines(ts *testscript.TestScript, neg bool, args []string) {
	most, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(ts.Exec(args[1], args[2:]...))
	if n := strings.Count(ts.ReadFile("stdout"), "\n"); n > most {
		ts.Fatalf("%d lines, want at most %d", n, most)
	}
}

// cut IN N OUT writes the first N bytes of IN.
func cmdCut(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b[:n], 0o600))
}

// bare IN OUT writes a capture as a classic pcap file, which says neither dialect
// nor byte order nor direction.
func cmdBare(ts *testscript.TestScript, neg bool, args []string) {
	r, err := record.Open(ts.MkAbs(args[0]), record.ReaderOptions{NoKeys: true})
	ts.Check(err)
	defer r.Close()
	var w *record.Writer
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		ts.Check(err)
		if w == nil {
			w, err = record.Create(ts.MkAbs(args[1]), record.WriterOptions{Overwrite: true, Format: record.PcapNano, Meta: record.Meta{Order: rec.Codec.Order, SaltID: r.Meta().SaltID}})
			ts.Check(err)
		}
		ts.Check(w.Append(rec))
	}
	ts.Check(w.Close())
}

// mode MODE FILE… wants permissions.
func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	for _, f := range args[1:] {
		st, err := os.Stat(ts.MkAbs(f))
		ts.Check(err)
		if st.Mode().Perm() != os.FileMode(want) {
			ts.Fatalf("%s has mode %04o, want %04o", f, st.Mode().Perm(), want)
		}
	}
}

// grep-none KEYS FILE wants no 4-byte window of any key in FILE, as bytes or in
// hex; grep-some wants one.
func cmdWindows(ts *testscript.TestScript, args []string, want bool) {
	text := []byte(ts.ReadFile(args[1]))
	lower := bytes.ToLower(text)
	packed := bytes.ReplaceAll(lower, []byte(" "), nil)
	for _, line := range strings.Fields(ts.ReadFile(args[0])) {
		key, err := hex.DecodeString(line)
		ts.Check(err)
		for i := 0; i+4 <= len(key); i++ {
			w := key[i : i+4]
			h := []byte(hex.EncodeToString(w))
			if bytes.Contains(text, w) || bytes.Contains(lower, h) || bytes.Contains(packed, h) {
				if want {
					return
				}
				ts.Fatalf("a part of a key is in %s", args[1])
			}
		}
	}
	if want {
		ts.Fatalf("no key is in %s", args[1])
	}
}

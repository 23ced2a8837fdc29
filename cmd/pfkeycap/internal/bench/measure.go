package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func (b *bench) file(name string) string { return filepath.Join(b.dir, name) }

// prepare writes the captures that whole processes read, once.
func (b *bench) prepare() error {
	if _, err := os.Stat(b.binary()); err != nil {
		return fmt.Errorf("%w: run make bench", err)
	}
	for _, c := range []struct {
		name  string
		write func(io.Writer, int) error
		n     int
	}{
		{"one.pcapng", writeCapture, 1},
		{"one.pcap", writeISAKMP, 1},
		{"many.pcap", writeISAKMP, messages},
		{"many.pcapng", writeCapture, messages},
	} {
		if _, err := os.Stat(b.file(c.name)); err == nil {
			continue
		}
		f, err := os.Create(b.file(c.name))
		if err != nil {
			return err
		}
		w := bufio.NewWriterSize(f, 1<<20)
		if err := errors.Join(c.write(w, c.n), w.Flush(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// binary is the program as make builds it.
func (b *bench) binary() string {
	path, err := filepath.Abs("pfkeycap")
	if err != nil {
		return "./pfkeycap"
	}
	return path
}

func (b *bench) pfkeycap(args ...string) []string {
	return append(append([]string{b.binary()}, args...), b.file("many.pcapng"))
}

func (b *bench) tcpdump(args ...string) []string {
	return append(append([]string{"tcpdump"}, args...), "-r", b.file("many.pcap"))
}

// once runs a command, whose output is thrown away, and returns the time that it took.
func (b *bench) once(argv []string) (time.Duration, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	start := time.Now()
	err := failed(cmd, cmd.Run)
	return time.Since(start), err
}

// onOneProcessor is a command of Go's that may use one only.
func onOneProcessor(argv []string) []string {
	return append([]string{"env", "GOMAXPROCS=1"}, argv...)
}

// failed runs what a command does, and adds what it says to an error.
func failed(cmd *exec.Cmd, do func() error) error {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return nil
}

// turns runs commands in turn and returns the least time that each took.
func (b *bench) turns(commands ...[]string) ([]time.Duration, error) {
	least := make([]time.Duration, len(commands))
	for round := range b.rounds {
		for i, argv := range commands {
			t, err := b.once(argv)
			if err != nil {
				return nil, err
			}
			if round == 0 || t < least[i] {
				least[i] = t
			}
		}
	}
	return least, nil
}

// processes compares pfkeycap with tcpdump -n, on as many packets.
func (b *bench) processes(args ...string) (res result, us time.Duration, err error) {
	if err := b.prepare(); err != nil {
		return res, us, err
	}
	used, err := b.turns(b.pfkeycap(args...), b.tcpdump("-n"), onOneProcessor(b.pfkeycap(args...)))
	if err != nil {
		return res, us, err
	}
	us, they, alone := used[0], used[1], used[2]
	return result{ours: perSecond(us), theirs: perSecond(they), ratio: they.Seconds() / us.Seconds(),
		note: fmt.Sprintf("on one processor %s: %.2f×", perSecond(alone), they.Seconds()/alone.Seconds())}, us, nil
}

// fed runs a command with n packets on its standard input and returns the most memory
// that it had, in KiB.
func (b *bench) fed(write func(io.Writer, int) error, n int, argv []string) (peak int, err error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	err = failed(cmd, func() error {
		in, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		buf := bufio.NewWriterSize(in, 64<<10)
		err = errors.Join(write(buf, n), buf.Flush())
		// What wait(2) says of it later is not less than what this process had.
		peak = highWater(cmd.Process.Pid)
		return errors.Join(err, in.Close(), cmd.Wait())
	})
	if err == nil && peak == 0 {
		err = errors.New("no /proc that says how much memory a process had")
	}
	return peak, err
}

// highWater is the most memory that a running process had, in KiB; 0 if it is not
// known.
func highWater(pid int) (kib int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib
		}
	}
	return 0
}

// test compiles the test binary of a package, once.
func (b *bench) test(pkg string) (string, error) {
	if t, ok := b.tests[pkg]; ok {
		return t, nil
	}
	t := b.file(strings.NewReplacer("/", "_", ".", "").Replace(pkg) + ".test")
	cmd := exec.Command("go", "test", "-c", "-o", t, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go test -c %s: %w\n%s", pkg, err, out)
	}
	b.tests[pkg] = t
	return t, nil
}

// results are the metrics of benchmarks by the benchmark's name, the least of each.
type results map[string]map[string]float64

// benchmarks runs the benchmarks of a package several times.
func (b *bench) benchmarks(pkg, pattern string) (results, error) {
	return b.benchmarksFor("100ms", pkg, pattern)
}

// benchmarksFor runs each for so long or, "100x", so often.
func (b *bench) benchmarksFor(enough, pkg, pattern string) (results, error) {
	test, err := b.test(pkg)
	if err != nil {
		return nil, err
	}
	all := results{}
	for range b.rounds {
		for _, p := range strings.Split(pattern, "|") {
			list, err := b.output([]string{test, "-test.run", "^$", "-test.bench", anchored(p), "-test.benchtime", enough, "-test.benchmem"}, pkg)
			if err != nil {
				return nil, err
			}
			all.join(list)
		}
	}
	return all, nil
}

// anchored makes a pattern that matches whole names.
func anchored(p string) string {
	parts := strings.Split(p, "/")
	for i, s := range parts {
		parts[i] = "^" + s + "$"
	}
	return strings.Join(parts, "/")
}

var benchmarkLine = regexp.MustCompile(`^(Benchmark\S*?)(?:-\d+)?\s+\d+\s+(.*)$`)

// output runs a test binary in a directory and reads what its benchmarks print.
func (b *bench) output(argv []string, dir string) (results, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s%s", strings.Join(argv, " "), err, out, stderr.Bytes())
	}
	list := parse(string(out))
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: no benchmark has run: %s", strings.Join(argv, " "), out)
	}
	return list, nil
}

// parse reads what benchmarks print.
func parse(text string) results {
	list := results{}
	for line := range strings.Lines(text) {
		m := benchmarkLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		metrics := map[string]float64{}
		fields := strings.Fields(m[2])
		for i := 0; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				metrics[fields[i+1]] = v
			}
		}
		list.join(results{m[1]: metrics})
	}
	return list
}

// join keeps the lesser of what both have.
func (r results) join(other results) {
	for name, metrics := range other {
		if r[name] == nil {
			r[name] = map[string]float64{}
		}
		for unit, v := range metrics {
			if old, ok := r[name][unit]; !ok || v < old {
				r[name][unit] = v
			}
		}
	}
}

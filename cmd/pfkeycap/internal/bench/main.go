// Command bench measures pfkeycap against programs and packages that people know, in
// one run, and prints the ratios as a table. "make bench" runs it, in the root of the
// repository.
//
// What is compared takes turns, several times, and the least time of each counts:
// whatever else a machine does only adds to it. Whole processes are measured by the
// time that passes, which is what who waits for them sees, and in-process work by the
// benchmarks beside the code, which are run here one by one.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// row is a line of the table.
type row struct {
	work, against string
	reach         string  // in words
	want          float64 // the ratio to reach
	atLeast       bool    // the ratio is to be at least, not at most, want
	measure       func(*bench) (result, error)
	missed        string // why it was not reached where it was not, and what was tried
}

// result is what was measured for a row.
type result struct {
	ours, theirs string
	ratio        float64
	note         string
}

// bench is the run: where its files are, and how often things are repeated.
type bench struct {
	dir    string
	rounds int
	tests  map[string]string // test binaries by package
}

func main() {
	rounds := flag.Int("rounds", 5, "repeat everything `N` times")
	only := flag.String("only", "", "only rows whose first column contains `TEXT`")
	flag.Parse()
	if err := run(*rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(rounds int, only string) error {
	dir, err := os.MkdirTemp("", "pfkeycap-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, rounds: rounds, tests: map[string]string{}}
	begin := time.Now()
	cells := [][]string{{"work", "measured against", "reach", "ours", "theirs", "ratio", ""}}
	var notes []string
	for _, r := range rows {
		if !strings.Contains(r.work, only) {
			continue
		}
		at := time.Now()
		fmt.Fprintf(os.Stderr, "bench: %s …", r.work)
		res, err := r.measure(b)
		fmt.Fprintf(os.Stderr, " %.0f s\n", time.Since(at).Seconds())
		if err != nil {
			cells = append(cells, []string{r.work, r.against, r.reach, "", "", "", "not measured"})
			notes = append(notes, fmt.Sprintf("%s: %v", r.work, err))
			continue
		}
		verdict, note := "reached", res.note
		if r.atLeast && res.ratio < r.want || !r.atLeast && res.ratio > r.want {
			verdict = "not reached"
			note = strings.TrimPrefix(note+"; "+r.missed, "; ")
		}
		cells = append(cells, []string{r.work, r.against, r.reach, res.ours, res.theirs, fmt.Sprintf("%.2f×", res.ratio), verdict})
		if note != "" {
			notes = append(notes, r.work+": "+note)
		}
	}
	fmt.Printf("%s, %s, %s; %s\n\n", time.Now().UTC().Format("2006-01-02"), machine(), tcpdumpVersion(), runtime.Version())
	printTable(cells)
	fmt.Println()
	for _, n := range notes {
		fmt.Println("-", n)
	}
	fmt.Printf("\nThe least of %d rounds, in %.0f s.\n", rounds, time.Since(begin).Seconds())
	return nil
}

// printTable prints Markdown that is a table in a terminal, too.
func printTable(cells [][]string) {
	width := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, c := range line {
			width[i] = max(width[i], utf8.RuneCountInString(c), 3)
		}
	}
	for n, line := range cells {
		for i, c := range line {
			fmt.Printf("| %s%s ", c, strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)))
		}
		fmt.Println("|")
		if n == 0 {
			for _, w := range width {
				fmt.Printf("|%s", strings.Repeat("-", w+2))
			}
			fmt.Println("|")
		}
	}
}

// machine describes the computer, and how busy it is.
func machine() string {
	s := fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				s = strings.TrimSpace(value) + ", " + s
				break
			}
		}
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		if f := strings.Fields(string(load)); len(f) > 1 {
			s += ", load " + f[1]
		}
	}
	return s
}

func tcpdumpVersion() string {
	out, err := exec.Command("tcpdump", "--version").CombinedOutput()
	if line, _, _ := strings.Cut(string(out), "\n"); err == nil {
		return strings.Replace(line, " version ", " ", 1)
	}
	return "no tcpdump"
}

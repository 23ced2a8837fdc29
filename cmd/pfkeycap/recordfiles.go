package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record"
)

// fileFlags are the options of record about dividing a recording into files and
// about its end: tcpdump's letters, and dumpcap's conditions.
func fileFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "file-size", Aliases: []string{"C"}, Usage: "a new file when one has `SIZE` million bytes (with k, m, g: KiB, MiB, GiB): FILE, FILE1, FILE2 …"},
		&cli.Uint64Flag{Name: "rotate-seconds", Aliases: []string{"G"}, Usage: "a new file every `S` seconds; FILE has a time in it as in strftime(3), such as x-%Y%m%d-%H%M%S.pcapng", DefaultText: "never"},
		&cli.Uint64Flag{Name: "file-count", Aliases: []string{"W"}, Usage: "with -C: only `N` files, the oldest is replaced; with -G: end after N files; with both: N files in each period", DefaultText: "no limit"},
		&cli.StringSliceFlag{Name: "ring-buffer", Aliases: []string{"b"}, Usage: "a new file, named as dumpcap does, at `COND`: duration:SECONDS, filesize:KB, packets:N, interval:SECONDS (of the clock); files:N keeps only the last N; printname:stdout|stderr; repeat it"},
		&cli.StringSliceFlag{Name: "autostop", Aliases: []string{"a"}, Usage: "end at `COND`: duration:SECONDS, filesize:KB, packets:N, files:N; repeat it"},
		&optional{StringFlag: &cli.StringFlag{Name: "print-names", Usage: "print the name of each file when it is finished (=`WHERE`: stdout, stderr)"}, without: "stdout"},
		&cli.StringFlag{Name: "compress", Usage: "compress finished files with `HOW`: zstd (to FILE.zst, which decode and tshark read)"},
		&cli.StringFlag{Name: "postrotate-command", Aliases: []string{"z"}, Usage: "run `CMD` with each finished file's name as its last argument, one at a time, beside the recording; words are separated by spaces, there is no shell"},
	}
}

// filePlan is what the options of fileFlags say.
type filePlan struct {
	naming   record.Naming
	ring     int
	rotation record.Rotation

	maxRecords  uint64
	maxSize     int64
	maxDuration time.Duration

	names    string // where names of finished files go: stdout, stderr or ""
	compress bool
	command  []string
}

// divided reports whether there can be more than one file.
func (p *filePlan) divided() bool { return p.naming != record.Single }

func parseFilePlan(c *cli.Context) (*filePlan, error) {
	p := &filePlan{names: c.String("print-names")}
	if err := p.tcpdump(c); err != nil {
		return nil, err
	}
	for _, s := range c.StringSlice("ring-buffer") {
		if p.naming != record.Single && p.naming != record.Stamped {
			return nil, usagef("-b does not go with -C, -G and -W, which say the same in another way: use the one or the others")
		}
		p.naming = record.Stamped
		if err := p.ringBuffer(s); err != nil {
			return nil, usagef("-b %s: %w", s, err)
		}
	}
	if r := &p.rotation; p.naming == record.Stamped && r.MaxSize == 0 && r.MaxRecords == 0 && r.MaxAge == 0 && r.Interval == 0 {
		if p.ring > 0 {
			return nil, usagef("-b files wants another condition, for a new file: -b filesize, duration, interval or packets")
		}
		p.naming = record.Single // there was only a printname
	}
	for _, s := range c.StringSlice("autostop") {
		if err := p.autostop(s); err != nil {
			return nil, usagef("-a %s: %w", s, err)
		}
	}
	if p.divided() && p.maxSize > 0 { // as dumpcap has it
		p.rotation.MaxSize, p.maxSize = p.maxSize, 0
	}
	if n := c.Uint64("count"); n > 0 && (p.maxRecords == 0 || n < p.maxRecords) {
		p.maxRecords = n
	}
	switch p.names {
	case "", "stdout", "stderr":
	case "-":
		p.names = "stdout"
	default:
		return nil, usagef("--print-names=%s: want stdout or stderr", p.names)
	}
	switch how := c.String("compress"); how {
	case "":
	case "zstd":
		p.compress = true
	default:
		return nil, usagef("--compress %s: only zstd is known", how)
	}
	if p.command = strings.Fields(c.String("postrotate-command")); c.IsSet("postrotate-command") && len(p.command) == 0 {
		return nil, usagef("-z wants a command")
	}
	return p, p.fits(c)
}

// fits checks the plan against the other options.
func (p *filePlan) fits(c *cli.Context) error {
	name := c.String("write")
	files := p.divided() || p.names != "" || p.compress || len(p.command) > 0
	switch {
	case files && name == "":
		return usagef("options about files want one: -w FILE")
	case files && name == "-":
		return usagef("standard output cannot be divided, compressed or named: -w FILE")
	case p.maxSize > 0 && name == "":
		return usagef("-a filesize wants a file: -w FILE")
	case p.rotation.MaxFiles > 0 && !p.divided():
		return usagef("-a files wants to be told when a file is full: -b, -C or -G")
	case p.divided() && c.String("keys-file") != "":
		return usagef("--keys-file names one file, and there are to be several captures: each has its keys beside it")
	case p.names == "stdout" && c.Bool("print"):
		return usagef("-P and --print-names both write to standard output: --print-names=stderr")
	}
	return nil
}

// tcpdump reads -C, -G and -W.
func (p *filePlan) tcpdump(c *cli.Context) error {
	if s := c.String("file-size"); s != "" {
		size, err := parseSize(s)
		if err != nil {
			return usagef("-C %s: %w", s, err)
		}
		p.naming, p.rotation.MaxSize = record.Numbered, size
	}
	if c.IsSet("rotate-seconds") {
		n := c.Uint64("rotate-seconds")
		if n == 0 || n > 1<<32 {
			return usagef("-G %d: want a number of seconds", n)
		}
		p.naming, p.rotation.Period = record.Timed, time.Duration(n)*time.Second
	}
	if c.IsSet("file-count") {
		n := c.Uint64("file-count")
		switch {
		case n == 0 || n > 1<<31-1:
			return usagef("-W %d: want a number of files", n)
		case p.rotation.MaxSize > 0:
			p.ring = int(n)
		case p.rotation.Period > 0:
			p.rotation.MaxFiles = int(n)
		default:
			return usagef("-W goes with -C or -G")
		}
	}
	return nil
}

// parseSize reads a number of millions, or of KiB, MiB or GiB.
func parseSize(s string) (int64, error) {
	digits, unit := s, int64(1_000_000)
	switch s[len(s)-1] {
	case 'k', 'K':
		unit = 1 << 10
	case 'm', 'M':
		unit = 1 << 20
	case 'g', 'G':
		unit = 1 << 30
	}
	if unit != 1_000_000 {
		digits = s[:len(s)-1]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > (1<<62)/unit {
		return 0, fmt.Errorf("want a number of million bytes, or with k, m or g of KiB, MiB or GiB")
	}
	return n * unit, nil
}

// ringBuffer reads a condition of -b.
func (p *filePlan) ringBuffer(s string) (err error) {
	key, value, _ := strings.Cut(s, ":")
	switch key {
	case "duration":
		p.rotation.MaxAge, err = parseSeconds(value)
	case "interval":
		p.rotation.Interval, err = parseSeconds(value)
	case "filesize":
		p.rotation.MaxSize, err = parseCount(value, 1000)
	case "packets":
		var n int64
		n, err = parseCount(value, 1)
		p.rotation.MaxRecords = uint64(n)
	case "files":
		var n int64
		if n, err = parseCount(value, 1); err == nil && n >= 100000 {
			err = fmt.Errorf("want fewer than 100000 files")
		}
		p.ring = int(n)
	case "printname":
		p.names = value
	default:
		err = fmt.Errorf("unknown condition: want duration:SECONDS, filesize:KB, packets:N, interval:SECONDS, files:N or printname:WHERE")
	}
	return err
}

// autostop reads a condition of -a.
func (p *filePlan) autostop(s string) (err error) {
	key, value, _ := strings.Cut(s, ":")
	switch key {
	case "duration":
		p.maxDuration, err = parseSeconds(value)
	case "filesize":
		p.maxSize, err = parseCount(value, 1000)
	case "packets":
		var n int64
		n, err = parseCount(value, 1)
		p.maxRecords = uint64(n)
	case "files":
		var n int64
		n, err = parseCount(value, 1)
		p.rotation.MaxFiles = int(n)
	default:
		err = fmt.Errorf("unknown condition: want duration:SECONDS, filesize:KB, packets:N or files:N")
	}
	return err
}

// parseSeconds reads a positive number of seconds, which may have a fraction.
func parseSeconds(s string) (time.Duration, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0.001 && f < 1e9) {
		return 0, fmt.Errorf("want a number of seconds, at least 0.001")
	}
	return time.Duration(f * float64(time.Second)), nil
}

// parseCount reads a positive number in some unit.
func parseCount(s string, unit int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > (1<<40)/unit {
		return 0, fmt.Errorf("want a positive number")
	}
	return n * unit, nil
}

// String says when there is a new file and what becomes of the old ones.
func (p *filePlan) String() string {
	if !p.divided() {
		return ""
	}
	var when []string
	r := &p.rotation
	if r.MaxSize > 0 {
		when = append(when, fmt.Sprintf("at %d bytes", r.MaxSize))
	}
	if r.MaxRecords > 0 {
		when = append(when, "at "+plural(int(r.MaxRecords), "message"))
	}
	if r.MaxAge > 0 {
		when = append(when, fmt.Sprintf("after %g s", r.MaxAge.Seconds()))
	}
	if r.Period > 0 {
		when = append(when, fmt.Sprintf("every %g s", r.Period.Seconds()))
	}
	if r.Interval > 0 {
		when = append(when, fmt.Sprintf("every %g s of the clock", r.Interval.Seconds()))
	}
	s := "a new file " + strings.Join(when, " or ")
	switch {
	case p.ring > 0 && p.naming == record.Timed:
		s += fmt.Sprintf(", the last %d of a period are kept", p.ring)
	case p.ring > 0:
		s += fmt.Sprintf(", the last %d are kept", p.ring)
	}
	if r.MaxFiles > 0 {
		s += fmt.Sprintf(", %d in all", r.MaxFiles)
	}
	return s
}

// openFiles begins the first capture and settles what follows.
func (rec *recording) openFiles(c *cli.Context, o record.WriterOptions) error {
	p := rec.plan
	if len(p.command) > 0 {
		path, err := exec.LookPath(p.command[0])
		if err != nil {
			return usagef("-z: %w", err)
		}
		p.command[0] = path
	}
	series, err := record.NewSeries(record.SeriesOptions{
		Path: rec.name, Naming: p.naming, Ring: p.ring, Compress: p.compress, Writer: o,
		Notice: func(text string) { rec.say("%s", text) },
	})
	if err != nil {
		return usagef("%w", err)
	}
	if rec.Writer, err = series.Next(time.Now(), false); err != nil {
		return createError(err)
	}
	if p.divided() {
		p.rotation.Next = func(at time.Time, timed bool) (*record.Writer, error) {
			rec.who.state() // each capture stands alone
			return series.Next(at, timed)
		}
		rec.Rotation = &p.rotation
	}
	if p.names == "" && !p.compress && len(p.command) == 0 {
		return nil
	}
	rec.after = &postrotate{plan: p, series: series, out: c.App.ErrWriter, say: rec.say}
	switch p.names {
	case "stdout":
		rec.after.names = c.App.Writer
	case "stderr":
		rec.after.names = rec.stderr
	}
	rec.after.start()
	rec.Finished = rec.after.add
	return nil
}

// say writes a line for people.
func (rec *recording) say(format string, args ...any) {
	fmt.Fprintf(rec.stderr, "pfkeycap: record: "+format+"\n", args...)
}

package main

import (
	"fmt"
	"time"
)

// messages is how many messages whole processes read.
const messages = 1_000_000

// rows is the table.
var rows = []row{
	{
		work: "flat decode, reused message, 4 message kinds", against: "C -O2 that copies the same fields", reach: "≤ 1.8× its time, 0 allocations", want: 1.8,
		measure: inProcess("./layers", "BenchmarkDecode", "ns/msg", "BenchmarkDecode/Flat", "BenchmarkDecode/C",
			"plain Go that copies the same fields, without tables of dialects,", "BenchmarkDecode/Plain"),
		missed: "1.5 times the instructions of plain Go: the header of an extension stands in two places, the list and the extension's struct, and what a number means comes from a table of the dialect. One pass instead of two, headers filled in where they stand and a packed table gained nothing; fields decoded when they are asked for would be wrong once the bytes are used again",
	},
	{
		work: "decoding layer of gopacket", against: "gopacket's Ethernet/IPv4/TCP of equal size", reach: "≤ 1.0×, 0 allocations", want: 1,
		measure: inProcess("./layers", "BenchmarkDecode/ParserSparse|BenchmarkTCP/ParserSparse", "ns/msg", "BenchmarkDecode/ParserSparse", "BenchmarkTCP/ParserSparse"),
		missed:  "it is the flat decoder and a call through gopacket",
	},
	{
		work: "NewPacket, a layer per extension", against: "gopacket's Ethernet/IPv4/TCP NewPacket", reach: "≤ 1.3× per message", want: 1.3,
		measure: inProcess("./layers", "BenchmarkDecode/NewPacket|BenchmarkTCP/NewPacket", "ns/msg", "BenchmarkDecode/NewPacket", "BenchmarkTCP/NewPacket"),
	},
	{
		work: "hostile 64 KiB of 8-byte extensions, flat", against: "60 µs", reach: "≤ 60 µs, 0 allocations", want: 1,
		measure: hostile,
	},
	{
		work: "serialise into a reused buffer", against: "plain append of the same fields", reach: "≤ 1.5×, 0 allocations", want: 1.5,
		measure: inProcess("./layers", "BenchmarkSerialize/.*|BenchmarkTCP/Serialize", "ns/op", "BenchmarkSerialize/Append", "BenchmarkSerialize/Plain",
			"append of constants, not of fields,", "BenchmarkSerialize/Constants", "layers into gopacket's SerializeBuffer", "BenchmarkSerialize/Reused",
			"gopacket's Ethernet/IPv4/TCP, 4 layers,", "BenchmarkTCP/Serialize"),
		missed: "two calls of an interface for each of 8 extensions",
	},
	{
		work: "read pcapng", against: "gopacket's pcapgo, zero-copy, 1 MiB buffer", reach: "≥ 1.5× its rate, 0 allocations", want: 1.5, atLeast: true,
		measure: rate(inProcess("./record", "BenchmarkRead/pcapng|BenchmarkReadPcapgo", "ns/op", "BenchmarkRead/pcapng", "BenchmarkReadPcapgo")),
		missed:  "pcapgo skips the options of a packet; here they are checked and read: direction, number, comments",
	},
	{
		work: "decode to text, 1 M messages, whole process", against: "tcpdump -n, as many ISAKMP packets of equal size", reach: "≥ 9× its rate", want: 9, atLeast: true,
		measure: text,
		missed:  "a line has 150 octets of a message's fields, after finding out which message answers which, tcpdump's the type of the packet. Reading and finding out are half of it and done in order, by one processor. A profile for the compiler (PGO) gave 3 %",
	},
	{
		work: "decode -T json", against: "the same", reach: "≥ 5× its rate", want: 5, atLeast: true,
		measure: jsonProcess,
		missed:  "1.1 kB for each message, and every field with its name: 60 to 70 keys and numbers of 10 ns",
	},
	{
		work: "JSON of a message", against: "encoding/json of the same model", reach: "≥ 5× its rate", want: 5, atLeast: true,
		measure: rate(inProcess("./layers/pfjson", "BenchmarkAppend|BenchmarkEncodingJSON", "ns/op", "BenchmarkAppend", "BenchmarkEncodingJSON/from_bytes",
			"with a model that is filled already", "BenchmarkEncodingJSON/model_at_hand")),
		missed: "what is left are 60 to 70 keys and numbers of 10 ns each",
	},
	{
		work: "decode -Y, nothing matches", against: "decoding and counting all (--stats)", reach: "≥ 50 % of its rate", want: 0.5, atLeast: true,
		measure: filtered,
	},
	{
		work: "peak memory, 10 M messages from a pipe", against: "tcpdump", reach: "≤ 2×, no more than for 100,000", want: 2,
		measure: memory,
		missed:  "nine tenths are pages of the program's file, of which the kernel maps 16 around each that is touched",
	},
	{
		work: "record, --keys inside: processor time a message", against: "C: recvmmsg, a write per batch", reach: "≤ 1.4×", want: 1.4,
		measure: recorder("inside"),
		missed:  "the kernel's part, which the C program has too, is two thirds; a quarter finds out which message answers which, and who sent it",
	},
	{
		work: "record, stand-ins, keys beside", against: "the same", reach: "≤ 1.5×", want: 1.5,
		measure: recorder("beside"),
		missed:  "finding the secrets of every message, stand-ins for them, the lines of the side file and its own write for each batch: the C program has none of it",
	},
	{
		work: "replay: an exchange", against: "bare write and read, same kernel", reach: "≤ 1.3×", want: 1.3,
		measure: exchange,
	},
	{
		work: "start: decode of one message", against: "tcpdump -r of one packet", reach: "≤ 1.0×", want: 1,
		measure: starting,
		missed:  "a Go program that does nothing takes a third of it, making the tables of the libraries another",
	},
	{
		work: "sandbox: true from start to finish", against: "bare linux.uml to the first line of init", reach: "≤ 1.25×", want: 1.25,
		measure: inProcess("./replay/sandbox", "BenchmarkTrue|BenchmarkBareKernel/usual", "ns/op", "BenchmarkTrue", "BenchmarkBareKernel/usual"),
	},
}

// inProcess compares two benchmarks of a package, and says more of others in a note:
// pairs of a text and a name.
func inProcess(pkg, pattern, unit, ours, theirs string, more ...string) func(*bench) (result, error) {
	return func(b *bench) (res result, err error) {
		list, err := b.benchmarks(pkg, pattern)
		if err != nil {
			return res, err
		}
		time := func(name string) float64 {
			m := list[name]
			if m[unit] == 0 { // a benchmark of one message
				return m["ns/op"]
			}
			return m[unit]
		}
		us, they := time(ours), time(theirs)
		if us == 0 || they == 0 {
			return res, fmt.Errorf("%s has no result for %s and %s", pkg, ours, theirs)
		}
		res = result{ours: duration(us), theirs: duration(they), ratio: us / they}
		if n, ok := list[ours]["allocs/op"]; ok {
			res.note = fmt.Sprintf("%.0f allocations", n)
		}
		for i := 0; i+1 < len(more); i += 2 {
			res.note += fmt.Sprintf("; %s %s", more[i], duration(time(more[i+1])))
		}
		return res, nil
	}
}

// rate turns a ratio of times into one of rates.
func rate(f func(*bench) (result, error)) func(*bench) (result, error) {
	return func(b *bench) (result, error) {
		res, err := f(b)
		if err == nil {
			res.ratio = 1 / res.ratio
		}
		return res, err
	}
}

func hostile(b *bench) (res result, err error) {
	list, err := b.benchmarks("./layers", "BenchmarkHostile")
	if err != nil {
		return res, err
	}
	flat, packet := list["BenchmarkHostile/Flat"], list["BenchmarkHostile/NewPacket"]
	return result{
		ours: duration(flat["ns/op"]), theirs: "–", ratio: flat["ns/op"] / 60e3,
		note: fmt.Sprintf("%.0f allocations; NewPacket, a layer per extension, without recursion: %s", flat["allocs/op"], duration(packet["ns/op"])),
	}, nil
}

func text(b *bench) (res result, err error) {
	res, us, err := b.processes("decode")
	if err != nil {
		return res, err
	}
	verbose, err := b.once(b.tcpdump("-n", "-vv"))
	if err != nil {
		return res, err
	}
	res.note += fmt.Sprintf("; tcpdump -n -vv, which prints the fields of a packet, %s: %.1f×",
		perSecond(verbose), verbose.Seconds()/us.Seconds())
	return res, nil
}

func jsonProcess(b *bench) (result, error) {
	res, _, err := b.processes("decode", "-T", "json")
	return res, err
}

func filtered(b *bench) (res result, err error) {
	if err := b.prepare(); err != nil {
		return res, err
	}
	used, err := b.turns(b.pfkeycap("decode", "-Y", "errno != 0"), b.pfkeycap("decode", "--stats"))
	if err != nil {
		return res, err
	}
	us, they := used[0], used[1]
	return result{ours: perSecond(us), theirs: perSecond(they), ratio: they.Seconds() / us.Seconds()}, nil
}

func starting(b *bench) (res result, err error) {
	if err := b.prepare(); err != nil {
		return res, err
	}
	rounds := b.rounds
	b.rounds *= 10
	defer func() { b.rounds = rounds }()
	used, err := b.turns([]string{b.binary(), "decode", b.file("one.pcapng")}, []string{"tcpdump", "-n", "-r", b.file("one.pcap")})
	if err != nil {
		return res, err
	}
	us, they := used[0], used[1]
	return result{ours: duration(float64(us)), theirs: duration(float64(they)), ratio: us.Seconds() / they.Seconds()}, nil
}

func memory(b *bench) (res result, err error) {
	if err := b.prepare(); err != nil {
		return res, err
	}
	ours, theirs := []string{b.binary(), "decode", "-"}, []string{"tcpdump", "-n", "-r", "-"}
	var few, many, tcpdump int
	if few, err = b.fed(writeCapture, messages/10, ours); err != nil {
		return res, err
	}
	if many, err = b.fed(writeCapture, messages*10, ours); err != nil {
		return res, err
	}
	if tcpdump, err = b.fed(writeISAKMP, messages*10, theirs); err != nil {
		return res, err
	}
	mib := func(kib int) string { return fmt.Sprintf("%.1f MiB", float64(kib)/1024) }
	return result{ours: mib(many), theirs: mib(tcpdump), ratio: float64(many) / float64(tcpdump),
		note: fmt.Sprintf("100,000 messages: %s", mib(few))}, nil
}

func recorder(mode string) func(*bench) (result, error) {
	return func(b *bench) (res result, err error) {
		// So many that starting and ending count for nothing.
		list, err := b.benchmarksFor("200000x", "./cmd/pfkeycap", "BenchmarkRecorder")
		if err != nil {
			return res, err
		}
		us, they := list["BenchmarkRecorder/"+mode]["cpu-ns/op"], list["BenchmarkRecorder/C"]["cpu-ns/op"]
		if us == 0 || they == 0 {
			return res, fmt.Errorf("the benchmark gave no result")
		}
		res = result{ours: duration(us), theirs: duration(they), ratio: us / they}
		if mode == "inside" {
			res.note = fmt.Sprintf("only reading and writing: %s",
				duration(list["BenchmarkRecorder/pump"]["cpu-ns/op"]))
		}
		return res, nil
	}
}

// exchange runs the benchmark inside the sandbox, where the kernel has PF_KEY.
func exchange(b *bench) (res result, err error) {
	if err := b.prepare(); err != nil {
		return res, err
	}
	test, err := b.test("./replay/kernel")
	if err != nil {
		return res, err
	}
	list, err := b.output([]string{b.binary(), "sandbox", "--", test, "-test.run", "^$", "-test.bench", "BenchmarkRate", "-test.benchtime", "10x"}, "replay/kernel")
	if err != nil {
		return res, err
	}
	m := list["BenchmarkRate"]
	us, they := m["lockstep-ns/request"], m["bare-ns/request"]
	if us == 0 || they == 0 {
		return res, fmt.Errorf("the benchmark gave no result")
	}
	return result{ours: duration(us), theirs: duration(they), ratio: us / they,
		note: fmt.Sprintf("of a capture of 10,000 messages; at top speed: %s", duration(m["topspeed-ns/request"]))}, nil
}

// duration writes nanoseconds in a unit that suits them.
func duration(ns float64) string {
	switch {
	case ns < 100:
		return fmt.Sprintf("%.1f ns", ns)
	case ns < 10e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.1f µs", ns/1e3)
	case ns < 100e6:
		return fmt.Sprintf("%.2f ms", ns/1e6)
	}
	return fmt.Sprintf("%.0f ms", ns/1e6)
}

func perSecond(d time.Duration) string {
	return fmt.Sprintf("%.2f M/s", messages/d.Seconds()/1e6)
}

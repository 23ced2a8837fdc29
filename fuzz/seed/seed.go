// Package seed has the fuzz targets of package fuzz as a table: their names, the
// types of their arguments, and the inputs that fuzzing them begins with. It writes
// those in the forms of the fuzzing engines.
//
// Seeds come from the encoders (layers/gen: a message of every type and one of every
// mutation in every dialect) and from captures.
package seed

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/pfkeycap/pfkeycap/fuzz/engine"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/gen"
	"github.com/pfkeycap/pfkeycap/record"
)

// Target is a fuzz target.
type Target struct {
	Name string // of the function, without the "Fuzz" that it begins with
	Law  string // in one sentence
	Args Args

	seeds func(s *Set, add func(args ...any))
}

// Args are the types of a target's arguments: uint8, uint64, string and []byte.
type Args []string

// Targets lists all targets.
func Targets() []Target { return slices.Clone(targets[:]) }

// Of returns the target of a name.
func Of(name string) (Target, bool) {
	for _, t := range targets {
		if t.Name == name {
			return t, true
		}
	}
	return Target{}, false
}

// Each calls add with the arguments of each seed of a target. They are the
// caller's.
func (t *Target) Each(s *Set, add func(args ...any)) { t.seeds(s, add) }

var targets = [...]Target{
	{"Decode", "any bytes give layers that cover them, and everything that looks at messages takes any", Args{"uint8", "[]byte"}, messages},
	{"Flat", "the flat path and gopacket's find the same", Args{"uint8", "[]byte"}, messages},
	{"RoundTrip", "layers serialize to the bytes they were decoded from", Args{"uint8", "[]byte"}, messages},
	{"Prefix", "a message cut anywhere decodes and round-trips", Args{"uint8", "[]byte"}, messages},
	{"JSON", "bytes to JSON with keys to bytes is the identity", Args{"uint8", "[]byte"}, messages},
	{"Transcode", "a message in the other byte order and back is the same", Args{"uint8", "[]byte"}, messages},
	{"Secrets", "nothing that is not asked to shows a secret", Args{"uint8", "[]byte"}, messages},
	{"Beside", "a capture whose secrets lie beside it is the original with its side file, and only with it", Args{"uint8", "[]byte"}, messages},
	{"Generate", "a generator makes the same message of the same numbers, and only sound ones if asked to", Args{"uint8", "uint64", "uint64", "uint8"}, numbers},
	{"Capture", "any bytes read as a capture give records and one error in bounded memory", Args{"[]byte"}, captures},
	{"Rewrite", "what any capture holds can be written to every format and read again", Args{"[]byte"}, captures},
	{"Texts", "any text in another form gives records and one error in bounded memory", Args{"uint8", "uint8", "[]byte"}, texts},
	{"Filter", "any text is an error that points into it or an expression, its negation the opposite", Args{"string", "uint64"}, expressions},
	{"Replay", "any capture gives a plan that runs to its end against any kernel", Args{"[]byte"}, captures},
}

// Set is what seeds are taken from.
type Set struct {
	messages []recorded
	captures [][]byte
	kinds    map[string]bool
}

type recorded struct {
	codec layers.Codec
	data  []byte
}

// generated is how many messages are made to find one of every kind.
const generated = 4000

// NewSet returns a Set that holds what the encoders make: a message of every type
// in every dialect and one of every mutation; or, if each is set, of every type in both
// byte orders too, and of every mutation in each dialect.
func NewSet(each bool) *Set {
	s := &Set{kinds: map[string]bool{}}
	var all []*gen.Generator
	for n := range uint8(2 * len(layers.Dialects())) {
		all = append(all, gen.New(engine.Codec(n), 1, gen.Options{}))
	}
	var buf []byte
	for range generated { // in turn, so that the mutations are from all dialects
		for _, g := range all {
			var info gen.Info
			buf, info = g.Next(buf[:0])
			if len(info.Mutations) > 1 || len(buf) > maxSeed {
				continue
			}
			c := g.Codec()
			var kind string
			switch {
			case len(info.Mutations) > 0 && each: // of one order: an engine finds the other one by itself
				kind = info.Mutations[0] + c.Dialect.String()
			case len(info.Mutations) > 0:
				kind = info.Mutations[0]
			case each || (c.Order == layers.BigEndian) == (info.Type&1 == 1):
				kind = fmt.Sprint(c, " ", info.Type, info.FromKernel)
			default:
				continue
			}
			s.add(kind, c, buf)
		}
	}
	return s
}

// maxSeed keeps seeds short: an engine does better with many short ones.
const maxSeed = 4096

func (s *Set) add(kind string, c layers.Codec, data []byte) {
	if !s.kinds[kind] {
		s.kinds[kind] = true
		s.messages = append(s.messages, recorded{c, bytes.Clone(data)})
	}
}

// Capture adds a capture: its bytes, and its messages with their true keys, of
// each kind one. A kind is what a message is made of. A side file is found by name,
// as record.Open does.
func (s *Set) Capture(path string, file []byte) error {
	s.captures = append(s.captures, file[:min(len(file), maxSeed)])
	r, err := record.Open(path, record.ReaderOptions{})
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if err != nil {
			return nil // what is whole has been read; a torn capture is a seed too
		}
		s.Record(rec)
	}
}

// Record adds a message, if it is of a kind that there is not yet. It keeps none of
// the record.
func (s *Set) Record(r *record.Record) {
	var m layers.Message
	m.Codec = r.Codec
	_ = m.DecodeFromBytes(r.Bytes(), nil)
	names := []string{r.Codec.String(), m.TypeName(), m.RestReason.Code()}
	for i := range m.Extensions {
		names = append(names, m.Extensions[i].Name())
	}
	slices.Sort(names[3:])
	s.add(strings.Join(slices.Compact(names), " "), r.Codec, r.Bytes())
}

// Messages calls f with every message. data is the Set's.
func (s *Set) Messages(f func(c layers.Codec, data []byte)) {
	for _, m := range s.messages {
		f(m.codec, m.data)
	}
}

func messages(s *Set, add func(args ...any)) {
	for _, m := range s.messages {
		add(engine.Number(m.codec), m.data)
	}
}

func numbers(s *Set, add func(args ...any)) {
	for n := range uint8(16) {
		for _, index := range []uint64{0, 1, 31, 1 << 32, 1<<64 - 1} {
			add(n, uint64(n), index, n)
		}
	}
}

// captures are those added, and generated ones of each dialect, order and format.
func captures(s *Set, add func(args ...any)) {
	for _, b := range s.captures {
		add(b)
	}
	for n := range uint8(2 * len(layers.Dialects())) {
		c := engine.Codec(n)
		for i, format := range []record.Format{record.PcapNG, record.PcapNano, record.PcapMicro} {
			var out bytes.Buffer
			keys := record.KeysInside
			if n&2 != 0 {
				keys = record.KeysNone
			}
			w, err := record.NewWriter(&out, record.WriterOptions{
				Format: format, Salt: record.Salt{1},
				Meta: record.Meta{Dialect: c.Dialect, Order: c.Order, Keys: keys, Promisc: record.Yes},
			})
			if err != nil {
				panic(err) // of no error that options of ours could be
			}
			g := gen.New(c, uint64(n), gen.Options{Valid: i == 0, Mutants: 1})
			for range 12 {
				msg, info := g.Next(nil)
				r := &record.Record{Time: epoch(), Codec: c, Data: msg, OrigLen: len(msg), Dir: record.ToKernel}
				if info.FromKernel {
					r.Dir = record.FromKernel
				}
				_ = w.Append(r)
			}
			if w.Close() == nil && out.Len() <= 2*maxSeed {
				add(out.Bytes())
			}
		}
	}
}

// expressions are of all kinds that the language has.
func expressions(s *Set, add func(args ...any)) {
	for i, expr := range []string{
		`type == "ACQUIRE" && cidr(dst, "10.0.0.0/8")`,
		`errno != 0 or not has("sa")`,
		`sa.spi in [0x1234, 5..9] and flag(sa.flags, "PFS")`,
		`1 < seq <= 0xffffffffffffffff and lifetime_hard.addtime > 8*3600-1`,
		`identity_src.identity matches "^a.*$" and key_auth.key_id == "00112233"`,
		`time > "2026-05-01" and direction not in ["to-kernel"] and src == dst`,
		`policy.requests.src.addr == "2001:db8::1" or unknown.exttype == 77`,
		`msg.type_name startsWith "SPD" or sa.flags_names contains "P" // comment`,
		`satype == "esp" and !(spi == 1) and pid not in 1..9`,
	} {
		add(expr, uint64(i))
	}
}

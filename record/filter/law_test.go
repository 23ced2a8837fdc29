package filter_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

// fixtureRecords returns the records of the captures of real kernels.
func fixtureRecords(t testing.TB) (list []*record.Record) {
	t.Helper()
	err := filepath.WalkDir("../../fixtures", func(path string, e fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".pcapng" {
			return err
		}
		r, err := record.Open(path, record.ReaderOptions{})
		if err != nil {
			return err
		}
		defer r.Close()
		for {
			x, err := r.Next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			list = append(list, x.Clone())
		}
	})
	if err != nil || len(list) < 1000 {
		t.Fatalf("%d records of fixtures: %v", len(list), err)
	}
	return list
}

// madeRecords returns messages of every dialect and byte order, with every
// extension in many fillings, right and wrong ones.
func madeRecords() (list []*record.Record) {
	rnd := rand.New(rand.NewPCG(2367, 4))
	for _, c := range codecs() {
		var o binary.AppendByteOrder = binary.LittleEndian
		if c.Order == layers.BigEndian {
			o = binary.BigEndian
		}
		message := func(typ byte, satype byte, body []byte) []byte {
			m := []byte{2, typ, byte(rnd.IntN(256)), satype}
			m = o.AppendUint16(m, uint16((16+len(body))/8))
			m = o.AppendUint16(m, uint16(rnd.IntN(3)*rnd.IntN(90)))
			m = o.AppendUint32(m, rnd.Uint32())
			m = o.AppendUint32(m, rnd.Uint32())
			return append(m, body...)
		}
		add := func(m []byte) {
			r := &record.Record{Number: uint64(len(list) + 1), Codec: c, Data: m, OrigLen: len(m)}
			r.Time = time.Unix(1777629600, int64(len(list)))
			r.Dir = record.Direction(rnd.IntN(3))
			if rnd.IntN(4) == 0 {
				r.OrigLen += 8
				r.TwinOf, r.ReplyTo, r.Process, r.Comments = 7, 8, "iked", []string{"one", "two"}
			}
			list = append(list, r)
		}
		var all []byte
		for _, number := range append(c.Dialect.ExtNumbers(), 0, 77) {
			for i := range 40 {
				body := filling(rnd, c, number, i)
				ext := o.AppendUint16(nil, uint16((4+len(body)+7)/8))
				ext = o.AppendUint16(ext, number)
				ext = append(ext, body...)
				for len(ext)%8 != 0 {
					ext = append(ext, 0)
				}
				typ, satype := byte(rnd.IntN(25)), byte(rnd.IntN(10))
				switch rnd.IntN(8) {
				case 0: // twice
					add(message(typ, satype, slices.Concat(ext, all[:min(len(all), 16)], ext)))
				case 1: // the wrapped message of a promiscuous listener
					add(message(layers.PROMISC, 1, message(typ, satype, ext)))
				case 2: // cut
					m := message(typ, satype, ext)
					add(m[:rnd.IntN(len(m))])
				case 3: // wrapped twice, and broken
					m := message(layers.PROMISC, 1, message(layers.PROMISC, 0, message(typ, satype, slices.Concat(ext, []byte{9, 9, 1}))))
					add(m)
				default:
					add(message(typ, satype, ext))
				}
				if len(body)%8 == 4 && rnd.IntN(4) == 0 && len(all) < 4096 {
					all = append(all, ext...)
				}
			}
		}
		add(message(layers.DUMP, 3, all))
	}
	return list
}

// filling makes what follows the header of an extension: noise, with something
// in it that makes sense in many extensions.
func filling(rnd *rand.Rand, c layers.Codec, number uint16, i int) []byte {
	fixed := 8
	if l := c.Dialect.LayoutOf(number); l != nil {
		fixed = l.Size
	}
	b := make([]byte, fixed-4)
	if i%3 != 0 {
		for j := range b {
			b[j] = byte(rnd.IntN(5) * rnd.IntN(5) * rnd.IntN(20))
		}
	}
	for j := range b {
		if rnd.IntN(6) == 0 {
			b[j] = byte(rnd.IntN(4))
		}
	}
	sockaddr := func() []byte {
		s := layers.Sockaddr{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(rnd.IntN(3))}), Port: uint16(rnd.IntN(3))}
		if rnd.IntN(2) == 0 {
			s.Addr = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(rnd.IntN(3))})
			s.FlowInfo, s.ScopeID, s.SrcID = rnd.Uint32N(4), rnd.Uint32N(4), rnd.Uint32N(4)
		}
		s.Zero[3] = byte(rnd.IntN(2))
		s.Len = uint8(rnd.IntN(2) * 99)
		return c.AppendSockaddr(nil, s)
	}
	text := "gw.example\x00"[:rnd.IntN(12)]
	if l := c.Dialect.LayoutOf(number); l != nil && i%2 == 1 {
		family, _ := c.Dialect.Family([]string{"inet", "inet6"}[rnd.IntN(2)])
		for _, f := range l.Fields {
			at := b[int(f.Off)-4:][:f.Size]
			switch {
			case f.Sem == layers.SemFamily:
				put(c, at, uint64(family))
			case f.Enum == layers.EnumKMProto: // one of them has a cookie of another size
				put(c, at, uint64(rnd.IntN(5)))
			case strings.HasSuffix(f.Name, "len"):
				put(c, at, uint64(len(text)))
			case f.Size >= 16: // a name, or an address
				clear(at)
				copy(at, text[:min(len(text), 4)])
			}
		}
	}
	switch i % 8 {
	case 1:
		b = append(b, sockaddr()...)
	case 2:
		b = append(append(b, sockaddr()...), sockaddr()...)
		b = append(b, byte(rnd.IntN(2)), 0, 0, byte(rnd.IntN(2)))
	case 3:
		b = append(b, text...)
	case 4:
		if rnd.IntN(3) == 0 {
			return append(append(b, sockaddr()...), 77, 77, 77, 77, 77, 77, 77, 77)
		}
		var list []byte
		for range rnd.IntN(4) {
			list = c.AppendRequest(list, layers.Request{Proto: 50, Mode: 2, ReqID: 7, Reserved1: uint16(rnd.IntN(2)), Reserved2: rnd.Uint32N(2),
				Sockaddrs: slices.Concat(sockaddr(), sockaddr(), make([]byte, 4*rnd.IntN(2)), []byte{0, 0, 0, byte(rnd.IntN(2))})})
		}
		b = append(b, list...)
	case 5:
		for range rnd.IntN(160) {
			b = append(b, byte(rnd.IntN(3)))
		}
	case 6:
		for range rnd.IntN(160) {
			b = append(b, byte(rnd.IntN(256)))
		}
	case 7:
		b = b[:rnd.IntN(len(b)+1)]
	}
	return b
}

// lawRecords returns real and made records, all of them or, where that would take
// too long, a sample.
func lawRecords(t testing.TB) (list []*record.Record, all bool) {
	list = append(fixtureRecords(t), madeRecords()...)
	if !benchtest.Racing && !testing.Short() {
		return list, true
	}
	var some []*record.Record
	for i := 0; i < len(list); i += 31 {
		some = append(some, list[i])
	}
	return some, false
}

// put writes a number in the codec's byte order.
func put(c layers.Codec, b []byte, u uint64) {
	for i := range b {
		shift := 8 * i
		if c.Order == layers.BigEndian {
			shift = 8 * (len(b) - 1 - i)
		}
		b[i] = byte(u >> shift)
	}
}

// flat is what the JSON form of a record says, by path.
type flat map[string][]string

func flatten(t testing.TB, r *record.Record) flat {
	t.Helper()
	line := pfjson.Append(nil, &pfjson.Record{
		Number: r.Number, Time: r.Time, Direction: r.Dir.String(), Codec: r.Codec, Data: r.Data, Length: r.OrigLen,
		TwinOf: r.TwinOf, ReplyTo: r.ReplyTo, Process: r.Process, WriteErrno: r.WriteErrno, Comments: r.Comments,
	}, pfjson.Options{ID: func(secret []byte, key int) [4]byte { return id(r, secret, key) }})
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	var o map[string]any
	if err := dec.Decode(&o); err != nil {
		t.Fatal(err)
	}
	f := flat{}
	for k, v := range o {
		switch k {
		case "schema", "msg", "ext", "inner", "problems", "rest":
		default:
			f.add(k, v)
		}
	}
	if f["caplen"] == nil {
		f["caplen"] = f["length"]
	}
	f.message(o)
	return f
}

// message adds a message and those inside it.
func (f flat) message(o map[string]any) {
	if o["msg"] != nil {
		f.add("msg", o["msg"])
	}
	for _, x := range o["ext"].([]any) {
		e := x.(map[string]any)
		name := strings.ToLower(e["name"].(string))
		delete(e, "name")
		if e["key_id"] != nil {
			e["key"] = "··"
		}
		f.add(name, e)
	}
	if in, ok := o["inner"].(map[string]any); ok {
		f.message(in)
	}
	for _, x := range o["problems"].([]any) {
		p := x.(map[string]any)
		switch p["code"] {
		case "short-header", "trailing-bytes", "extension-length-zero", "extension-overrun", "key-overrun", "too-deep":
			f.add("malformed.code", p["code"])
			f.add("malformed.offset", p["offset"])
			f.add("malformed.rest", "··")
		}
	}
	if rest, ok := o["rest"].(map[string]any); ok {
		f.add("malformed.rest.bytes", rest["bytes"])
	}
}

func (f flat) add(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		_, bytes := v["bytes"]
		_, id := v["id"]
		if bytes && id && len(v) == 2 {
			f.add(path, "··")
		}
		for k, x := range v {
			f.add(path+"."+k, x)
		}
	case []any:
		for _, x := range v {
			if x != "" { // a number without a name
				f.add(path, x)
			}
		}
	default:
		f[path] = append(f[path], fmt.Sprint(v))
	}
}

// TestSameAsJSON: every path has the values that the JSON form shows under that
// name, in the same order, and the JSON form shows nothing that has no path. It
// holds for one path alone, which may be read without a walk, and for all together.
func TestSameAsJSON(t *testing.T) {
	type column struct {
		path  string
		alone *filter.Fields
		has   *filter.Filter
		zero  bool // the JSON form leaves zeros out
	}
	const sep, agg = "<|>", "<;>"
	opts := filter.FieldsOptions{Separator: sep, Aggregator: agg, NoEscape: true, ID: id}
	var columns []column
	var paths []string
	known := map[string]bool{}
	for _, p := range filter.Paths() {
		known[p.Name] = true
		if p.Kind == filter.Group {
			continue
		}
		f, err := filter.NewFields([]string{p.Name}, opts)
		if err != nil {
			t.Fatal(err)
		}
		columns = append(columns, column{p.Name, f, compile(t, fmt.Sprintf("has(%q)", p.Name)), p.Sem == layers.SemReserved || strings.Contains(p.Name, "reserved") || strings.HasSuffix(p.Name, ".pad")})
		paths = append(paths, p.Name)
	}
	together, err := filter.NewFields(paths, opts)
	if err != nil {
		t.Fatal(err)
	}
	withoutZeros := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.Trim(s, "0") == "" })
	}
	records, all := lawRecords(t)
	aliased := map[string]string{"type": "msg.type", "satype": "msg.satype", "errno": "msg.errno", "seq": "msg.seq", "pid": "msg.pid", "spi": "sa.spi", "src": "address_src.addr", "dst": "address_dst.addr"}
	seen := map[string]int{}
	for i, r := range records {
		want := flatten(t, r)
		for path := range want {
			if !known[path] {
				t.Fatalf("record %d, %v: the JSON form has %s, which is no path", i, r, path)
			}
			seen[path]++
		}
		roots := map[string]bool{}
		for path := range want {
			root, _, _ := strings.Cut(path, ".")
			roots[root] = true
		}
		row := strings.Split(strings.TrimSuffix(string(together.AppendRow(nil, r)), "\n"), sep)
		for j, c := range columns {
			root, _, _ := strings.Cut(c.path, ".")
			if !roots[root] && row[j] == "" && (i+j)%64 != 0 {
				continue // nothing of this is expected, which is worth a sample
			}
			text := strings.TrimSuffix(string(c.alone.AppendRow(nil, r)), "\n")
			if text != row[j] {
				t.Fatalf("record %d, %v: %s alone is %q, with others %q", i, r, c.path, text, row[j])
			}
			var got []string
			if text != "" {
				got = strings.Split(text, agg)
			}
			path := c.path
			if a := aliased[path]; a != "" {
				path = a
			}
			w := want[path]
			if len(w) == 1 && w[0] == "" { // an empty text
				w = nil
			} else if has := len(got) > 0; c.has.Match(r) != has {
				t.Fatalf("record %d, %v: has(%q) is %v", i, r, c.path, !has)
			}
			if c.zero {
				w, got = withoutZeros(w), withoutZeros(got)
			}
			if path == "malformed.rest.id" || path == "malformed.rest.bytes" && len(w) == 0 {
				continue // zeros are shown as they are
			}
			if !slices.Equal(w, got) {
				t.Fatalf("record %d, %v: %s is %q, in the JSON form %q", i, r, c.path, got, w)
			}
		}
	}
	// The records must show what they are to test.
	for _, p := range filter.Paths() {
		if all && p.Kind != filter.Group && p.Alias == "" && seen[p.Name] == 0 && p.Name != "malformed.rest.id" {
			t.Errorf("no record has %s", p.Name)
		}
	}
	t.Logf("%d records, %d paths, %d of them seen", len(records), len(columns), len(seen))
}

// TestEveryValue: a path equals each of its values, by number and by name, and
// what it has one value of it does not equal otherwise.
func TestEveryValue(t *testing.T) {
	type column struct {
		filter.Path
		fields *filter.Fields
	}
	const agg = "<;>"
	var columns []column
	for _, p := range filter.Paths() {
		if p.Kind == filter.Group || p.Kind == filter.Secret {
			continue
		}
		f, err := filter.NewFields([]string{p.Name}, filter.FieldsOptions{Aggregator: agg, NoEscape: true, ID: id})
		if err != nil {
			t.Fatal(err)
		}
		columns = append(columns, column{p, f})
	}
	filters := map[string]*filter.Filter{}
	match := func(r *record.Record, want bool, expr string) {
		t.Helper()
		f := filters[expr]
		if f == nil {
			f = compile(t, expr)
			filters[expr] = f
		}
		if f.Match(r) != want {
			t.Fatalf("%v: %v: %s", r, !want, expr)
		}
	}
	records, all := lawRecords(t)
	count := map[filter.Kind]int{}
	for i, r := range records {
		for j, c := range columns {
			if (i+j)%96 != 0 {
				continue
			}
			text := strings.TrimSuffix(string(c.fields.AppendRow(nil, r)), "\n")
			if text == "" {
				continue
			}
			values := strings.Split(text, agg)
			for _, v := range values {
				if strings.HasPrefix(v, "0x") && strings.HasSuffix(c.Name, "_names") {
					continue // bits without a name
				}
				quoted := fmt.Sprintf("%q", v)
				if c.Kind == filter.Number && c.Sem != layers.SemFamily && i%2 == 0 {
					quoted = v
				}
				count[c.Kind]++
				match(r, true, c.Name+" == "+quoted)
				match(r, true, quoted+" == "+c.Name)
				match(r, true, c.Name+" in ["+quoted+"]")
				// Of a wrapper's header != looks at the type only.
				header := strings.HasPrefix(c.Name, "msg.") || slices.Contains([]string{"satype", "errno", "seq", "pid"}, c.Name)
				ofWrapper := header && !strings.HasPrefix(c.Name, "msg.type") && v != values[len(values)-1]
				if !header || !strings.HasSuffix(c.Name, "_name") { // the message's number may have no name
					match(r, ofWrapper, c.Name+" != "+quoted)
				}
				match(r, false, "!("+c.Name+" == "+quoted+")")
				if c.Kind == filter.Number && c.Sem != layers.SemFamily || c.Kind == filter.Time {
					match(r, true, c.Name+" >= "+quoted)
					match(r, true, c.Name+" <= "+quoted)
					if len(values) == 1 {
						match(r, false, c.Name+" < "+quoted)
						match(r, false, c.Name+" > "+quoted)
					}
				}
				if c.Names != "" && !strings.HasSuffix(c.Name, "_names") {
					match(r, true, c.Names+" == "+strings.ToLower(quoted))
				}
			}
		}
	}
	for _, k := range []filter.Kind{filter.Number, filter.Address, filter.Text, filter.Octets, filter.Time} {
		if all && count[k] < 50 {
			t.Errorf("only %d values of kind %v", count[k], k)
		}
	}
	t.Logf("%d filters, values by kind: %v", len(filters), count)
}

package pfjson_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
)

// The files in testdata/expect were made without this package. Those named after a
// system's version hold messages of that system's own kernel code: NetBSD 7.99.34
// as a rump kernel, FreeBSD 13.0's netipsec in user space, OpenBSD 4.4's
// pfkeyv2*.c called directly. In those named layout-* a compiler filled every
// structure of the system's header with numbers of its own. What a message holds
// was printed by C programs compiled with the system's header. In layout-illumos,
// layout-netbsd and layout-dragonfly a script did the same from the offsets that a
// compiler had printed (of DragonFly, that the header has), once for a little-endian
// machine and once for a big-endian one. Messages that occurred more than once are in
// a file once, and the keys are test keys.
//
// What the C programs call a value, and what the JSON does (the table in the
// package's comment, with the names of the files' own members):
//
//	hdr.sadb_msg_X            msg.X; an absent reserved is 0
//	promisc_inner             inner
//	exts[]                    ext[], without those that have an error
//	  .type .len64 .offset    exttype, len, offset (in inner counted from the start of the record)
//	  .type_name              name, without SADB_EXT_ or SADB_X_EXT_
//	  .fields.sadb_S_X        X, or what pfjson.Names says; an absent reserved or pad is 0
//	  .raw                    data, after the header
//	  .tail[] sockaddr        addr, family, port, and sa_len, zero, flowinfo, scope_id if they are unusual
//	          sadb_alg        algs[], fields as above; so sadb_comb in combs[], sastat in list[]
//	          sadb_x_ipsecrequest   requests[]: len_bytes is len, addrs are src and dst
//	          sadb_x_ecomb          ecombs[], and each sadb_x_algdesc after it in its algs[]
//	          key             key and pad
//	          cstring         identity or tag
//	          bytes           pad of an address, key, identity or identity_hex, sens_bitmap or integ_bitmap, tag, data
//	trailing_hex              rest
//	error "short"             no msg
//
// Integers were loaded in host byte order, so in files of little-endian machines
// those in network byte order look turned round: see turned.

// turned has the members that are in network byte order on the wire, and their
// size in bytes.
var turned = map[string]int{
	"sadb_sa_spi":            4,
	"sadb_x_nat_t_port_port": 2,
	"sadb_x_udpencap_port":   2,
	"sadb_x_pair_spi":        4,
	"spi":                    4, // sastat
}

// turnedOnIllumos has those that are so on illumos only.
var turnedOnIllumos = map[string]int{
	"sadb_spirange_min": 4,
	"sadb_spirange_max": 4,
}

// lists are the arrays that hold elements of a structure.
var lists = map[string]string{"sadb_alg": "algs", "sadb_comb": "combs", "sastat": "list", "sadb_x_ipsecrequest": "requests", "sadb_x_ecomb": "ecombs"}

type expectLine struct {
	OS     string          `json:"os"`
	Endian string          `json:"endian"`
	N      int             `json:"n"`
	Hex    string          `json:"hex"`
	Expect json.RawMessage `json:"expect"`
}

type expectMessage struct {
	Hdr      map[string]uint64 `json:"hdr"`
	Exts     []expectExt       `json:"exts"`
	Inner    *expectMessage    `json:"promisc_inner"`
	Trailing *string           `json:"trailing_hex"`
	Error    string            `json:"error"`
}

type expectExt struct {
	Type   uint64         `json:"type"`
	Name   string         `json:"type_name"`
	Struct string         `json:"struct"`
	Sizeof int            `json:"sizeof"` // of the structure, which is no value
	Offset *uint64        `json:"offset"`
	Len    uint64         `json:"len64"`
	Fields map[string]any `json:"fields"`
	Tail   []expectTail   `json:"tail"`
	Raw    *string        `json:"raw"`
	Error  string         `json:"error"`
}

type expectTail struct {
	Kind   string         `json:"kind"`
	Sizeof int            `json:"sizeof"`
	Fields map[string]any `json:"fields"`
	Hex    *string        `json:"hex"`
	PadHex *string        `json:"pad_hex"`
	Value  *string        `json:"value"`

	Family      string       `json:"family"`
	FamilyNum   uint64       `json:"family_num"`
	Size        int          `json:"size"`
	SALen       *uint64      `json:"sa_len"`
	Addr        string       `json:"addr"`
	Port        uint64       `json:"port"`
	Zero        *string      `json:"zero"`
	FlowInfo    *uint64      `json:"flowinfo"`
	FlowInfoRaw *uint64      `json:"flowinfo_raw"`
	ScopeID     *uint64      `json:"scope_id"`
	Addrs       []expectTail `json:"addrs"`
	LenBytes    uint64       `json:"len_bytes"`
}

// expectFlag lets a file of the same form be held against the package:
//
//	go test ./layers/pfjson -run TestExpect -expect 'captures/*.jsonl'
var expectFlag = flag.String("expect", "", "a pattern of further files for TestExpect")

// TestExpect compares every value that C programs found in a message with what the
// JSON says.
func TestExpect(t *testing.T) {
	type source struct {
		file  string
		least int // values that are in it
	}
	files := []source{
		{"netbsd-7.99", 8300}, {"freebsd-13", 9900}, {"openbsd-4.4", 3900},
		{"layout-macos", 1700}, {"layout-freebsd", 1500}, {"layout-openbsd", 1500},
		{"layout-illumos", 1800}, {"layout-netbsd", 1900}, {"layout-dragonfly", 1600},
	}
	for i := range files {
		files[i].file = filepath.Join("testdata", "expect", files[i].file+".jsonl.gz")
	}
	more, err := filepath.Glob(*expectFlag)
	if err != nil || *expectFlag != "" && len(more) == 0 {
		t.Fatalf("-expect %s: no such file (%v)", *expectFlag, err)
	}
	for _, file := range more {
		files = append(files, source{file, 1})
	}
	for _, f := range files {
		file := f.file
		t.Run(filepath.Base(file), func(t *testing.T) {
			var count, other [2]int // records, values
			for _, line := range expectLines(t, file) {
				c := layers.Codec{Order: layers.LittleEndian}
				var err error
				if c.Dialect, err = layers.ParseDialect(line.OS); err != nil {
					t.Fatal(err)
				}
				if c.Order, err = layers.ParseOrder(line.Endian); err != nil {
					t.Fatal(err)
				}
				data, err := hex.DecodeString(line.Hex)
				if err != nil {
					t.Fatal(err)
				}
				var want expectMessage
				strictly(t, line.Expect, &want)
				count[0]++
				count[1] += compareExpect(t, fmt.Sprintf("%s:%d", filepath.Base(file), line.N), c, c, data, &want)

				// The same message as a machine of the other byte order writes it says
				// the same.
				turned := layers.Codec{Dialect: c.Dialect, Order: layers.LittleEndian + layers.BigEndian - c.Order}
				if data, err := layers.Transcode(nil, c, turned, data); err == nil {
					other[0]++
					other[1] += compareExpect(t, fmt.Sprintf("%s:%d turned round", filepath.Base(file), line.N), turned, c, data, &want)
				}
			}
			t.Logf("%d records, %d values; turned round %d records, %d values", count[0], count[1], other[0], other[1])
			if count[1] < f.least || other[1] < f.least {
				t.Errorf("only %d values compared, %d turned round, want %d at least", count[1], other[1], f.least)
			}
		})
	}
}

func expectLines(t *testing.T, file string) (list []expectLine) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(file, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	for line := range bytes.Lines(data) {
		var l expectLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		list = append(list, l)
	}
	return list
}

// strictly decodes JSON and fails at a member that v does not have, so that no
// value is left out by mistake.
func strictly(t *testing.T, data []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %.200s", err, data)
	}
}

// comparer holds the values of one record against what its file says.
type comparer struct {
	t     *testing.T
	codec layers.Codec
	file  layers.Codec // of the file, in whose order octets are printed
	count int
}

func compareExpect(t *testing.T, where string, c, file layers.Codec, data []byte, want *expectMessage) int {
	t.Helper()
	line := pfjson.Append(nil, &pfjson.Record{Number: 1, Codec: c, Data: data}, pfjson.Options{ShowKeys: true})
	var got map[string]any
	strictly(t, line, &got)
	p := &comparer{t: t, codec: c, file: file}
	p.message(where, want, got, 0)
	return p.count
}

// equal compares one value.
func (p *comparer) equal(where string, got, want any) {
	p.t.Helper()
	p.count++
	if got != want {
		p.t.Errorf("%s = %v, want %v", where, got, want)
	}
}

// number reads a number of the JSON, which may be a string; an absent one is 0.
func (p *comparer) number(where string, v any) uint64 {
	p.t.Helper()
	s := fmt.Sprint(v)
	if v == nil {
		return 0
	}
	u, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		p.t.Errorf("%s: %v", where, err)
	}
	return u
}

// reserved reads a reserved member of a key, which is given as octets.
func (p *comparer) reserved(where string, v any) uint64 {
	b, err := hex.DecodeString(v.(string))
	if err != nil {
		p.t.Errorf("%s: %v", where, err)
	}
	if p.codec.Order == layers.LittleEndian {
		for i, k := 0, len(b)-1; i < k; i, k = i+1, k-1 {
			b[i], b[k] = b[k], b[i]
		}
	}
	var u uint64
	for _, x := range b {
		u = u<<8 | uint64(x)
	}
	return u
}

// objects is an array of objects; nil if there is none.
func objects(v any) (list []map[string]any) {
	a, _ := v.([]any)
	for _, x := range a {
		list = append(list, x.(map[string]any))
	}
	return list
}

func (p *comparer) message(where string, want *expectMessage, got map[string]any, offset uint64) {
	p.t.Helper()
	msg, _ := got["msg"].(map[string]any)
	if want.Error != "" {
		p.equal(where+" has no msg", msg == nil, want.Error == "short")
		return
	}
	for name, v := range want.Hdr {
		short := strings.TrimPrefix(name, "sadb_msg_")
		p.equal(where+".msg."+short, p.number(where, msg[short]), v)
	}
	inner, _ := got["inner"].(map[string]any)
	switch {
	case want.Inner != nil && inner == nil || want.Inner == nil && inner != nil:
		p.t.Errorf("%s: inner is there: %v, should be: %v", where, inner != nil, want.Inner != nil)
	case inner != nil:
		p.message(where+".inner", want.Inner, inner, offset+layers.BaseLen)
	}
	if want.Trailing != nil {
		p.equal(where+".rest", got["rest"], *want.Trailing)
	}
	exts := objects(got["ext"])
	i := 0
	for _, x := range want.Exts {
		if x.Error != "" { // where the C program gave up too
			continue
		}
		if i == len(exts) {
			p.t.Errorf("%s: only %d extensions, want %s too", where, len(exts), x.Name)
			return
		}
		p.extension(fmt.Sprintf("%s.ext[%d](%v)", where, i, exts[i]["name"]), &x, exts[i], offset)
		i++
	}
	if len(exts) != i {
		p.t.Errorf("%s: %d extensions, want %d", where, len(exts), i)
	}
}

func (p *comparer) extension(where string, want *expectExt, got map[string]any, offset uint64) {
	p.t.Helper()
	p.equal(where+".exttype", p.number(where, got["exttype"]), want.Type)
	p.equal(where+".len", p.number(where, got["len"]), want.Len)
	if want.Offset != nil {
		p.equal(where+".offset", p.number(where, got["offset"]), *want.Offset+offset)
	}
	if want.Raw != nil {
		p.equal(where+".data", got["data"], (*want.Raw)[2*layers.ExtLen:])
		return
	}
	name := strings.TrimPrefix(strings.TrimPrefix(want.Name, "SADB_X_EXT_"), "SADB_EXT_")
	p.equal(where+".name", got["name"], name)
	p.fields(where, want.Struct, want.Fields, got)
	next := map[string]int{}
	octets := ""
	for i := range want.Tail {
		x := &want.Tail[i]
		if name := lists[x.Kind]; name != "" {
			list := objects(got[name])
			if next[name] == len(list) {
				p.t.Errorf("%s: only %d %s", where, len(list), name)
				return
			}
			item := fmt.Sprintf("%s.%s[%d]", where, name, next[name])
			p.element(item, x, list[next[name]])
			next[name]++
			continue
		}
		switch x.Kind {
		case "sadb_x_algdesc": // of the last sadb_x_ecomb
			comb := objects(got["ecombs"])[next["ecombs"]-1]
			algs, at := objects(comb["algs"]), fmt.Sprintf("ecombs[%d].algs", next["ecombs"]-1)
			if next[at] == len(algs) {
				p.t.Errorf("%s: only %d %s", where, len(algs), at)
				return
			}
			p.element(fmt.Sprintf("%s.%s[%d]", where, at, next[at]), x, algs[next[at]])
			next[at]++
		case "sockaddr":
			p.sockaddr(where, x, got)
		case "key":
			p.equal(where+".key", text(got, "key", 0), *x.Hex)
			p.equal(where+".pad", text(got, "pad", len(*x.PadHex)), *x.PadHex)
		case "cstring":
			v, is := got["identity"]
			if !is {
				v = got["tag"]
			}
			p.equal(where+" text", v, *x.Value)
		case "bytes":
			octets += *x.Hex
		default:
			p.t.Errorf("%s: what is %s?", where, x.Kind)
		}
	}
	for _, name := range lists {
		if n := len(objects(got[name])); n != next[name] {
			p.t.Errorf("%s: %d %s, want %d", where, n, name, next[name])
		}
	}
	if octets != "" {
		p.octets(where, want.Struct, octets, got)
	}
}

// fields compares the members of a structure.
func (p *comparer) fields(where, structure string, want map[string]any, got map[string]any) {
	p.t.Helper()
	for member, v := range want {
		name, at := p.member(structure, member, got)
		at = where + "." + at
		if s, isText := v.(string); isText {
			p.equal(at, name, s)
			continue
		}
		w, err := strconv.ParseUint(v.(json.Number).String(), 10, 64)
		if err != nil {
			p.t.Errorf("%s: %v", at, err)
		}
		var g uint64
		if _, isText := name.(string); isText && strings.HasSuffix(member, "_reserved") {
			g = p.reserved(at, name)
		} else {
			g = p.number(at, name)
		}
		size := turned[member]
		if p.codec.Dialect == layers.Illumos {
			size = max(size, turnedOnIllumos[member])
		}
		if p.file.Order == layers.BigEndian {
			size = 0
		}
		switch size {
		case 4:
			g = uint64(bits.ReverseBytes32(uint32(g)))
		case 2:
			g = uint64(bits.ReverseBytes16(uint16(g)))
		}
		p.equal(at, g, w)
	}
}

// member finds the value of a C member, nil if it is absent, and says where it
// looked.
func (p *comparer) member(structure, member string, got map[string]any) (any, string) {
	name, index, isArray := strings.Cut(member, "[")
	short := strings.TrimPrefix(name, structure+"_")
	if structure == "sadb_sa_2" {
		short = strings.TrimPrefix(name, "sadb_sa_")
	}
	if structure == "sastat" && strings.HasPrefix(name, "sadb_lifetime_") {
		inside, _ := got["lft_c"].(map[string]any)
		return p.member("sadb_lifetime", member, inside)
	}
	if _, is := got[short]; !is {
		for _, n := range pfjson.Names() {
			if _, is := got[n.JSON]; is && n.Struct == structure && n.Member == name {
				short = n.JSON
			}
		}
	}
	if strings.HasSuffix(name, "_exttype") {
		short = "exttype"
	}
	v, is := got[short]
	if name == "sadb_alg_reserved" && p.codec.Dialect == layers.Illumos { // two octets
		b := []byte{byte(p.number(name, got["increment"])), byte(p.number(name, got["saltbits"]))}
		if p.file.Order == layers.BigEndian {
			return binary.BigEndian.Uint16(b), "increment and saltbits"
		}
		return binary.LittleEndian.Uint16(b), "increment and saltbits"
	}
	switch {
	case isArray:
		i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		list, _ := v.([]any)
		if s, isText := v.(string); isText { // octets
			b, _ := hex.DecodeString(s)
			for _, x := range b {
				list = append(list, x)
			}
		}
		if err != nil || i >= len(list) {
			p.t.Errorf("%s is not in %v", member, v)
			return nil, short
		}
		return list[i], short
	case !is && !strings.HasPrefix(short, "reserved") && !strings.HasPrefix(short, "pad"):
		p.t.Errorf("no member for %s", member)
	}
	return v, short
}

// element compares one of a list.
func (p *comparer) element(where string, want *expectTail, got map[string]any) {
	p.t.Helper()
	p.fields(where, want.Kind, want.Fields, got)
	if want.Kind != "sadb_x_ipsecrequest" {
		return
	}
	p.equal(where+".len", p.number(where, got["len"]), want.LenBytes)
	for i := range want.Addrs {
		name := [2]string{"src", "dst"}[i]
		sa, _ := got[name].(map[string]any)
		p.sockaddr(where+"."+name, &want.Addrs[i], sa)
	}
}

// sockaddr compares the members of a socket address.
func (p *comparer) sockaddr(where string, want *expectTail, got map[string]any) {
	p.t.Helper()
	p.equal(where+".addr", got["addr"], want.Addr)
	p.equal(where+".family", got["family"], want.Family)
	number, _ := p.codec.Dialect.Family(want.Family)
	p.equal(where+".family as a number", uint64(number), want.FamilyNum)
	p.equal(where+".port", p.number(where, got["port"]), want.Port)
	size := uint64(16)
	if want.Family == "inet6" {
		size = 28
	}
	if want.SALen != nil {
		v, is := got["sa_len"]
		if !is {
			v = size
		}
		p.equal(where+".sa_len", p.number(where, v), *want.SALen)
	}
	if want.Zero != nil {
		p.equal(where+".zero", text(got, "zero", 16), *want.Zero)
	}
	if want.FlowInfo != nil {
		p.equal(where+".flowinfo", p.number(where, got["flowinfo"]), *want.FlowInfo)
	}
	if want.FlowInfoRaw != nil {
		p.equal(where+".flowinfo", uint64(bits.ReverseBytes32(uint32(p.number(where, got["flowinfo"])))), *want.FlowInfoRaw)
	}
	if want.ScopeID != nil {
		p.equal(where+".scope_id", p.number(where, got["scope_id"]), *want.ScopeID)
	}
}

// octets compares what the C programs print as octets.
func (p *comparer) octets(where, structure, want string, got map[string]any) {
	p.t.Helper()
	n := len(want)
	name, value := "", ""
	switch structure {
	case "sadb_address":
		name, value = "pad", text(got, "pad", n)
	case "sadb_key":
		name, value = "key", text(got, "key", 0)
	case "sadb_ident":
		if name, value = "identity_hex", text(got, "identity_hex", 0); value == "" {
			name, value = "identity", fmt.Sprintf("%x", got["identity"])
		}
	case "sadb_x_tag":
		name, value = "tag", fmt.Sprintf("%x", got["tag"])
	case "sadb_x_cred", "sadb_x_kmprivate":
		name, value = "data", text(got, "data", 0)
	case "sadb_sens":
		name = "bitmaps"
		for _, list := range []string{"sens_bitmap", "integ_bitmap"} {
			a, _ := got[list].([]any)
			for _, x := range a {
				u := p.number(where, x)
				if p.file.Order == layers.LittleEndian {
					u = bits.ReverseBytes64(u)
				}
				value += fmt.Sprintf("%016x", u)
			}
		}
	default:
		p.t.Errorf("%s: octets of %s?", where, structure)
		return
	}
	// The zeros that end them may be in the file, in the JSON or in neither.
	p.equal(where+"."+name, strings.TrimRight(value, "0"), strings.TrimRight(want, "0"))
}

// text is a member that is a string, or zeros if it is absent.
func text(got map[string]any, name string, zeros int) string {
	if s, is := got[name].(string); is {
		return s
	}
	return strings.Repeat("0", zeros)
}

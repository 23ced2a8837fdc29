package trace_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// Messages for the tables below.

func bare(typ, errno, satype uint8, seq, pid uint32) []byte {
	return with(header(typ, errno, satype, seq, pid), 0)
}

func flush(seq, pid uint32) []byte { return bare(layers.FLUSH, 0, 0, seq, pid) }

func get(seq, pid uint32) []byte {
	return with(header(layers.GET, 0, 3, seq, pid), 0, extSA, extSrc, extDst)
}

func add(seq, pid uint32) []byte {
	return with(header(layers.ADD, 0, 3, seq, pid), 0, extSA, extSA2, extSrc, extDst)
}

// state is what the kernel says of an SA. stamp makes it differ.
func state(typ uint8, seq, pid, stamp uint32) []byte {
	return with(header(typ, 0, 3, seq, pid), stamp, extSA, extHard, extSoft, extCurrent, extSrc, extDst, extSA2)
}

func policy(typ uint8, seq, pid, references uint32) []byte {
	b := with(header(typ, 0, 0, seq, pid), 0, extSrc, extDst, extHard, extSoft, extCurrent, extPolicy)
	b[6] = byte(references)
	return b
}

func promisc(on uint8, seq, pid uint32) []byte { return bare(layers.PROMISC, 0, on, seq, pid) }

// own marks a message as written by the recording program.
type own []byte

// gap marks a message before which others were lost.
type gap []byte

// show gives what was found in one word for each message: "?" or an arrow for the
// direction, then the role, and the number that it is about.
func show(fs []found) string {
	var words []string
	for _, f := range fs {
		w := map[record.Direction]string{record.Unknown: "?", record.FromKernel: "<", record.ToKernel: ">"}[f.dir]
		w += f.role.String()
		if n := f.twinOf + f.replyTo; n != 0 {
			w += fmt.Sprint(n)
		}
		words = append(words, strings.TrimSuffix(w, "unknown"))
	}
	return strings.Join(words, " ")
}

func source(codec layers.Codec, ms []any) *play {
	p := &play{codec: codec, lost: -1}
	for _, m := range ms {
		switch m := m.(type) {
		case []byte:
			p.messages = append(p.messages, message{data: m})
		case own:
			p.messages = append(p.messages, message{data: m, own: true})
		case gap:
			p.messages = append(p.messages, message{data: m, gap: true})
		}
	}
	return p
}

func TestLinux(t *testing.T) {
	const p, q = 412, 500 // processes
	yes := trace.Options{Promisc: record.Yes}
	sure := trace.Options{Promisc: record.Yes, Lossless: true}
	refused := func(b []byte, errno uint8) []byte {
		return bare(b[1], errno, b[3], binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:]))
	}
	spdflush := func(satype uint8) []byte { return bare(layers.SPDFLUSH, 0, satype, 4, p) }
	promiscLong := with(header(layers.PROMISC, 5, 3, 4, p), 0, extSA2)
	wrapped := append(header(layers.PROMISC, 5, 3, 4, p), get(1, p)...)
	wrapped[4] = byte(len(wrapped) / 8)
	migrate := with(header(layers.MIGRATE, 0, 3, 6, p), 0, extPolicy, extSrc, extDst)
	migrated := with(header(layers.MIGRATE, 0, 3, 0, 0), 0, extSrc, extDst, extPolicy)
	asked := with(header(layers.ACQUIRE, 0, 3, 21, 0), 0, extSrc, extDst, extPolicy, extProposal)
	longFlush := with(header(layers.FLUSH, 0, 0, 4, p), 0, extSA)
	brokenEnd := with(header(layers.ADD, 0, 3, 4, p), 0, extSA)
	brokenEnd[16] = 200
	oldVersion := get(4, p)
	oldVersion[0] = 1

	for _, tc := range []struct {
		name string
		o    trace.Options
		in   []any
		want string
	}{
		{"request and answer", yes, []any{get(1, p), state(layers.GET, 1, p, 0)}, ">request <reply1"},
		{"the same question again", yes, []any{get(0, p), state(layers.GET, 0, p, 0), get(0, p), state(layers.GET, 0, p, 0)},
			">request <reply1 >request <reply3"},
		{"broadcast comes twice", yes, []any{add(1, p), state(layers.ADD, 1, p, 0), state(layers.ADD, 1, p, 0)}, ">request <reply1 <twin2"},
		{"error", yes, []any{get(1, p), refused(get(1, p), 3)}, ">request <reply1"},
		{"error that another program overtakes", yes, []any{get(1, p), get(1, q), state(layers.GET, 1, q, 0), refused(get(1, p), 3)},
			">request >request <reply2 <reply1"},
		{"two errors of one program that uses one number", yes, []any{get(0, p), get(0, p), refused(get(0, p), 3), refused(get(0, p), 3)},
			">request >request < <"},
		{"event in between", yes, []any{get(1, p), asked, state(layers.GET, 1, p, 0)}, ">request <event <reply1"},
		{"events of a registered listener", yes, []any{asked, asked}, "<event <twin1"},
		{"kernel's error without a question, or a question with an errno", yes, []any{refused(get(1, p), 3), add(2, p)}, "? >request"},
		{"the same where nothing can be lost", sure, []any{add(2, p), refused(add(2, p), 17), refused(get(1, p), 3)}, ">request <reply1 >request"},
		{"the same where something was lost", yes, []any{get(1, q), gap(refused(get(1, p), 3)), add(2, p)}, ">request < >request"},
		{"question with an errno", yes, []any{bare(layers.REGISTER, 7, 3, 1, p), with(header(layers.REGISTER, 0, 3, 1, p), 0, extSuppAuth, extSuppEnc)},
			">request <reply1"},
		{"bare question with an errno that gets another one", yes, []any{bare(layers.GET, 7, 3, 1, p), bare(layers.GET, 22, 3, 1, p)}, ">request <reply1"},
		{"long question with an errno", yes, []any{append(header(layers.GET, 7, 3, 1, p), get(1, p)[16:]...), state(layers.GET, 1, p, 0)}, ">request <reply1"},

		{"flush of nothing", yes, []any{add(1, p), refused(add(1, p), 17), flush(2, p), flush(2, p)}, ">request <reply1 >request <reply3"},
		{"flush of something", yes, []any{add(1, p), refused(add(1, p), 17), flush(2, p), flush(2, p), flush(2, p), flush(2, p)},
			">request <reply1 >request <reply3 <reply3 <twin5"},
		{"flush by setkey, nothing there", yes, []any{flush(0, p), flush(0, p)}, ">request <reply1"},
		{"flush by setkey, something there or twice", yes, []any{flush(0, p), flush(0, p), flush(0, p), flush(0, p)}, ">request <reply1 ? <"},
		{"flush by setkey, an SA there", yes, []any{state(layers.ADD, 9, q, 0), state(layers.ADD, 9, q, 0), flush(0, p), flush(0, p), flush(0, p), flush(0, p)},
			"<foreign <twin1 >request <reply3 <reply3 <twin5"},
		{"flush by a program that goes on", yes, []any{flush(1, p), flush(1, p), bare(layers.REGISTER, 0, 3, 2, p)}, ">request <reply1 >request"},
		{"flush by an unknown program", yes, []any{flush(201, p), flush(201, p), get(1, q)}, "? < >request"},
		{"flush over netlink, an SA there", yes, []any{state(layers.ADD, 200, p, 0), state(layers.ADD, 200, p, 0), flush(201, p), flush(201, p)},
			"<foreign <twin1 < <twin3"},
		{"flush over netlink by a known program", yes, []any{state(layers.ADD, 1, 0, 0), state(layers.ADD, 1, 0, 0),
			state(layers.ADD, 1, 0, 1), state(layers.ADD, 1, 0, 1), flush(1, 0), flush(1, 0)},
			"<foreign <twin1 <foreign <twin3 <foreign <twin5"},
		{"a single flush", yes, []any{add(1, p), refused(add(1, p), 17), flush(2, p), get(3, p)}, ">request <reply1 ? >request"},
		{"a single flush where nothing can be lost", sure, []any{add(1, p), refused(add(1, p), 17), flush(2, p)}, ">request <reply1 >request"},
		{"flush after a loss", sure, []any{add(1, p), refused(add(1, p), 17), gap(flush(2, p)), flush(2, p)}, ">request <reply1 ? ?"},
		{"three flushes: one was lost", yes, []any{add(1, p), refused(add(1, p), 17), flush(2, p), flush(2, p), flush(2, p), get(3, p)},
			">request <reply1 ? < < >request"},
		{"flush with an extension", yes, []any{longFlush, flush(4, p), get(5, p)}, ">request <reply1 >request"},
		{"flush of an SA type that is none", yes, []any{bare(layers.FLUSH, 0, 5, 1, p), bare(layers.FLUSH, 22, 5, 1, p)}, ">request <reply1"},
		{"SPDFLUSH is told of with SA type 0", yes, []any{add(3, p), refused(add(3, p), 17), spdflush(3), spdflush(3), spdflush(0), spdflush(0)},
			">request <reply1 >request <reply3 <reply3 <twin5"},
		{"the same where nothing was there", yes, []any{add(3, p), refused(add(3, p), 17), spdflush(3), spdflush(3), get(5, p)},
			">request <reply1 >request <reply3 >request"},
		{"the same with one number for all: it may be a further request", yes, []any{spdflush(3), spdflush(3), spdflush(0), spdflush(0)},
			">request <reply1 ? <"},
		{"the same, a policy there", yes, []any{policy(layers.SPDADD, 9, q, 3), policy(layers.SPDADD, 9, q, 3), spdflush(3), spdflush(3), spdflush(0), spdflush(0), spdflush(0), spdflush(0)},
			"<foreign <twin1 >request <reply3 <reply3 <twin5 >request <reply7"},
		{"flush with an errno", yes, []any{bare(layers.FLUSH, 7, 0, 1, p), flush(1, p), get(2, p)}, ">request <reply1 >request"},
		{"flush with an errno, something there", yes, []any{bare(layers.FLUSH, 7, 0, 1, p), flush(1, p), flush(1, p), flush(1, p), get(2, p)},
			">request <reply1 <reply1 <twin3 >request"},
		{"SPDFLUSH with an errno", yes, []any{bare(layers.SPDFLUSH, 7, 3, 4, p), spdflush(3), spdflush(0), spdflush(0), get(5, p)}, ">request <reply1 <reply1 <twin3 >request"},
		{"a flush refused, and one with the same number that is not", yes, []any{bare(layers.FLUSH, 0, 5, 0, p), bare(layers.FLUSH, 22, 5, 0, p),
			flush(0, p), flush(0, p), get(0, p), state(layers.GET, 0, p, 0)}, ">request <reply1 >request <reply3 >request <reply5"},
		{"a flush, and one refused with the same number", yes, []any{flush(0, p), flush(0, p), bare(layers.FLUSH, 0, 5, 0, p), bare(layers.FLUSH, 22, 5, 0, p)},
			">request <reply1 >request <reply3"},

		{"policies show a reference count", yes, []any{policy(layers.SPDADD, 1, p, 0), policy(layers.SPDADD, 1, p, 3), policy(layers.SPDADD, 1, p, 3)},
			">request <reply1 <twin2"},
		{"SPDSETIDX is answered as SPDADD", yes, []any{with(header(layers.SPDSETIDX, 0, 0, 1, p), 0, extPolicy, extSrc, extDst),
			policy(layers.SPDADD, 1, p, 3), policy(layers.SPDADD, 1, p, 3)}, ">request <reply1 <twin2"},
		{"netlink", yes, []any{policy(layers.SPDDELETE, 7, 0, 1), policy(layers.SPDDELETE, 7, 0, 1)}, "<foreign <twin1"},
		{"answer to a lost request", yes, []any{get(1, p), state(layers.GET, 1, p, 0), state(layers.ADD, 2, p, 0), state(layers.ADD, 2, p, 0)},
			">request <reply1 < <twin3"},
		{"an SA that is restored as it was shown, refused", yes, []any{state(layers.ADD, 1, p, 0), refused(add(1, p), 17)}, ">request <reply1"},
		{"an SA that is restored as it was shown, taken", yes, []any{state(layers.ADD, 1, p, 0), state(layers.ADD, 1, p, 9), state(layers.ADD, 1, p, 9)},
			"? <foreign <twin2"},

		{"MIGRATE is answered without a number", yes, []any{migrate, migrated, migrated}, ">request <reply1 <twin2"},
		{"MIGRATE refused, and one over netlink", yes, []any{migrate, refused(migrate, 2), migrated, migrated}, ">request <reply1 <foreign <twin3"},
		{"MIGRATE over netlink", yes, []any{get(1, p), state(layers.GET, 1, p, 0), migrated, migrated}, ">request <reply1 <foreign <twin3"},

		{"key manager reports failure", yes, []any{bare(layers.ACQUIRE, 110, 3, 9, p), get(1, p)}, ">request >request"},
		{"failure with an errno that the kernel also uses, for an ACQUIRE that was seen", yes, []any{asked, bare(layers.ACQUIRE, 22, 3, 21, p)}, "<event >request"},
		{"the same for one that was not", yes, []any{bare(layers.ACQUIRE, 22, 3, 9, p), get(1, p)}, "? >request"},
		{"ACQUIRE with extensions is refused", yes, []any{with(header(layers.ACQUIRE, 0, 3, 9, p), 0, extSrc, extDst), bare(layers.ACQUIRE, 95, 3, 9, p)}, ">request <reply1"},
		{"ACQUIRE without errno", yes, []any{bare(layers.ACQUIRE, 0, 3, 9, p)}, ">request"},
		{"EXPIRE by a process", yes, []any{with(header(layers.EXPIRE, 0, 3, 9, p), 0, extSA), bare(layers.EXPIRE, 95, 3, 9, p)}, ">request <reply1"},
		{"what the kernel never sends", yes, []any{with(header(layers.PCHANGE, 0, 3, 9, 0), 0, extSrc, extDst)}, ">request"},

		{"dump", yes, []any{bare(layers.DUMP, 0, 0, 5, p), state(layers.DUMP, 1, p, 0), state(layers.DUMP, 2, p, 0), state(layers.DUMP, 0, p, 0)},
			">request <reply1 <reply1 <reply1"},
		{"dump of nothing", yes, []any{bare(layers.DUMP, 0, 0, 5, p), bare(layers.DUMP, 2, 0, 5, p)}, ">request <reply1"},
		{"dump while another goes on", yes, []any{bare(layers.DUMP, 0, 0, 5, p), state(layers.DUMP, 1, p, 0), bare(layers.DUMP, 0, 0, 6, p),
			bare(layers.DUMP, 16, 0, 6, p), get(7, p), state(layers.GET, 7, p, 0), state(layers.DUMP, 2, p, 0), state(layers.DUMP, 0, p, 0)},
			">request <reply1 >request <reply3 >request <reply5 <reply1 <reply1"},
		{"two dumps of one process at once", yes, []any{bare(layers.DUMP, 0, 0, 5, p), state(layers.DUMP, 1, p, 0), state(layers.DUMP, 2, p, 0),
			bare(layers.DUMP, 0, 0, 6, p), state(layers.DUMP, 1, p, 1), state(layers.DUMP, 3, p, 0), state(layers.DUMP, 2, p, 1), state(layers.DUMP, 0, p, 0)},
			">request <reply1 <reply1 >request <reply4 <reply1 <reply4 <"},
		{"a dump that fails at its end", yes, []any{bare(layers.DUMP, 0, 0, 5, p), append([]byte{2, 10, 234}, state(layers.DUMP, 0, p, 0)[3:]...)}, ">request <reply1"},
		{"REGISTER seen by a registered listener", yes, []any{bare(layers.REGISTER, 0, 3, 1, p),
			with(header(layers.REGISTER, 0, 3, 1, p), 0, extSuppAuth), with(header(layers.REGISTER, 0, 3, 1, p), 0, extSuppAuth)}, ">request <reply1 <twin2"},

		{"the listener switches itself on", trace.Options{Promisc: record.No}, []any{own(promisc(1, 1, p)), promisc(1, 1, p), promisc(1, 1, p)},
			">request <reply1 <twin2"},
		{"the same, the capture says that it was on", yes, []any{own(promisc(1, 1, p)), promisc(1, 1, p), promisc(1, 1, p)}, ">request <reply1 <twin2"},
		{"the same, the answers are missing", trace.Options{Promisc: record.No}, []any{own(promisc(1, 1, p)), gap(flush(1, q)), get(2, q), state(layers.GET, 2, q, 0), flush(3, q), flush(3, q)},
			">request ? >request <reply3 ? <"},
		{"the same, messages before them are missing", trace.Options{Promisc: record.No}, []any{own(promisc(1, 1, p)), gap(promisc(1, 1, p)), promisc(1, 1, p), get(2, q)},
			">request ? ? >request"},
		{"on and off", trace.Options{Promisc: record.No}, []any{own(promisc(1, 1, p)), promisc(1, 1, p), promisc(1, 1, p), get(2, q), state(layers.GET, 2, q, 0),
			own(promisc(0, 2, p)), promisc(0, 2, p), promisc(0, 2, p), flush(3, q)},
			">request <reply1 <twin2 >request <reply4 >request >twin6 <reply6 <foreign"},
		{"another switches itself on", yes, []any{promisc(1, 1, q), promisc(1, 1, q), promisc(1, 1, q)}, ">request <reply1 <twin2"},
		{"the same, one is missing", yes, []any{promisc(1, 1, q), promisc(1, 1, q), get(2, q)}, "? < >request"},
		{"X_PROMISC sent on", yes, []any{promiscLong, promiscLong, promiscLong}, ">request <reply1 <twin2"},
		{"X_PROMISC with a message in it is refused", yes, []any{wrapped, refused(wrapped, 22)}, ">request <reply1"},
		{"X_PROMISC with a wrong SA type", yes, []any{promisc(7, 1, q), refused(promisc(7, 1, q), 22)}, ">request <reply1"},
		{"own request", yes, []any{own(get(1, p)), get(1, p), state(layers.GET, 1, p, 0), state(layers.GET, 1, p, 0)}, ">request >twin1 <reply1 <twin3"},
		{"own flush", yes, []any{own(add(1, p)), add(1, p), refused(add(1, p), 17), refused(add(1, p), 17),
			own(flush(2, p)), flush(2, p), flush(2, p), flush(2, p), flush(2, p), flush(2, p)},
			">request >twin1 <reply1 <twin3 >request >twin5 <reply5 <twin7 <reply5 <twin9"},
		{"own flush, one is missing", yes, []any{own(add(1, p)), add(1, p), refused(add(1, p), 17), refused(add(1, p), 17),
			own(flush(2, p)), flush(2, p), flush(2, p), get(3, q)},
			">request >twin1 <reply1 <twin3 >request ? < >request"},

		{"plain socket", trace.Options{Promisc: record.No}, []any{own(flush(1, p)), flush(1, p), flush(1, p), flush(9, q), own(get(2, p)), refused(get(2, p), 3),
			state(layers.ADD, 7, q, 0), asked},
			">request <reply1 <reply1 <foreign >request <reply5 <foreign <event"},
		{"nothing known of the socket, until a request is seen", trace.Options{}, []any{flush(1, p), flush(1, p), get(2, p)}, ">request <reply1 >request"},
		{"nothing known of the socket", trace.Options{}, []any{flush(1, p), flush(1, p), state(layers.GET, 2, p, 0)}, "? ? <"},

		{"cannot be framed", yes, []any{brokenEnd, refused(brokenEnd, 22)}, ">request <reply1"},
		{"wrong version", yes, []any{oldVersion}, "?"},
		{"no header", yes, []any{[]byte{2, 3, 0}}, "?"},
		{"nothing", yes, []any{[]byte{}}, "?"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := show(read(t, source(linux, tc.in), tc.o)); got != tc.want {
				t.Errorf("found %q\n want %q", got, tc.want)
			}
		})
	}
}

// TestCut annotates messages of which a snapshot length took the end.
func TestCut(t *testing.T) {
	whole := state(layers.GET, 1, 412, 0)
	for _, tc := range []struct {
		name string
		data []byte
		want record.Direction
	}{
		{"enough is left", whole[:len(whole)-4], record.FromKernel},
		{"too little is left", whole[:16+16+32], record.Unknown},
		{"only the header is left", whole[:16], record.Unknown},
		{"not the kernel's order", get(1, 412)[:16+16+24], record.ToKernel},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := record.Record{Number: 1, Codec: linux, Data: tc.data, OrigLen: len(whole)}
			trace.New(trace.Options{Promisc: record.Yes}).Annotate(&r)
			if r.Dir != tc.want {
				t.Errorf("found %v, want %v", r.Dir, tc.want)
			}
		})
	}
}

func TestOtherDialects(t *testing.T) {
	wrap := func(b []byte, outerSeq uint32) []byte {
		h := header(layers.PROMISC, 0, 0, outerSeq, 0)
		binary.LittleEndian.PutUint16(h[4:], uint16((len(b)+16)/8))
		return append(h, b...)
	}
	answer := with(header(layers.ADD, 0, 3, 1, 412), 0, extSA, extSrc, extDst)
	expired := with(header(layers.EXPIRE, 0, 3, 0, 0), 0, extSA, extCurrent, extHard, extSrc, extDst)
	failed := append(header(layers.ADD, 17, 3, 1, 412), answer[16:]...)
	copy(failed[4:6], answer[4:6])
	dumped := func(seq uint32) []byte { return state(layers.DUMP, seq, 412, 0) }
	for _, tc := range []struct {
		name    string
		dialect layers.Dialect
		o       trace.Options
		in      []any
		want    string
	}{
		{"KAME: only the kernel is heard", layers.FreeBSD, trace.Options{Promisc: record.Yes}, []any{wrap(answer, 0), answer, expired}, "<foreign <twin1 <event"},
		{"KAME: the same answer again is no copy, unless one is wrapped", layers.FreeBSD, trace.Options{Promisc: record.Yes},
			[]any{answer, answer, wrap(answer, 0), wrap(answer, 0)}, "<foreign <foreign <twin1 <twin2"},
		{"KAME: a promiscuous socket's own request", layers.NetBSD, trace.Options{Promisc: record.Yes},
			[]any{own(flush(1, 412)), wrap(flush(1, 412), 0), flush(1, 412), own(flush(1, 412)), wrap(flush(1, 412), 0), flush(1, 412)},
			">request <reply1 <twin2 >request <reply4 <twin5"},
		{"KAME: dumps count down", layers.FreeBSD, trace.Options{Promisc: record.Yes}, []any{own(bare(layers.DUMP, 0, 0, 7, 412)),
			wrap(dumped(1), 0), dumped(1), wrap(dumped(0), 0), dumped(0), own(bare(layers.DUMP, 0, 0, 7, 412)), bare(layers.DUMP, 2, 0, 7, 412)},
			">request <reply1 <twin2 <reply1 <twin4 >request <reply6"},
		{"KAME: own request", layers.NetBSD, trace.Options{Promisc: record.No}, []any{own(answer), answer}, ">request <reply1"},
		{"KAME: an error has the whole request", layers.FreeBSD, trace.Options{Promisc: record.No}, []any{own(answer), failed}, ">request <reply1"},
		{"illumos", layers.Illumos, trace.Options{}, []any{own(flush(1, 412)), flush(1, 412)}, ">request <reply1"},
		{"illumos: nothing comes twice", layers.Illumos, trace.Options{Promisc: record.Yes}, []any{flush(1, 412), flush(1, 412)}, "<foreign <foreign"},
		{"illumos: a header ends a dump", layers.Illumos, trace.Options{}, []any{own(bare(layers.DUMP, 0, 0, 0, 412)), dumped(0), dumped(0),
			bare(layers.DUMP, 3, 0, 0, 412), dumped(0)}, ">request <reply1 <reply1 <reply1 <foreign"},
		{"illumos: a type that it does not know", layers.Illumos, trace.Options{}, []any{own(bare(99, 0, 0, 5, 412)), bare(0, 22, 0, 5, 412)},
			">request <reply1"},
		{"OpenBSD: only the last of a dump has number 0", layers.OpenBSD, trace.Options{}, []any{own(bare(layers.DUMP, 0, 0, 7, 412)), dumped(7), dumped(7),
			dumped(0), dumped(7)}, ">request <reply1 <reply1 <reply1 <foreign"},
		{"OpenBSD: where all have number 0 the last is not known", layers.OpenBSD, trace.Options{}, []any{own(bare(layers.DUMP, 0, 0, 0, 412)), dumped(0), dumped(0)},
			">request <reply1 <reply1"},
		{"OpenBSD: the wrapper tells", layers.OpenBSD, trace.Options{Promisc: record.Yes}, []any{wrap(add(1, 412), 412), answer, wrap(get(2, 412), 412), wrap(answer, 0)},
			">request <reply1 >request <twin2"},
		{"OpenBSD: flush", layers.OpenBSD, trace.Options{Promisc: record.Yes}, []any{wrap(flush(1, 412), 412), flush(1, 412)}, ">request <reply1"},
		{"RFC 2367 does not tell", layers.RFC2367, trace.Options{}, []any{own(get(1, 412)), answer, wrap(answer, 0)}, ">request ? ?"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			codec := layers.Codec{Dialect: tc.dialect, Order: layers.LittleEndian}
			if got := show(read(t, source(codec, tc.in), tc.o)); got != tc.want {
				t.Errorf("found %q\n want %q", got, tc.want)
			}
		})
	}
}

func TestRoleString(t *testing.T) {
	for role, want := range map[trace.Role]string{trace.Unknown: "unknown", trace.Request: "request", trace.Reply: "reply",
		trace.Event: "event", trace.Foreign: "foreign", trace.Twin: "twin", 200: "unknown"} {
		if got := role.String(); got != want {
			t.Errorf("Role(%d) is %q, want %q", role, got, want)
		}
	}
}

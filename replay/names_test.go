package replay_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/filter"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

func TestParseMaps(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"10.0.0.0/24=192.0.2.0/24", "10.0.0.0/24=192.0.2.0/24"},
		{"10.0.0.1=192.0.2.7", "10.0.0.1/32=192.0.2.7/32"},
		{"2001:db8::/33=2001:db8:8000::/33", "2001:db8::/33=2001:db8:8000::/33"},
		{"0.0.0.0/0=0.0.0.0/0", "0.0.0.0/0=0.0.0.0/0"},
		{"10.0.0.1", "want OLD=NEW"},
		{"10.0.0.1=", "is no address"},
		{"x=10.0.0.1", "is no address"},
		{"fe80::1%eth0=fe80::2", "is no address"},
		{"10.0.0.0/8=10.0.0.0/9", "of the same length"},
		{"10.0.0.0/33=10.0.0.0/33", "is no prefix"},
		{"10.0.0.1/8=11.0.0.0/8", "did you mean 10.0.0.0/8?"},
		{"10.0.0.1=::1", "both have to be IPv4 or both IPv6"},
	} {
		m, err := replay.ParseAddrMap(test.in)
		if got := m.String(); err == nil && got != test.want || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, %v", test.in, m, err)
		}
	}
	for _, test := range []struct{ in, want string }{
		{"7=8", "7=8"}, {"0x10=0x3fff", "16=16383"}, {"4294967295=1", "4294967295=1"},
		{"7", "want OLD=NEW"}, {"7=0", "is no request id"}, {"0=7", "is no request id"},
		{"1=16384", "from 1 to 16383"}, {"1=x", "is no request id"}, {"4294967296=1", "is no request id"},
	} {
		m, err := replay.ParseReqIDMap(test.in)
		if got := m.String(); err == nil && got != test.want || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, %v", test.in, m, err)
		}
	}
}

// Addresses and request ids are others wherever they stand, in what is sent and in
// what is expected.
func TestNames(t *testing.T) {
	addr := func(s string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(s), 0) }
	tunnel := func(src, dst string, reqid uint32) layers.Extension {
		return &layers.Policy{Type: 2, Dir: 2, List: little.AppendRequest(nil, layers.Request{
			Proto: 50, Mode: 2, Level: 3, ReqID: reqid,
			Sockaddrs: little.AppendPair(nil, addr(src), addr(dst)),
		})}
	}
	message := func(local, remote, other, six string, reqid uint32, typ uint8) []byte {
		return enc(layers.Base{Type: typ, SAType: layers.SATypeESP, Seq: 1},
			&layers.SA{SPI: spi1},
			little.NewAddress(layers.LayerTypeAddressSrc, addr(local), 32, 0),
			little.NewAddress(layers.LayerTypeAddressDst, addr(remote), 32, 0),
			little.NewAddress(layers.LayerTypeAddressProxy, addr(six), 128, 0),
			little.NewAddress(layers.LayerTypeNATTOA, addr(other), 32, 0),
			&layers.SA2{Mode: 1, ReqID: reqid},
			tunnel(local, remote, reqid))
	}
	asked := message("10.0.0.1", "10.0.1.129", "10.9.9.9", "2001:db8::1", 7, layers.ADD)
	sent := message("172.16.0.1", "172.16.1.129", "192.0.2.7", "2001:db8:8000::1", 70, layers.ADD)
	s := &said{}
	s.ask(asked, asked)
	p, err := replay.NewPlan(s, replay.PlanOptions{
		Addrs:  []replay.AddrMap{addrMap(t, "10.9.9.9=192.0.2.7"), addrMap(t, "10.0.0.0/15=172.16.0.0/15"), addrMap(t, "2001:db8::/33=2001:db8:8000::/33"), addrMap(t, "10.0.0.0/8=9.0.0.0/8")},
		ReqIDs: []replay.ReqIDMap{{Old: 7, New: 70}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, p, replaytest.Step{Want: sent, Answers: [][]byte{sent}})
	if r.Equal != 1 {
		t.Error(text(t, r, true))
	}
	var fields []string
	for _, w := range r.Exchanges[0].Rewrites {
		fields = append(fields, w.Field)
	}
	want := "[address_src.addr address_dst.addr address_proxy.addr nat_t_oa.addr sa2.reqid policy.requests[0].reqid policy.requests[0].src.addr policy.requests[0].dst.addr]"
	if got := fmt.Sprint(fields); got != want {
		t.Errorf("rewrites %s, want %s", got, want)
	}
	if got := steps(p); !strings.Contains(got, "ADD esp 172.16.0.1 > 172.16.1.129") || !strings.Contains(got, "address_src.addr 10.0.0.1 → 172.16.0.1 (--map-addr)") {
		t.Error(got)
	}
}

// Two names that would become one would make another conversation.
func TestNamesClash(t *testing.T) {
	for _, test := range []struct {
		o     replay.PlanOptions
		words string
	}{
		{replay.PlanOptions{Addrs: []replay.AddrMap{addrMap(t, "10.0.0.1=10.0.0.2")}}, "10.0.0.1 and 10.0.0.2 would both be 10.0.0.2"},
		{replay.PlanOptions{Addrs: []replay.AddrMap{addrMap(t, "10.0.0.1=10.9.9.9"), addrMap(t, "10.0.0.2=10.9.9.9")}}, "would both be 10.9.9.9"},
		{replay.PlanOptions{Addrs: []replay.AddrMap{addrMap(t, "10.0.0.1=10.0.0.2"), addrMap(t, "10.0.0.2=10.0.0.1")}}, ""},
		{replay.PlanOptions{ReqIDs: []replay.ReqIDMap{{Old: 7, New: 8}}}, "7 and 8 would both be 8"},
		{replay.PlanOptions{ReqIDs: []replay.ReqIDMap{{Old: 7, New: 8}, {Old: 8, New: 7}}}, ""},
	} {
		s := &said{}
		s.ask(spd(layers.SPDADD, 1, 0, 7, false), spd(layers.SPDADD, 1, 8, 7, true))
		s.ask(spd(layers.SPDUPDATE, 2, 0, 8, false), spd(layers.SPDUPDATE, 2, 8, 8, true))
		_, err := replay.NewPlan(s, test.o)
		if test.words == "" && err != nil || test.words != "" && (!errors.Is(err, replay.ErrMap) || !strings.Contains(err.Error(), test.words)) {
			t.Errorf("%v: %v", test.o, err)
		}
	}
}

// After a mapping no address of the old prefix is left in what a plan sends, in any
// fixture, and the conversation is the same: mapped back it is what was recorded.
func TestNamesOfFixtures(t *testing.T) {
	there := []replay.AddrMap{addrMap(t, "10.0.0.0/8=11.0.0.0/8"), addrMap(t, "192.0.2.0/24=203.0.113.0/24"), addrMap(t, "2001:db8::/32=2001:db9::/32")}
	old := `cidr(address_src.addr, "10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32") || cidr(address_dst.addr, "10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32") || cidr(policy.requests.src.addr, "10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32")`
	match, err := filter.Compile(old, filter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mapped := 0
	for _, path := range fixtures(t) {
		list, promisc := load(t, path, true)
		plain, err := replay.NewPlan(traced(list, promisc), replay.PlanOptions{})
		if errors.Is(err, replay.ErrNoRequests) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		plan, err := replay.NewPlan(traced(list, promisc), replay.PlanOptions{Addrs: there})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for i := range plan.Steps {
			a, b := &plain.Steps[i], &plan.Steps[i]
			if a.Action != b.Action || a.Socket != b.Socket || (a.Reason == "") != (b.Reason == "") {
				t.Errorf("%s: #%d is %s %q without the map and %s %q with it", path, a.Record, a.Action, a.Reason, b.Action, b.Reason)
			}
		}
		target, err := replaytest.Recording(traced(list, promisc))
		if err != nil {
			t.Fatal(err)
		}
		_, err = replay.Run(t.Context(), plan, target, replay.RunOptions{Observe: func(o *replay.Observed) {
			r := list[0].Clone()
			r.Codec, r.Data, r.True, r.OrigLen = o.Codec, o.Data, nil, len(o.Data)
			if o.Dir == 2 && match.Match(r) {
				t.Errorf("%s: #%d is sent with an old address", path, o.Record)
			}
			mapped++
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if mapped == 0 {
		t.Error("nothing was sent")
	}
}

package trace_test

import (
	"slices"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// kinds are the kinds of what is found in what a kernel says, with their first record.
func kinds(t *testing.T, codec layers.Codec, say func(k *kernel)) map[trace.FindingKind]uint64 {
	t.Helper()
	f := trace.NewFindings(trace.FindingOptions{ID: func(_ *record.Record, secret []byte, _ int) (id [4]byte) {
		copy(id[:], secret)
		return id
	}})
	say(&kernel{t: t, codec: codec, to: f.Add})
	f.Finish()
	got := map[trace.FindingKind]uint64{}
	list, _ := f.All()
	for _, x := range list {
		if x.Text == "" || x.Why == "" || len(x.Records) == 0 || x.Count == 0 {
			t.Errorf("a finding without %+v", x)
		}
		if _, ok := got[x.Kind]; !ok {
			got[x.Kind] = x.Records[0]
		}
	}
	return got
}

// TestFindings: what each kind is found in, and what it is not.
func TestFindings(t *testing.T) {
	const a, b, esp = "10.0.0.1", "10.0.0.2", layers.SATypeESP
	hard, soft := layers.For(layers.LayerTypeLifetimeHard), layers.For(layers.LayerTypeLifetimeSoft)
	limits := func(s, h uint64) []layers.Extension { return []layers.Extension{limit(soft, s), limit(hard, h)} }
	ok := limits(3000, 3600)
	with := func(list []layers.Extension, more ...layers.Extension) []layers.Extension {
		return append(slices.Clone(list), more...)
	}
	used := &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeCurrent), Bytes: 9}
	key := func(first byte) layers.Extension {
		return linux.NewKey(layers.LayerTypeKeyEncrypt, append([]byte{first}, make([]byte, 15)...))
	}
	policy := &layers.Policy{Type: 2, Dir: 2, ID: 9}
	wants := func(id, reqid uint32) layers.Extension {
		return &layers.Policy{Type: 2, Dir: 2, ID: id, List: linux.AppendRequest(nil, layers.Request{Proto: 50, Mode: 1, Level: 3, ReqID: reqid})}
	}
	for _, tc := range []struct {
		name string
		say  func(k *kernel)
		want map[trace.FindingKind]uint64
	}{
		{"nothing", func(k *kernel) {
			k.says(layers.GETSPI, esp, 0x100, a, b)
			k.says(layers.UPDATE, esp, 0x100, a, b, ok...)
		}, map[trace.FindingKind]uint64{}},
		{"acquire, answered by its ends", func(k *kernel) {
			k.event(layers.ACQUIRE, esp, a, b, policy)
			k.says(layers.ADD, esp, 0x100, a, b, ok...)
		}, map[trace.FindingKind]uint64{}},
		{"acquire, another answered", func(k *kernel) {
			k.event(layers.ACQUIRE, esp, a, b, policy)
			k.says(layers.ADD, esp, 0x100, a, "10.0.0.9", ok...)
		}, map[trace.FindingKind]uint64{trace.UnansweredAcquire: 1}},
		{"acquire, answered for another policy", func(k *kernel) {
			k.says(layers.SPDADD, 0, 0, a, b, wants(9, 40))
			k.event(layers.ACQUIRE, esp, a, b, policy)
			k.says(layers.ADD, esp, 0x100, a, b, with(ok, &layers.SA2{Mode: 1, ReqID: 41})...)
		}, map[trace.FindingKind]uint64{trace.UnansweredAcquire: 2}},
		{"acquire, answered for its policy", func(k *kernel) {
			k.says(layers.SPDADD, 0, 0, a, b, wants(9, 40))
			k.event(layers.ACQUIRE, esp, a, b, policy)
			k.says(layers.ADD, esp, 0x100, a, b, with(ok, &layers.SA2{Mode: 1, ReqID: 40})...)
		}, map[trace.FindingKind]uint64{}},
		{"acquire, the answer refused", func(k *kernel) {
			k.event(layers.ACQUIRE, esp, a, b, policy)
			k.errno = 22
			k.says(layers.ADD, esp, 0x100, a, b, ok...)
		}, map[trace.FindingKind]uint64{trace.UnansweredAcquire: 1}},
		{"flood", func(k *kernel) {
			for range 10 {
				k.event(layers.ACQUIRE, esp, a, b, policy)
			}
		}, map[trace.FindingKind]uint64{trace.UnansweredAcquire: 1, trace.AcquireFlood: 1}},
		{"flood, after a quiet time", func(k *kernel) {
			k.event(layers.ACQUIRE, esp, a, b, policy)
			k.n += 6
			for range 10 {
				k.event(layers.ACQUIRE, esp, a, b, policy)
			}
		}, map[trace.FindingKind]uint64{trace.UnansweredAcquire: 1, trace.AcquireFlood: 8}},
		{"no flood: slower", func(k *kernel) {
			for range 10 {
				k.event(layers.ACQUIRE, esp, a, b, policy)
				k.n += 2
			}
		}, map[trace.FindingKind]uint64{trace.UnansweredAcquire: 1}},
		{"larval", func(k *kernel) {
			k.says(layers.GETSPI, esp, 0x100, a, b)
			k.says(layers.EXPIRE, esp, 0x100, a, b, limit(hard, 1))
		}, map[trace.FindingKind]uint64{trace.LeakedLarval: 1}},
		{"larval, given up", func(k *kernel) {
			k.says(layers.GETSPI, esp, 0x100, a, b)
			k.says(layers.DELETE, esp, 0x100, a, b)
		}, map[trace.FindingKind]uint64{}},
		{"deleted, with traffic", func(k *kernel) {
			k.says(layers.ADD, esp, 0x100, a, b, ok...)
			k.says(layers.DELETE, esp, 0x100, a, b, with(ok, used)...)
		}, map[trace.FindingKind]uint64{trace.DeletedInUse: 2}},
		{"deleted, with a successor", func(k *kernel) {
			k.says(layers.ADD, esp, 0x100, a, b, ok...)
			k.says(layers.ADD, esp, 0x101, a, b, ok...)
			k.says(layers.DELETE, esp, 0x100, a, b, with(ok, used)...)
		}, map[trace.FindingKind]uint64{}},
		{"deleted, and asked for", func(k *kernel) {
			k.says(layers.ADD, esp, 0x100, a, b, ok...)
			k.says(layers.DELETE, esp, 0x100, a, b, ok...)
			k.event(layers.ACQUIRE, esp, a, b, policy)
		}, map[trace.FindingKind]uint64{trace.DeletedInUse: 2, trace.UnansweredAcquire: 3}},
		{"expired, with traffic", func(k *kernel) {
			k.says(layers.ADD, esp, 0x100, a, b, ok...)
			k.event(layers.EXPIRE, esp, a, b, &layers.SA{SPI: 0x100, State: 3}, used, limit(hard, 3600))
		}, map[trace.FindingKind]uint64{trace.ExpiredInUse: 2}},
		{"expired, asked for on behalf of another policy", func(k *kernel) {
			k.says(layers.SPDADD, 0, 0, a, b, wants(9, 40))
			k.says(layers.ADD, esp, 0x100, a, b, ok...)
			k.event(layers.EXPIRE, esp, a, b, &layers.SA{SPI: 0x100, State: 3}, limit(hard, 3600))
			k.event(layers.ACQUIRE, esp, a, b, policy)
		}, map[trace.FindingKind]uint64{trace.UnansweredAcquire: 4}},
		{"expired, and asked for", func(k *kernel) {
			k.says(layers.ADD, esp, 0x100, a, b, ok...)
			k.event(layers.EXPIRE, esp, a, b, &layers.SA{SPI: 0x100, State: 3}, limit(hard, 3600))
			k.event(layers.ACQUIRE, esp, a, b, policy)
		}, map[trace.FindingKind]uint64{trace.ExpiredInUse: 2, trace.UnansweredAcquire: 3}},
		{"expired before its successor", func(k *kernel) {
			k.says(layers.ADD, esp, 0x100, a, b, ok...)
			k.event(layers.EXPIRE, esp, a, b, &layers.SA{SPI: 0x100}, limit(soft, 3000))
			k.event(layers.EXPIRE, esp, a, b, &layers.SA{SPI: 0x100, State: 3}, limit(hard, 3600))
			k.says(layers.ADD, esp, 0x101, a, b, ok...)
		}, map[trace.FindingKind]uint64{trace.ExpiredInUse: 2}},
		{"expired after its successor came", func(k *kernel) {
			k.says(layers.ADD, esp, 0x100, a, b, ok...)
			k.event(layers.EXPIRE, esp, a, b, &layers.SA{SPI: 0x100}, limit(soft, 3000))
			k.says(layers.ADD, esp, 0x101, a, b, ok...)
			k.event(layers.EXPIRE, esp, a, b, &layers.SA{SPI: 0x100, State: 3}, used, limit(hard, 3600))
		}, map[trace.FindingKind]uint64{}},
		{"no limits", func(k *kernel) { k.says(layers.ADD, esp, 0x100, a, b) }, map[trace.FindingKind]uint64{trace.LifetimeNever: 1}},
		{"hard only", func(k *kernel) { k.says(layers.ADD, esp, 0x100, a, b, limit(hard, 9)) }, map[trace.FindingKind]uint64{trace.LifetimeNever: 1}},
		{"soft after hard", func(k *kernel) { k.says(layers.ADD, esp, 0x100, a, b, limits(9, 8)...) }, map[trace.FindingKind]uint64{trace.LifetimeNever: 1}},
		{"overdue", func(k *kernel) {
			k.says(layers.ADD, esp, 0x100, a, b, limits(9, 100)...)
			k.says(layers.ADD, esp, 0x200, b, a, ok...)
			k.n += 20
			k.says(layers.EXPIRE, esp, 0x200, b, a, limit(soft, 3000))
		}, map[trace.FindingKind]uint64{trace.LifetimeNever: 1}},
		{"overdue, where no EXPIRE is heard", func(k *kernel) {
			k.says(layers.ADD, esp, 0x100, a, b, limits(9, 100)...)
			k.n += 20
			k.says(layers.ADD, esp, 0x200, b, a, ok...)
		}, map[trace.FindingKind]uint64{}},
		{"made twice", func(k *kernel) {
			k.says(layers.ADD, esp, 0x100, a, b, ok...)
			k.says(layers.ADD, esp, 0x100, a, b, ok...)
		}, map[trace.FindingKind]uint64{trace.DuplicateSPI: 1}},
		{"refused", func(k *kernel) {
			k.errno = 17
			k.says(layers.ADD, esp, 0, "", "")
		}, map[trace.FindingKind]uint64{trace.DuplicateSPI: 1}},
		{"the same key again", func(k *kernel) {
			k.says(layers.ADD, esp, 0x100, a, b, with(ok, key(1))...)
			k.says(layers.ADD, esp, 0x101, a, b, with(ok, key(1))...)
		}, map[trace.FindingKind]uint64{trace.KeyReuse: 1}},
		{"other keys, other ends", func(k *kernel) {
			k.says(layers.ADD, esp, 0x100, a, b, with(ok, key(1))...)
			k.says(layers.ADD, esp, 0x101, a, b, with(ok, key(2))...)
			k.says(layers.ADD, esp, 0x102, a, "10.0.0.9", with(ok, key(1))...)
		}, map[trace.FindingKind]uint64{}},
		{"reserved octets", func(k *kernel) {
			k.says(layers.ADD, esp, 0x100, a, b, with(ok, &layers.SA2{Mode: 1, Reserved2: 7})...)
		}, map[trace.FindingKind]uint64{trace.MemoryLeak: 1}},
		{"DES and MD5", func(k *kernel) {
			k.says(layers.ADD, esp, 0, a, b, with(ok, &layers.SA{SPI: 1, Encrypt: 2, Auth: 2})...)
		}, map[trace.FindingKind]uint64{trace.WeakAlgorithm: 1}},
		{"no authentication", func(k *kernel) {
			k.says(layers.ADD, esp, 0, a, b, with(ok, &layers.SA{SPI: 1, Encrypt: 12})...)
		}, map[trace.FindingKind]uint64{trace.WeakAlgorithm: 1}},
		{"SHA-256 on Linux", func(k *kernel) {
			k.says(layers.ADD, esp, 0, a, b, with(ok, &layers.SA{SPI: 1, Encrypt: 12, Auth: 5})...)
		}, map[trace.FindingKind]uint64{trace.WeakAlgorithm: 1}},
		{"flush", func(k *kernel) { k.says(layers.FLUSH, 0, 0, "", "") }, map[trace.FindingKind]uint64{trace.FlushedBy: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := kinds(t, linux, tc.say)
			if len(got) != len(tc.want) {
				t.Fatalf("found %v, want %v", got, tc.want)
			}
			for k, n := range tc.want {
				if got[k] != n {
					t.Errorf("found %v, want %v", got, tc.want)
				}
			}
		})
	}
}

// TestFindingsMemory: more findings, ACQUIREs and keys take no more memory.
func TestFindingsMemory(t *testing.T) {
	f := trace.NewFindings(trace.FindingOptions{Max: 500, ID: func(_ *record.Record, secret []byte, _ int) (id [4]byte) {
		copy(id[:], secret)
		return id
	}})
	k := &kernel{t: t, codec: linux, to: f.Add}
	run := func(n int) {
		for range n {
			spi := uint32(k.n) + 256
			b := []byte{byte(k.n), byte(k.n >> 8), byte(k.n >> 16), 1, 15: 0}
			k.says(layers.ADD, layers.SATypeESP, spi, "10.0.0.1", "10.0.0.2", linux.NewKey(layers.LayerTypeKeyEncrypt, b))
			k.event(layers.ACQUIRE, layers.SATypeESP, "10.0.0.1", "10.0.0.2", &layers.Policy{ID: spi})
			k.says(layers.DELETE, layers.SATypeESP, spi, "10.0.0.1", "10.0.0.2")
		}
	}
	run(5000)
	before := heap()
	run(20_000)
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("%d bytes more in use after 60,000 more records", grown)
	}
	f.Finish()
	list, more := f.All()
	if len(list) > 1000 || more == 0 {
		t.Errorf("%d findings and %d more", len(list), more)
	}
}

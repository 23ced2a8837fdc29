package render_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/render"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

func TestLifetimesOnTheLine(t *testing.T) {
	const made = 1_700_000_000
	type lifetime = layers.Lifetime
	make := func(meaning gopacket.LayerType) func(lifetime) layers.Extension {
		return func(x lifetime) layers.Extension {
			x.Header = layers.For(meaning)
			return &x
		}
	}
	soft, hard, current := make(layers.LayerTypeLifetimeSoft), make(layers.LayerTypeLifetimeHard), make(layers.LayerTypeLifetimeCurrent)
	for _, test := range []struct {
		name string
		typ  uint8
		ext  []layers.Extension
		at   int64 // seconds since made; negative: the record has no time
		want string
	}{
		{"none set", layers.ADD, []layers.Extension{soft(lifetime{}), hard(lifetime{})}, 0, ""},
		{"time", layers.ADD, []layers.Extension{soft(lifetime{AddTime: 3000}), hard(lifetime{AddTime: 3600})}, 0, "soft=50m hard=1h"},
		{"every limit", layers.ADD, []layers.Extension{hard(lifetime{AddTime: 90, UseTime: 60, Bytes: 1 << 20, Allocations: 7})}, 0, "hard=1m30s,use:1m,1048576B,allocations:7"},
		{"bytes only", layers.UPDATE, []layers.Extension{hard(lifetime{Bytes: 5})}, 0, "hard=5B"},
		{"a time that is none", layers.ADD, []layers.Extension{hard(lifetime{AddTime: 1<<64 - 1})}, 0, "hard=18446744073709551615s"},
		{"just made", layers.ADD, []layers.Extension{hard(lifetime{AddTime: 60}), current(lifetime{AddTime: made, Bytes: 1})}, 5, "hard=1m"},
		{"alive", layers.DUMP, []layers.Extension{soft(lifetime{AddTime: 3000}), hard(lifetime{AddTime: 3600}), current(lifetime{AddTime: made, Bytes: 1234})}, 900, "soft=50m hard=1h age=15m left=45m bytes=1234"},
		{"use ends first", layers.GET, []layers.Extension{hard(lifetime{AddTime: 3600, UseTime: 100}), current(lifetime{AddTime: made, UseTime: made + 10})}, 20, "hard=1h,use:1m40s age=20s left=1m30s"},
		{"not used yet", layers.GET, []layers.Extension{hard(lifetime{AddTime: 3600, UseTime: 100}), current(lifetime{AddTime: made})}, 20, "hard=1h,use:1m40s age=20s left=59m40s"},
		{"overdue", layers.DUMP, []layers.Extension{hard(lifetime{AddTime: 10}), current(lifetime{AddTime: made})}, 20, "hard=10s age=20s left=0s"},
		{"without limits", layers.DUMP, []layers.Extension{current(lifetime{AddTime: made})}, 0, "age=0s"},
		{"a clock that was set back", layers.DUMP, []layers.Extension{hard(lifetime{AddTime: 10}), current(lifetime{AddTime: made + 1})}, 0, "hard=10s"},
		{"no time", layers.DUMP, []layers.Extension{hard(lifetime{AddTime: 10}), current(lifetime{AddTime: made, Bytes: 3})}, -1, "hard=10s bytes=3"},
		{"deleted", layers.DELETE, []layers.Extension{hard(lifetime{AddTime: 10}), current(lifetime{AddTime: made})}, 5, "hard=10s age=5s"},
		{"soft EXPIRE", layers.EXPIRE, []layers.Extension{soft(lifetime{AddTime: 20}), current(lifetime{AddTime: made})}, 20, "soft=20s age=20s"},
		{"hard EXPIRE", layers.EXPIRE, []layers.Extension{soft(lifetime{AddTime: 20}), hard(lifetime{AddTime: 30}), current(lifetime{AddTime: made})}, 30, "hard=30s age=30s"},
		{"EXPIRE without the limit", layers.EXPIRE, []layers.Extension{hard(lifetime{}), current(lifetime{AddTime: made})}, 30, "hard age=30s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			codec := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
			b, err := codec.Encode(&layers.Base{Type: test.typ, SAType: layers.SATypeESP, Seq: 1}, test.ext...)
			if err != nil {
				t.Fatal(err)
			}
			r := &record.Record{Number: 1, Codec: codec, Data: b, OrigLen: len(b)}
			if test.at >= 0 {
				r.Time = time.Unix(made+test.at, 0)
			}
			line := string(render.New(render.Options{Time: render.NoTime}).Append(nil, r))
			_, got, _ := strings.Cut(line, " esp")
			got, _, _ = strings.Cut(got, "seq=1")
			if got = strings.TrimSpace(got); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

package seed

import (
	"encoding/hex"
	"time"

	"github.com/pfkeycap/pfkeycap/fuzz/engine"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/gen"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
	"github.com/pfkeycap/pfkeycap/record/convert"
)

// epoch is the time of generated records.
func epoch() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// written are texts in setkey's language, which messages are not written in here.
var written = [...]string{
	"# comment\nadd 10.0.0.1 10.0.0.2 esp 0x1234 -m tunnel -E aes-cbc 0x00112233445566778899aabbccddeeff -A hmac-sha1 \"01234567890123456789\";\n",
	"spdadd 10.0.0.0/24[any] 192.0.2.0/24[80] tcp -P out ipsec esp/tunnel/10.0.0.1-10.0.0.2/require ah/transport//use;\n",
	"get 2001:db8::1 2001:db8::2 ah 256;\ndump esp;\nflush;\nspdflush;\nspddump;\ndelete 10.0.0.1 10.0.0.2 ipcomp 0x100;\n",
}

// texts are seeds for the readers of other forms: messages of every dialect in
// those that can be written here, and what is written above.
func texts(s *Set, add func(args ...any)) {
	for i, form := range convert.Forms() {
		for n := range uint8(2 * len(layers.Dialects())) {
			g := gen.New(engine.Codec(n), uint64(n), gen.Options{Valid: n&2 == 0})
			var text []byte
			for range 3 {
				msg, _ := g.Next(nil)
				switch form {
				case convert.Hex:
					text = append(hex.AppendEncode(text, msg), " # a message\n"...)
				case convert.JSON:
					text = append(pfjson.Append(text, &pfjson.Record{Number: 1, Time: epoch(), Codec: g.Codec(), Data: msg}, pfjson.Options{ShowKeys: true}), '\n')
				}
			}
			if len(text) > 0 {
				add(uint8(i), n, text)
			}
		}
		if form == convert.Setkey {
			for _, text := range written {
				add(uint8(i), uint8(2), []byte(text))
			}
		}
	}
}

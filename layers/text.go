package layers

import (
	"encoding/hex"
	"strconv"

	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// AppendValue appends a value as text: numbers with their names as 3(ESP), SPIs
// as 0x00001234, octets as hex. Of a secret it gives only the length.
func AppendValue(dst []byte, d Dialect, f *Field, v *Value) []byte {
	switch v.Kind {
	case Addr:
		return v.Addr.AppendTo(dst)
	case Text:
		return strconv.AppendQuote(dst, string(v.Bytes))
	case Hex:
		return hex.AppendEncode(dst, v.Bytes)
	case Hidden:
		return append(dst, Secret(v.Bytes).String()...)
	}
	switch f.Sem {
	case shape.SPI:
		return appendSPI(dst, uint32(v.Uint))
	case shape.Flags:
		dst = append(dst, "0x"...)
		dst = strconv.AppendUint(dst, v.Uint, 16)
		if v.Uint == 0 {
			return dst
		}
		for i, n := range d.FlagNames(f.Enum, uint32(v.Uint)) {
			if i == 0 {
				dst = append(dst, '(')
			} else {
				dst = append(dst, '|')
			}
			dst = append(dst, n...)
		}
		return append(dst, ')')
	}
	dst = strconv.AppendUint(dst, v.Uint, 10)
	if v.Name != "" {
		dst = append(dst, '(')
		dst = append(dst, v.Name...)
		dst = append(dst, ')')
	}
	return dst
}

func appendSPI(dst []byte, spi uint32) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, "0x"...)
	for s := 28; s >= 0; s -= 4 {
		dst = append(dst, digits[spi>>s&15])
	}
	return dst
}

// extensionString shows an extension on one line, without secrets.
func extensionString(x Extension) string {
	h := *x.Head()
	if h.Contents == nil {
		if h.kind.code() == 0 {
			return x.LayerType().String()
		}
		b, _, err := appendExtensions(nil, []Extension{x}, h.Codec().Dialect.table(), h.Codec().writing(true))
		if err != nil {
			return x.LayerType().String()
		}
		h.Contents = b
	}
	line := line{dialect: h.Codec().Dialect, out: []byte(h.Name())}
	walkExtension(&h, &line)
	return string(line.out)
}

// line is a Visitor that writes one extension on one line.
type line struct {
	noVisit
	dialect Dialect
	out     []byte
}

// Field writes the field as name=value.
func (l *line) Field(f *Field, v *Value) {
	if f.Sem == shape.Reserved && v.Zero() {
		return
	}
	l.out = append(l.out, ' ')
	if f.Name != "" {
		l.out = append(l.out, f.Name...)
		l.out = append(l.out, '=')
	}
	l.out = AppendValue(l.out, l.dialect, f, v)
}

// Open writes the name of a group and its bracket.
func (l *line) Open(k NodeKind, name string) {
	l.out = append(l.out, ' ')
	l.out = append(l.out, name...)
	l.out = append(l.out, "[{{"[k])
}

// Close writes the closing bracket.
func (l *line) Close(k NodeKind) { l.out = append(l.out, "]}}"[k]) }

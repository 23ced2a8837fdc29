package pfjson

import (
	"strconv"
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. Control characters, also those that
// only terminals act on, are escaped. Octets that are not UTF-8 become U+FFFD.
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			dst = append(dst, s[from:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, `\n`...)
			case '\t':
				dst = append(dst, `\t`...)
			default:
				dst = appendEscape(dst, rune(c))
			}
			i++
			from = i
			continue
		}
		// A short array keeps the conversion off the heap.
		var buf [utf8.UTFMax]byte
		r, size := utf8.DecodeRune(buf[:copy(buf[:], s[i:])])
		if r == utf8.RuneError && size == 1 || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			dst = append(dst, s[from:i]...)
			dst = appendEscape(dst, r)
			from = i + size
		}
		i += size
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// appendEscape appends \u and four digits; r is in the basic plane.
func appendEscape(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// appendUint appends u as a JSON number, or as a string if a reader that keeps
// numbers in doubles would change it.
func appendUint(dst []byte, u uint64) []byte {
	if u < 10 { // most are, and this much is inlined
		return append(dst, byte('0'+u))
	}
	return appendLong(dst, u)
}

func appendLong(dst []byte, u uint64) []byte {
	switch {
	case u < 100:
		return append(dst, byte('0'+u/10), byte('0'+u%10))
	case u < 1000:
		return append(dst, byte('0'+u/100), byte('0'+u/10%10), byte('0'+u%10))
	case u < 10000:
		return append(dst, byte('0'+u/1000), byte('0'+u/100%10), byte('0'+u/10%10), byte('0'+u%10))
	case u > maxExact:
		dst = append(dst, '"')
		dst = strconv.AppendUint(dst, u, 10)
		return append(dst, '"')
	}
	return strconv.AppendUint(dst, u, 10)
}

// appendSPI appends "0x%08x".
func appendSPI(dst []byte, spi uint32) []byte {
	dst = append(dst, `"0x`...)
	for s := 28; s >= 0; s -= 4 {
		dst = append(dst, hexDigits[spi>>s&15])
	}
	return append(dst, '"')
}

// hasTime reports whether t is known and has a form in RFC 3339, whose years have
// four digits.
func hasTime(t time.Time) bool {
	s := t.Unix()
	return !t.IsZero() && s >= year0 && s < year10000
}

var (
	year0     = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	year10000 = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
)

// clock writes times. It keeps the last second, which the next time is often in.
type clock struct {
	second int64
	text   [len(`"2006-01-02T15:04:05.`)]byte
	valid  bool
}

// append appends t as RFC 3339 in UTC, always with nine decimals, so that lines
// sort by time.
func (c *clock) append(dst []byte, t time.Time) []byte {
	if s := t.Unix(); s != c.second || !c.valid {
		t.UTC().AppendFormat(c.text[:0], `"2006-01-02T15:04:05.`)
		c.second, c.valid = s, true
	}
	dst = append(dst, c.text[:]...)
	n := t.Nanosecond()
	at := len(dst)
	dst = append(dst, `000000000Z"`...)
	for i := at + 8; n > 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

package sniff_test

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/sniff"
)

// The byte orders of a dialect.
func le(d layers.Dialect) layers.Codec { return layers.Codec{Dialect: d, Order: layers.LittleEndian} }
func be(d layers.Dialect) layers.Codec { return layers.Codec{Dialect: d, Order: layers.BigEndian} }

func otherOrder(c layers.Codec) layers.Codec {
	if c.Order == layers.BigEndian {
		return le(c.Dialect)
	}
	return be(c.Dialect)
}

// capture is the messages that sockets got in one scenario.
type capture struct {
	name  string
	codec layers.Codec
	msgs  [][]byte
}

// captures reads testdata. The files netbsd, freebsd, openbsd, linux and linux-s390x
// hold what sockets got from those systems' own kernel code (NetBSD 7.99.34 as a
// rump kernel, FreeBSD 13.0's netipsec in user space, OpenBSD 4.4's pfkeyv2*.c
// called directly, Linux 6.1.176 on x86-64 and s390x), one scenario after the other,
// with test keys. In layout a compiler filled the structures of each system's header
// with numbers of its own, in messages that no kernel would send.
func captures(t testing.TB) (list []capture) {
	t.Helper()
	for _, file := range []struct {
		name  string
		codec layers.Codec
	}{
		{"netbsd", le(layers.NetBSD)},
		{"freebsd", le(layers.FreeBSD)},
		{"openbsd", le(layers.OpenBSD)},
		{"linux", le(layers.Linux)},
		{"linux-s390x", be(layers.Linux)},
		{"layout", layers.Codec{}},
	} {
		z, err := os.ReadFile(filepath.Join("testdata", file.name+".txt.gz"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(bytes.NewReader(z))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if name, is := strings.CutPrefix(line, "= "); is {
				c := capture{name: file.name + "/" + name, codec: file.codec}
				if c.codec.IsZero() {
					d, err := layers.ParseDialect(name)
					if err != nil {
						t.Fatal(err)
					}
					c.codec = le(d)
				}
				list = append(list, c)
				continue
			}
			list[len(list)-1].msgs = append(list[len(list)-1].msgs, unhex(t, line))
		}
	}
	return list
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// turned gives the messages as machines of the other byte order would have written
// them, without those that cannot be turned round.
func (c capture) turned() capture {
	t := capture{name: c.name + " turned round", codec: otherOrder(c.codec)}
	for _, m := range c.msgs {
		if b, err := layers.Transcode(nil, c.codec, t.codec, m); err == nil {
			t.msgs = append(t.msgs, b)
		}
	}
	return t
}

// best returns the candidates with the highest score.
func best(list []sniff.Candidate) (codecs []layers.Codec) {
	for _, c := range list {
		if c.Score == list[0].Score {
			codecs = append(codecs, c.Codec)
		}
	}
	return codecs
}

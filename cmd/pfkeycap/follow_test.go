package main

import (
	"io"
	"slices"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// recordList gives records one after the other.
type recordList []*record.Record

func (l *recordList) Next() (*record.Record, error) {
	if len(*l) == 0 {
		return nil, io.EOF
	}
	r := (*l)[0]
	*l = (*l)[1:]
	return r, nil
}

// TestFollowOrder: requests that show only by their answers that they belong come at
// their place all the same, and one whose answer never comes holds nothing up for
// ever.
func TestFollowOrder(t *testing.T) {
	codec := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	message := func(number uint64, dir record.Direction, replyTo uint64, typ uint8, exts ...layers.Extension) *record.Record {
		b, err := codec.Encode(&layers.Base{Type: typ, SAType: layers.SATypeESP}, exts...)
		if err != nil {
			t.Fatal(err)
		}
		return &record.Record{Number: number, Dir: dir, ReplyTo: replyTo, Codec: codec, Data: b, OrigLen: len(b)}
	}
	const to, from = record.ToKernel, record.FromKernel
	sa := func(spi uint32) layers.Extension { return &layers.SA{SPI: spi} }
	list := recordList{
		message(1, to, 0, layers.GETSPI),
		message(2, to, 0, layers.GETSPI),
		message(3, to, 0, layers.GET, sa(7)),
		message(4, from, 2, layers.GETSPI, sa(8)),
		message(5, from, 3, layers.GET), // an error: it names no SPI
		message(6, from, 1, layers.GETSPI, sa(7)),
		message(7, to, 0, layers.GETSPI), // never answered
		message(8, from, 0, layers.EXPIRE, sa(7)),
	}
	for n := uint64(9); n < 100; n++ {
		list = append(list, message(n, from, 0, layers.EXPIRE, sa(9)))
	}
	list = append(list, message(100, from, 0, layers.EXPIRE, sa(7)), message(101, to, 0, layers.GETSPI))
	f, err := parseFollow("0x7")
	if err != nil {
		t.Fatal(err)
	}
	f.source = &list
	var got []uint64
	for {
		r, err := f.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Number)
	}
	if want := []uint64{1, 3, 5, 6, 8, 100}; !slices.Equal(got, want) {
		t.Errorf("records %v, want %v", got, want)
	}
}

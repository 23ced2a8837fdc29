package record_test

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// A capture is written and its records are decoded as gopacket layers.
func Example() {
	codec := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	key := codec.NewKey(layers.LayerTypeKeyEncrypt, []byte("sixteen octets.."))
	msg, err := codec.Encode(&layers.Base{Type: layers.ADD, SAType: layers.SATypeESP}, &layers.SA{SPI: 0x1234}, key)
	if err != nil {
		fmt.Println(err)
		return
	}

	var file bytes.Buffer
	w, err := record.NewWriter(&file, record.WriterOptions{
		Application: "example 1.0",
		Meta:        record.Meta{Dialect: codec.Dialect, Order: codec.Order},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	w.Append(&record.Record{Time: time.Now(), Dir: record.ToKernel, Codec: codec, Data: msg, OrigLen: len(msg)})
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}

	r, err := record.NewReader(&file, record.ReaderOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		packet := gopacket.NewPacket(rec.Bytes(), rec.Codec, gopacket.Default)
		sa := packet.Layer(layers.LayerTypeSA).(*layers.SA)
		fmt.Printf("%v spi=0x%08x stand-ins: %v, key in the file: %v\n", rec, sa.SPI, rec.StandIns, bytes.Contains(rec.Data, []byte("sixteen")))
	}
	// Output: #1 to-kernel linux/le 56 bytes spi=0x00001234 stand-ins: true, key in the file: false
}

package record_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/pfkeycap/pfkeycap/record"
)

func zstdOf(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll(b, nil)
}

func gzipOf(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// skippable is a zstd frame that holds no data.
func skippable(n int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0x184d2a53)
	return append(binary.LittleEndian.AppendUint32(b, uint32(n)), make([]byte, n)...)
}

// TestCompressed: a compressed capture is read like any other, from a stream and
// as a file whose side file has the name it had before.
func TestCompressed(t *testing.T) {
	rs := conversation(t, le, 300)
	plain := create(t, record.WriterOptions{Meta: beside}, rs...)
	b := readFile(t, plain)
	half := len(b) / 2
	tests := []struct {
		name, suffix string
		data         []byte
	}{
		{"zstd", ".zst", zstdOf(t, b)},
		{"zstd in two frames", ".zst", append(zstdOf(t, b[:half]), zstdOf(t, b[half:])...)},
		{"zstd after a skippable frame", ".zst", append(skippable(7), zstdOf(t, b)...)},
		{"gzip", ".gz", gzipOf(t, b)},
		{"gzip in two members", ".gz", append(gzipOf(t, b[:half]), gzipOf(t, b[half:])...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := plain + tt.suffix
			if err := os.WriteFile(path, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(path)
			got, notices := open(t, path, record.ReaderOptions{})
			if len(got) != len(rs) || len(notices) != 0 {
				t.Fatalf("%d records, want %d; notices %q", len(got), len(rs), notices)
			}
			for i := range got {
				same(t, got[i], rs[i])
			}
			in, err := record.NewReader(iotest.OneByteReader(bytes.NewReader(tt.data)), record.ReaderOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := all(in); err != io.EOF || len(got) != len(rs) {
				t.Errorf("from a stream: %d records, %v", len(got), err)
			}
			d, err := record.Decompress(iotest.HalfReader(bytes.NewReader(tt.data)))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(d); err != nil || !bytes.Equal(got, b) {
				t.Errorf("Decompress: %d bytes, %v", len(got), err)
			}
		})
	}
	for _, plain := range []string{"", "a", "abc", "text that is longer"} {
		d, err := record.Decompress(strings.NewReader(plain))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(d); err != nil || string(got) != plain {
			t.Errorf("Decompress of %q: %q, %v", plain, got, err)
		}
	}
}

// TestCompressedDamage: what can be decompressed is read, then the damage is
// named.
func TestCompressedDamage(t *testing.T) {
	rs := conversation(t, le, 3000) // several zstd blocks
	b := write(t, record.WriterOptions{}, rs...)
	for name, whole := range map[string][]byte{"zstd": zstdOf(t, b), "gzip": gzipOf(t, b)} {
		for _, n := range []int{5, 12, len(whole) / 2, len(whole) - 1} {
			got, err := parse(whole[:n], record.ReaderOptions{})
			if d := damaged(t, err); !d.Torn || !strings.Contains(d.Reason, name) && len(got) == 0 {
				t.Errorf("%s cut at %d of %d: %v", name, n, len(whole), err)
			}
			if n > 100 && len(got) == 0 {
				t.Errorf("%s cut at %d of %d: no records", name, n, len(whole))
			}
			for i := range got {
				if got[i].Number != rs[i].Number || got[i].OrigLen != rs[i].OrigLen {
					t.Fatalf("%s: record %d is %v", name, i, got[i])
				}
			}
		}
		bad := bytes.Clone(whole)
		bad[len(bad)-3] ^= 0x55 // a checksum
		got, err := parse(bad, record.ReaderOptions{})
		if d := damaged(t, err); d.Torn || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: a wrong checksum after %d records: %v", name, len(got), err)
		}
	}

	cause := errors.New("the cause")
	for name, whole := range map[string][]byte{"zstd": zstdOf(t, b), "gzip": gzipOf(t, b)} {
		r, err := record.NewReader(io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), iotest.ErrReader(cause)), record.ReaderOptions{})
		if err == nil {
			_, err = all(r)
		}
		if !errors.Is(err, cause) || errors.Is(err, record.ErrDamaged) {
			t.Errorf("%s: an error of reading the file: %v", name, err)
		}
	}
}

// TestCompressedHostile: what a file claims costs nothing.
func TestCompressedHostile(t *testing.T) {
	frame := func(window byte, rest ...byte) []byte {
		return append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, window}, rest...)
	}
	raw := func(n int) []byte { return []byte{byte(n<<3 | 2), byte(n >> 5), byte(n >> 13), 'x'} } // RLE blocks
	var bomb []byte                                                                               // 64 MiB of x in 2 kB
	bomb = append(bomb, frame(0x38)...)                                                           // a window of 128 KiB
	for range 512 {
		bomb = append(bomb, raw(128<<10)...)
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"a window of 8 MiB", frame(13<<3, 1, 0, 0), "empty"},
		{"a window of 9 MiB", frame(13<<3|1, 1, 0, 0), "zstd -dc"},
		{"a window of 128 MiB", frame(17<<3, 1, 0, 0), "zstd -dc"},
		{"a window of 1 TiB", frame(30<<3, 1, 0, 0), "zstd -dc"},
		{"64 MiB in 2 kB", bomb, "not a PF_KEY capture"},
		{"zstd of zstd", zstdOf(t, zstdOf(t, []byte("text"))), "decompress it"},
	}
	for _, tt := range tests {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := parse(tt.data, record.ReaderOptions{})
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 12<<20 {
			t.Errorf("%s: %d bytes allocated", tt.name, n)
		}
	}

	// The whole bomb, as something reads it that looks for lines.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	d, err := record.Decompress(bytes.NewReader(bomb))
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, d)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, record.ErrTorn) || n != 64<<20 || after.TotalAlloc-before.TotalAlloc > 12<<20 {
		t.Errorf("%d bytes, %v, %d bytes allocated", n, err, after.TotalAlloc-before.TotalAlloc)
	}
}

// TestTsharkZstd: Wireshark's programs read what Series.Compress makes.
func TestTsharkZstd(t *testing.T) {
	tshark, capinfos := tool(t, "tshark"), tool(t, "capinfos")
	if v := run(t, 0, tshark, "--version"); !strings.Contains(v, "with Zstandard") {
		t.Skip("this tshark was built without zstd")
	}
	path := filepath.Join(t.TempDir(), "x.pcapng")
	s, err := record.NewSeries(record.SeriesOptions{Path: path, Writer: record.WriterOptions{Meta: beside}, Compress: true})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Next(t0, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteBatch(conversation(t, le, 500)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	name, err := s.Compress(context.Background(), w)
	if err != nil || name != path+".zst" {
		t.Fatalf("%q, %v", name, err)
	}
	got := run(t, 0, tshark, "-n", "-r", name, "-T", "fields", "-e", "frame.packet_id")
	if n := strings.Count(got, "\n"); n != 500 || !strings.HasSuffix(got, "\n500\n") {
		t.Errorf("%d packets", n)
	}
	if got := run(t, 0, capinfos, "-c", name); !strings.Contains(got, "500") {
		t.Errorf("%s", got)
	}
}

package layers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// TestNames looks every name of every table up both ways.
func TestNames(t *testing.T) {
	for _, d := range layers.Dialects() {
		t.Run(d.String(), func(t *testing.T) {
			for e := shape.NoEnum + 1; e < shape.NumEnums; e++ {
				names := d.EnumNames(e)
				for v, name := range names {
					if got := d.EnumName(e, uint64(v)); got != name {
						t.Errorf("table %d: EnumName(%d) = %q, want %q", e, v, got, name)
					}
					if name == "" {
						continue
					}
					for _, written := range []string{name, strings.ToLower(name), "SADB_" + name, "sadb_x_" + name} {
						if got, ok := d.EnumValue(e, written); !ok || got != uint64(v) {
							t.Errorf("table %d: EnumValue(%q) = %d, %v, want %d", e, written, got, ok, v)
						}
					}
				}
				for _, v := range []uint64{uint64(len(names)), 255, 1 << 32, 1<<64 - 1} {
					if v >= uint64(len(names)) && d.EnumName(e, v) != "" {
						t.Errorf("table %d: EnumName(%d) = %q", e, v, d.EnumName(e, v))
					}
				}
				for _, name := range []string{"", "NO SUCH NAME", "SADB_"} {
					if v, ok := d.EnumValue(e, name); ok {
						t.Errorf("table %d: EnumValue(%q) = %d", e, name, v)
					}
				}
			}
			for _, n := range d.ExtNumbers() {
				name := d.ExtName(n)
				for _, written := range []string{name, strings.ToLower(name), "SADB_EXT_" + name, "SADB_X_EXT_" + name} {
					if got, ok := d.ExtNumber(written); !ok || got != n {
						t.Errorf("ExtNumber(%q) = %d, %v, want %d", written, got, ok, n)
					}
				}
				if typ := d.ExtType(n); d.ExtNumberOf(typ) != n || typ.String() == "" || d.LayoutOf(n) == nil {
					t.Errorf("%s: type %v is number %d, want %d", name, typ, d.ExtNumberOf(typ), n)
				}
			}
			for _, n := range []uint16{0, 0xffff} {
				if d.ExtName(n) != "" || d.ExtType(n) != layers.LayerTypeUnknown || d.LayoutOf(n) != nil {
					t.Errorf("extension %d: %q, %v", n, d.ExtName(n), d.ExtType(n))
				}
			}
			if got, err := layers.ParseDialect(strings.ToUpper(d.String())); err != nil || got != d {
				t.Errorf("ParseDialect(%q) = %v, %v", strings.ToUpper(d.String()), got, err)
			}
			for _, name := range []string{"inet", "inet6"} {
				f, ok := d.Family(name)
				if !ok || d.FamilyName(f) != name {
					t.Errorf("Family(%q) = %d, %v, and back %q", name, f, ok, d.FamilyName(f))
				}
			}
			if _, ok := d.Family("ipx"); ok || d.FamilyName(0) != "" {
				t.Error("a family that is none")
			}
			if d.Source() == "" || d.ErrnoName(0) != "" {
				t.Errorf("source %q, errno 0 %q", d.Source(), d.ErrnoName(0))
			}
		})
	}
}

// TestPinnedNames says some names that differ between systems, from numbering by
// each system's own compiler.
func TestPinnedNames(t *testing.T) {
	for _, tt := range []struct {
		dialect layers.Dialect
		table   layers.Enum
		value   uint64
		want    string
	}{
		{layers.Linux, layers.EnumMsgType, 12, "PCHANGE"},
		{layers.OpenBSD, layers.EnumMsgType, 12, "ADDFLOW"},
		{layers.Illumos, layers.EnumMsgType, 12, "INVERSE_ACQUIRE"},
		{layers.Linux, layers.EnumMsgType, 24, "MIGRATE"},
		{layers.MacOS, layers.EnumMsgType, 26, "MIGRATE"},
		{layers.Linux, layers.EnumSAType, 3, "ESP"},
		{layers.OpenBSD, layers.EnumSAType, 2, "ESP"},
		{layers.Linux, layers.EnumAuth, 251, "NULL"},
		{layers.MacOS, layers.EnumAuth, 1, "MD5HMAC"},
		{layers.DragonFly, layers.EnumEncrypt, 1, "DESCBC"},
		{layers.Linux, layers.EnumEncrypt, 20, "AES_GCM_ICV16"},
		{layers.Linux, layers.EnumComp, 2, "DEFLATE"},
		{layers.Linux, layers.EnumState, 1, "MATURE"},
		{layers.Linux, layers.EnumMode, 3, "BEET"},
		{layers.FreeBSD, layers.EnumMode, 3, "TCPMD5"},
		{layers.Linux, layers.EnumDir, 3, "FWD"},
		{layers.NetBSD, layers.EnumDir, 3, ""},
		{layers.NoDialect, layers.EnumSAType, 3, "ESP"}, // as RFC 2367
		{layers.Dialect(200), layers.EnumSAType, 3, "ESP"},
	} {
		if got := tt.dialect.EnumName(tt.table, tt.value); got != tt.want {
			t.Errorf("%v: name of %d in table %d is %q, want %q", tt.dialect, tt.value, tt.table, got, tt.want)
		}
	}
	for _, tt := range []struct {
		dialect layers.Dialect
		number  uint16
		want    string
	}{
		{layers.Linux, 23, "NAT_T_OA"}, {layers.FreeBSD, 23, "NAT_T_OAI"}, {layers.OpenBSD, 23, "SA2"}, {layers.Illumos, 17, "EREG"}, {layers.DragonFly, 20, ""},
	} {
		if got := tt.dialect.ExtName(tt.number); got != tt.want {
			t.Errorf("%v: extension %d is %q, want %q", tt.dialect, tt.number, got, tt.want)
		}
	}
	for _, tt := range []struct {
		dialect layers.Dialect
		errno   uint8
		want    string
	}{
		{layers.Linux, 3, "ESRCH"}, {layers.Linux, 22, "EINVAL"}, {layers.Linux, 95, "EOPNOTSUPP"}, {layers.FreeBSD, 45, "EOPNOTSUPP"},
		{layers.OpenBSD, 55, "ENOBUFS"}, {layers.Linux, 105, "ENOBUFS"}, {layers.Linux, 255, ""},
	} {
		if got := tt.dialect.ErrnoName(tt.errno); got != tt.want {
			t.Errorf("%v: errno %d is %q, want %q", tt.dialect, tt.errno, got, tt.want)
		}
	}
	if got, want := layers.Linux.FlagNames(shape.SAFlags, 0x80000003), []string{"PFS", "NOECN", "0x2"}; !slices.Equal(got, want) {
		t.Errorf("FlagNames = %v, want %v", got, want)
	}
	if got := layers.Linux.FlagNames(shape.SAFlags, 0); len(got) != 0 {
		t.Errorf("FlagNames of none = %v", got)
	}
}

// TestNoNames asks for what there is not.
func TestNoNames(t *testing.T) {
	d := layers.Linux
	if n, ok := d.ExtNumber("NO_SUCH_EXTENSION"); ok {
		t.Errorf("a number %d for no extension", n)
	}
	if d.EnumName(200, 1) != "" || d.EnumNames(200) != nil || len(d.FlagNames(200, 1)) != 1 {
		t.Error("names in a table that is none")
	}
	if d.ExtNumberOf(layers.LayerTypeUnknown) != 0 || d.ExtNumberOf(layers.LayerTypeSAReplay) != 0 || d.ExtNumberOf(-1) != 0 {
		t.Error("a number for a layer type that Linux does not have")
	}
}

func TestParseDialect(t *testing.T) {
	for name, want := range map[string]layers.Dialect{"darwin": layers.MacOS, "Solaris": layers.Illumos, "linux": layers.Linux, "rfc2367": layers.RFC2367} {
		if got, err := layers.ParseDialect(name); err != nil || got != want {
			t.Errorf("ParseDialect(%q) = %v, %v, want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"", "plan9", "unknown"} {
		if d, err := layers.ParseDialect(name); err == nil || !strings.Contains(err.Error(), "dragonfly") {
			t.Errorf("ParseDialect(%q) = %v, %v, want an error that lists what there is", name, d, err)
		}
	}
	if got := fmt.Sprint(layers.NoDialect, layers.Dialect(99)); got != "unknown unknown" {
		t.Errorf("names of what is none: %s", got)
	}
}

func TestFlagValue(t *testing.T) {
	for _, tt := range []struct {
		d    layers.Dialect
		name string
		want uint32
		ok   bool
	}{
		{layers.FreeBSD, "cycseq", 0x40, true},
		{layers.FreeBSD, "PZERO", 0x200, true},
		{layers.Linux, "NOECN", 0x80000000, true},
		{layers.Linux, "CYCSEQ", 0, false},
		{layers.Linux, "", 0, false},
	} {
		if v, ok := tt.d.FlagValue(layers.EnumSAFlags, tt.name); v != tt.want || ok != tt.ok {
			t.Errorf("%v %q: %#x, %v", tt.d, tt.name, v, ok)
		}
	}
	if v, ok := layers.Linux.FlagValue(layers.EnumSAType, "ESP"); ok {
		t.Errorf("a number is no flag, got %#x", v)
	}
}

// TestSecondNames looks up the names that a header has beside those that are
// written.
func TestSecondNames(t *testing.T) {
	for _, tc := range []struct {
		d    layers.Dialect
		enum layers.Enum
		name string
		want uint64
	}{
		{layers.FreeBSD, layers.EnumEncrypt, "AESCBC", 12},
		{layers.FreeBSD, layers.EnumEncrypt, "SADB_X_EALG_AES", 12},
		{layers.NetBSD, layers.EnumEncrypt, "aes", 12},
		{layers.MacOS, layers.EnumEncrypt, "SADB_X_EALG_AESCBC", 12},
		{layers.DragonFly, layers.EnumEncrypt, "AES", 12},
		{layers.Illumos, layers.EnumDiagnostic, "BAD_PROXY_AF", 10},
		{layers.FreeBSD, shape.NoEnum, "SADB_X_EXT_NAT_T_OA", 23},
		{layers.NetBSD, shape.NoEnum, "nat_t_oa", 23},
		{layers.Illumos, shape.NoEnum, "ADDRESS_INNER_SRC", 7},
	} {
		got, ok := tc.d.EnumValue(tc.enum, tc.name)
		if tc.enum == shape.NoEnum {
			var n uint16
			n, ok = tc.d.ExtNumber(tc.name)
			got = uint64(n)
		}
		if !ok || got != tc.want {
			t.Errorf("%v: %s is %d, %v, want %d", tc.d, tc.name, got, ok, tc.want)
		}
	}
	if v, ok := layers.OpenBSD.EnumValue(layers.EnumEncrypt, "AESCBC"); ok {
		t.Errorf("OpenBSD calls %d AESCBC", v)
	}
}

// TestSATypeName: what stands in sadb_msg_satype depends on the message.
func TestSATypeName(t *testing.T) {
	for _, tc := range []struct {
		base layers.Base
		want string
	}{
		{layers.Base{Codec: layers.Codec{Dialect: layers.Linux}, Type: layers.ADD, SAType: 2}, "AH"},
		{layers.Base{Codec: layers.Codec{Dialect: layers.OpenBSD}, Type: layers.ADD, SAType: 2}, "ESP"},
		{layers.Base{Codec: layers.Codec{Dialect: layers.OpenBSD}, Type: layers.PROMISC, SAType: 1}, "1"},
		{layers.Base{Codec: layers.Codec{Dialect: layers.FreeBSD}, Type: layers.SPDDUMP, SAType: 2}, "IFNET"},
		{layers.Base{Codec: layers.Codec{Dialect: layers.FreeBSD}, Type: layers.SPDDUMP}, "UNSPEC"},
		{layers.Base{Codec: layers.Codec{Dialect: layers.NetBSD}, Type: layers.SPDDUMP, SAType: 2}, "AH"},
	} {
		if got := tc.base.SATypeName(); got != tc.want {
			t.Errorf("%v type %d, SA type %d: %s, want %s", tc.base.Codec, tc.base.Type, tc.base.SAType, got, tc.want)
		}
	}
}

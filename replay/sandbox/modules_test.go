package sandbox

import (
	"slices"
	"testing"
)

func TestModuleFiles(t *testing.T) {
	const dep = `kernel/net/ipv6/esp6.ko: kernel/net/xfrm/xfrm_algo.ko kernel/net/ipv6/ipv6.ko kernel/lib/crc-ccitt.ko
kernel/net/ipv6/ipv6.ko: kernel/lib/crc-ccitt.ko
kernel/lib/crc-ccitt.ko:
kernel/net/xfrm/xfrm_algo.ko:
kernel/crypto/ghash-generic.ko.xz: kernel/crypto/gf128mul.ko.xz
/extra/own.ko:
a line that is none
`
	for _, test := range []struct {
		name  string
		names []string
		want  []string
	}{
		{"none", nil, nil},
		{"those that do not exist are left out", []string{"no_such", "xfrm_algo"}, []string{"kernel/net/xfrm/xfrm_algo.ko"}},
		{"the farthest dependency first", []string{"esp6"},
			[]string{"kernel/lib/crc-ccitt.ko", "kernel/net/ipv6/ipv6.ko", "kernel/net/xfrm/xfrm_algo.ko", "kernel/net/ipv6/esp6.ko"}},
		{"each once", []string{"ipv6", "esp6", "crc_ccitt"},
			[]string{"kernel/lib/crc-ccitt.ko", "kernel/net/ipv6/ipv6.ko", "kernel/net/xfrm/xfrm_algo.ko", "kernel/net/ipv6/esp6.ko"}},
		{"hyphens and suffixes", []string{"ghash_generic"}, []string{"kernel/crypto/gf128mul.ko.xz", "kernel/crypto/ghash-generic.ko.xz"}},
		{"absolute", []string{"own"}, []string{"/extra/own.ko"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := moduleFiles(dep, test.names); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

package layers_test

import (
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
)

func TestCanonicalName(t *testing.T) {
	for _, same := range [][]string{
		{"AESCBC", "RIJNDAELCBC", "AES"},
		{"SHA1HMAC", "SHA1HMAC"},
		{"SHA2_256HMAC", "SHA2_256", "SHA256HMAC"},
		{"AES_GCM_ICV16", "AESGCM16", "AES_GCM_16"},
		{"MD5"}, {"MD5HMAC"}, // the keyed one of RFC 1828 is another
		{"SHA", "SHA1"}, {"TCP_MD5"}, {"NULL"}, {"AESCTR"},
		{"CASTCBC", "CAST128CBC", "CAST"},
	} {
		for _, name := range same {
			if a, b := layers.CanonicalName(same[0]), layers.CanonicalName(name); a != b {
				t.Errorf("%s is %s, %s is %s", same[0], a, name, b)
			}
		}
	}
	for _, other := range [][2]string{{"MD5", "MD5HMAC"}, {"SHA1", "SHA1HMAC"}, {"SHA", "SHA1HMAC"}, {"AES_GCM_ICV8", "AES_GCM_ICV16"}} {
		if layers.CanonicalName(other[0]) == layers.CanonicalName(other[1]) {
			t.Errorf("%s and %s are the same", other[0], other[1])
		}
	}
}

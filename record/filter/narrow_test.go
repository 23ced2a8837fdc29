package filter_test

import (
	"testing"
)

func TestPrefix(t *testing.T) {
	for _, tt := range []struct{ expr, path, want string }{
		{`cidr(dst, "10.0.0.0/8")`, "dst", "10.0.0.0/8"},
		{`cidr(dst, "10.0.0.7/8")`, "address_dst.addr", "10.0.0.0/8"},
		{`cidr(dst, "10.0.0.0/8")`, "src", ""},
		{`dst == "10.0.0.1"`, "dst", "10.0.0.1/32"},
		{`"2001:db8::1" == dst and errno == 0`, "dst", "2001:db8::1/128"},
		{`type == "DUMP" && (satype == "ESP" && cidr(dst, "10.0.0.0/8"))`, "dst", "10.0.0.0/8"},
		{`cidr(dst, "10.0.0.0/8") && cidr(dst, "10.1.0.0/16")`, "dst", "10.1.0.0/16"},
		// What does not have to be true says nothing.
		{`cidr(dst, "10.0.0.0/8") || errno == 0`, "dst", ""},
		{`!cidr(dst, "10.0.0.0/8")`, "dst", ""},
		{`dst != "10.0.0.1"`, "dst", ""},
		{`cidr(dst, "10.0.0.0/8", "11.0.0.0/8")`, "dst", ""},
		{`errno == 0`, "dst", ""},
		{`errno == 0`, "no.path", ""},
	} {
		f := compile(t, tt.expr)
		p, ok := f.Prefix(tt.path)
		got := ""
		if ok {
			got = p.String()
		}
		if got != tt.want {
			t.Errorf("%s, %s: %q, want %q", tt.expr, tt.path, got, tt.want)
		}
	}
}

package main

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
)

// hostCodec is how the running kernel speaks.
func hostCodec() layers.Codec {
	d := layers.RFC2367
	switch runtime.GOOS {
	case "linux":
		d = layers.Linux
	case "freebsd":
		d = layers.FreeBSD
	case "netbsd":
		d = layers.NetBSD
	case "openbsd":
		d = layers.OpenBSD
	case "darwin":
		d = layers.MacOS
	case "illumos", "solaris":
		d = layers.Illumos
	case "dragonfly":
		d = layers.DragonFly
	}
	return layers.Codec{Dialect: d, Order: layers.NativeEndian}
}

// parseSAType reads an SA type by name or number.
func parseSAType(d layers.Dialect, s string) (uint8, error) {
	if n, err := strconv.ParseUint(s, 0, 8); err == nil {
		return uint8(n), nil
	}
	if v, ok := d.EnumValue(layers.EnumSAType, s); ok {
		return uint8(v), nil
	}
	var names []string
	for _, n := range d.EnumNames(layers.EnumSAType) {
		if n != "" {
			names = append(names, strings.ToLower(n))
		}
	}
	return 0, fmt.Errorf("unknown SA type %q: %v has %s", s, d, strings.Join(names, ", "))
}

// policiesElsewhere says what lists the policies of a system that does not do so
// over PF_KEY; it is "" for the others.
func policiesElsewhere(d layers.Dialect) string {
	switch d {
	case layers.OpenBSD:
		return "ipsecctl -s flow"
	case layers.Illumos:
		return "ipsecconf"
	}
	return ""
}

// Package engine has what the fuzz targets share with whatever runs them and makes
// their inputs.
package engine

import (
	"github.com/pfkeycap/pfkeycap/layers"
)

// Codec chooses one of all codecs by a number, any number.
func Codec(n uint8) layers.Codec {
	all := layers.Dialects()
	c := layers.Codec{Dialect: all[int(n>>1)%len(all)], Order: layers.LittleEndian}
	if n&1 != 0 {
		c.Order = layers.BigEndian
	}
	return c
}

// Number is the smallest number that Codec makes c of.
func Number(c layers.Codec) uint8 {
	for n := range uint8(2 * len(layers.Dialects())) {
		if Codec(n) == c {
			return n
		}
	}
	return 0
}

// Package ipbatch writes what PF_KEY messages ask for as commands of ip-xfrm(8), for
// ip -batch: the way of a configuration from PF_KEY to XFRM's own netlink.
//
// On Linux both are doors to the same tables, so what a command leaves there is what the
// message did (net/key/af_key.c and net/xfrm/xfrm_user.c of Linux 6.1). Messages of
// other systems ask for what Linux has as well, or what comes closest; what has no
// counterpart is named.
//
// The commands are those of iproute2 6 (ip/xfrm_state.c, ip/xfrm_policy.c,
// ip/ipxfrm.c).
package ipbatch

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Command is one line of a batch: a command of ip(8) without its first word.
type Command struct {
	words []word
}

// word is a word of a command, or a key.
type word struct {
	text string
	key  layers.Secret
}

func (c *Command) add(words ...string) {
	for _, w := range words {
		c.words = append(c.words, word{text: w})
	}
}

func (c *Command) addf(format string, args ...any) {
	c.add(strings.Fields(fmt.Sprintf(format, args...))...)
}

func (c *Command) addKey(k layers.Secret) {
	if len(k) == 0 {
		c.add(`""`)
		return
	}
	c.words = append(c.words, word{key: k})
}

// HasKeys reports whether keys are part of the command.
func (c *Command) HasKeys() bool {
	for _, w := range c.words {
		if w.key != nil {
			return true
		}
	}
	return false
}

// Append appends the command on one line, without a newline. Without showKeys a dot
// pair stands for each key, and ip does not take the line.
func (c *Command) Append(dst []byte, showKeys bool) []byte {
	for i, w := range c.words {
		if i > 0 {
			dst = append(dst, ' ')
		}
		switch {
		case w.key == nil && strings.ContainsAny(w.text, "()"):
			dst = append(append(append(dst, '"'), w.text...), '"') // for shells, which a line may be given to
		case w.key == nil:
			dst = append(dst, w.text...)
		case showKeys:
			dst = hex.AppendEncode(append(dst, "0x"...), w.key)
		default:
			dst = append(dst, "··"...)
		}
	}
	return dst
}

package judge

import (
	"slices"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/replay/internal/ddmin"
)

// minimize cuts a case down: requests of which the last shows something, for which
// still holds. It leaves out requests before the last, then extensions of the last.
// holds is called at most budget times. What it gets is its own only until it returns.
func minimize(c layers.Codec, requests [][]byte, budget int, holds func([][]byte) (bool, error)) ([][]byte, error) {
	try := func(list [][]byte) (bool, error) {
		if budget == 0 {
			return false, nil
		}
		budget--
		return holds(list)
	}
	last := requests[len(requests)-1]
	before, err := ddmin.Reduce(requests[:len(requests)-1], func(part [][]byte) (bool, error) {
		return try(append(part[:len(part):len(part)], last))
	})
	if err != nil {
		return nil, err
	}
	for again := true; again; {
		again = false
		for _, shorter := range withoutOne(c, last) {
			ok, err := try(append(before[:len(before):len(before)], shorter))
			if err != nil {
				return nil, err
			}
			if ok {
				last, again = shorter, true
				break
			}
		}
	}
	return append(before[:len(before):len(before)], last), nil
}

// withoutOne returns a message without each of its extensions, with the length of what
// is left if the length was right.
func withoutOne(c layers.Codec, msg []byte) (list [][]byte) {
	base, exts, rest := c.Extensions(msg)
	if base == nil {
		return nil
	}
	right := int(base.Len)*layers.Word == len(msg)
	for _, x := range exts {
		h := x.Head()
		list = append(list, slices.Concat(msg[:h.Offset], msg[int(h.Offset)+len(h.Contents):]))
	}
	if rest != nil {
		list = append(list, slices.Clone(msg[:rest.Offset]))
	}
	if right {
		for _, b := range list {
			putLen(c, b, len(b)/layers.Word)
		}
	}
	return list
}

// putLen sets sadb_msg_len.
func putLen(c layers.Codec, msg []byte, words int) {
	low, high := byte(words), byte(words>>8)
	if c.Order == layers.BigEndian {
		low, high = high, low
	}
	msg[4], msg[5] = low, high
}

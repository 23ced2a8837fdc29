package gen

import "math/bits"

// rng is SplitMix64 (Steele, Lea, Flood 2014). It is written out here because the
// same seed has to give the same messages whatever version of Go made the program.
type rng uint64

// What random numbers are for: numbers for one use do not depend on how many
// another one took.
const (
	domainStory = iota + 1
	domainMessage
)

func newRNG(seed, domain, index uint64) rng {
	return rng(mix(mix(mix(seed+golden)+domain) + index))
}

const golden = 0x9e3779b97f4a7c15

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (r *rng) next() uint64 {
	*r += golden
	return mix(uint64(*r))
}

// n returns a number below k, which is above 0.
func (r *rng) n(k int) int {
	hi, _ := bits.Mul64(r.next(), uint64(k))
	return int(hi)
}

// percent is true p times out of 100.
func (r *rng) percent(p int) bool { return r.n(100) < p }

// between returns a number from a to b.
func (r *rng) between(a, b int) int { return a + r.n(b-a+1) }

// pick returns one of the list.
func pick[T any](r *rng, list []T) T { return list[r.n(len(list))] }

// fill sets b to random octets.
func (r *rng) fill(b []byte) {
	for len(b) > 0 {
		v := r.next()
		for k := 0; k < 8 && len(b) > 0; k++ {
			b[0] = byte(v)
			b, v = b[1:], v>>8
		}
	}
}

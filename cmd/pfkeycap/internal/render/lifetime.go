package render

import (
	"strconv"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
)

// appendLifetimes appends the limits of an SA or policy as soft=50m hard=1h,1000000B,
// and of one that lives how old it was at the time now, what was left of it, and the
// bytes it had protected. An EXPIRE is soft or hard even if it does not name a limit.
func appendLifetimes(dst []byte, m *layers.Message, now time.Time) []byte {
	soft, hard := m.LifetimeSoft(), m.LifetimeHard()
	expire := m.Type == layers.EXPIRE
	if !expire || hard == nil { // of a hard EXPIRE the soft limit is history
		dst = appendLimits(dst, " soft", soft, expire)
	}
	dst = appendLimits(dst, " hard", hard, expire)
	x := m.LifetimeCurrent()
	if x == nil || !lives(m.Type) {
		return dst
	}
	if age, ok := since(x.AddTime, now); ok {
		dst = appendDuration(append(dst, " age="...), age)
	}
	if left, ok := remaining(x, hard, now); ok && !expire && m.Type != layers.DELETE {
		dst = appendDuration(append(dst, " left="...), left)
	}
	if x.Bytes != 0 {
		dst = strconv.AppendUint(append(dst, " bytes="...), x.Bytes, 10)
	}
	return dst
}

// lives reports whether messages of a type are about something that was there before.
// Of what was just made, only the limits are of interest.
func lives(typ uint8) bool {
	switch typ {
	case layers.DUMP, layers.GET, layers.EXPIRE, layers.DELETE, layers.SPDDUMP, layers.SPDGET, layers.SPDEXPIRE:
		return true
	}
	return false
}

// appendLimits appends the limits that are set, joined by commas: seconds since the
// start, seconds since the first use, bytes, allocations. bare is for a name without
// any.
func appendLimits(dst []byte, name string, x *layers.Lifetime, bare bool) []byte {
	if x == nil {
		return dst
	}
	n := len(dst)
	dst = append(dst, name...)
	bareLen := len(dst)
	if x.AddTime != 0 {
		dst = appendSeconds(append(dst, ','), x.AddTime)
	}
	if x.UseTime != 0 {
		dst = appendSeconds(append(dst, ",use:"...), x.UseTime)
	}
	if x.Bytes != 0 {
		dst = append(strconv.AppendUint(append(dst, ','), x.Bytes, 10), 'B')
	}
	if x.Allocations != 0 {
		dst = strconv.AppendUint(append(dst, ",allocations:"...), uint64(x.Allocations), 10)
	}
	switch {
	case len(dst) > bareLen:
		dst[bareLen] = '='
	case !bare:
		return dst[:n]
	}
	return dst
}

// maxSeconds is more than any duration or moment that is meant; what is above says
// "never" in the ways of several systems.
const maxSeconds = 1 << 40

func appendSeconds(dst []byte, s uint64) []byte {
	if s >= maxSeconds {
		return append(strconv.AppendUint(dst, s, 10), 's')
	}
	return appendDuration(dst, int64(s))
}

// since returns the seconds from a moment to now, if both are known and in order.
func since(moment uint64, now time.Time) (int64, bool) {
	if now.IsZero() || moment == 0 || moment >= maxSeconds {
		return 0, false
	}
	s := now.Unix() - int64(moment)
	return s, s >= 0
}

// remaining returns the seconds until the first of the hard limits in time; what is
// overdue has none left.
func remaining(x, hard *layers.Lifetime, now time.Time) (left int64, ok bool) {
	if hard == nil {
		return 0, false
	}
	for _, l := range [...]struct{ start, limit uint64 }{{x.AddTime, hard.AddTime}, {x.UseTime, hard.UseTime}} {
		s, known := since(l.start, now)
		if !known || l.limit == 0 || l.limit >= maxSeconds {
			continue
		}
		if n := max(0, int64(l.limit)-s); !ok || n < left {
			left, ok = n, true
		}
	}
	return left, ok
}

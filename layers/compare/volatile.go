package compare

import (
	"slices"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
)

// VolatileField is a field that may differ between two runs of one conversation
// although both kernels did the same.
type VolatileField struct {
	// Path is the field as filters name it: extension.member, lower case, without
	// the indices of lists.
	Path string
	// Reason says why it differs.
	Reason string

	// Chosen says which kind of value it is if a kernel has chosen it; else it is 0.
	// Only a difference that comes of that choice is volatile then: the values stand for
	// each other wherever they occur.
	Chosen Chosen
}

// VolatileFields returns the closed list of fields whose differences are volatile.
// Everything else that differs is a difference. The list changes only with a
// reason.
func VolatileFields() []VolatileField { return append([]VolatileField(nil), volatileFields...) }

var volatileFields = []VolatileField{
	{Path: "lifetime_current.addtime", Reason: "a time"},
	{Path: "lifetime_current.usetime", Reason: "a time"},
	{Path: "lifetime_current.allocations", Reason: "a counter"},
	{Path: "lifetime_current.bytes", Reason: "a counter"},

	// Linux and KAME put a reference count into the header of answers about
	// policies, KAME also about SAs.
	{Path: "msg.reserved", Reason: "a reference count"},

	{Path: "msg.seq", Reason: "a sequence number"},
	{Path: "msg.pid", Reason: "a process id"},

	// Chosen by the kernel. What the recorded kernel chose stands for what the
	// target chose from the first answer that has it, so later messages must fit.
	{Path: "policy.id", Reason: "a policy id the kernel chose", Chosen: PolicyID},
	{Path: "sa.spi", Reason: "an SPI the kernel chose", Chosen: SPI},
	{Path: "sa2.reqid", Reason: "a request id the kernel chose", Chosen: ReqID},
	{Path: "policy.requests.reqid", Reason: "a request id the kernel chose", Chosen: ReqID},

	// Linux leaves what its memory held behind IPv6 addresses (CVE-2026-43088).
	{Path: "address_src.pad", Reason: "uninitialised padding"},
	{Path: "address_dst.pad", Reason: "uninitialised padding"},
	{Path: "address_proxy.pad", Reason: "uninitialised padding"},
}

// Chosen is a kind of value that a kernel chooses and later messages name.
type Chosen uint8

// The kinds.
const (
	SPI Chosen = iota + 1
	PolicyID
	AcquireSeq // sadb_msg_seq of an ACQUIRE
	ReqID
)

var chosenNames = [...]string{SPI: "spi", PolicyID: "policy-id", AcquireSeq: "acquire-seq", ReqID: "reqid"}

// String returns "spi", "policy-id", "acquire-seq" or "reqid".
func (c Chosen) String() string { return chosenNames[c] }

// MaxManualReqID is the greatest request id that a policy can ask for; the kernel
// chooses greater ones itself (Linux include/uapi/linux/ipsec.h,
// IPSEC_MANUAL_REQID_MAX).
const MaxManualReqID = 0x3fff

// Counters reports whether an extension holds nothing but times and counters.
func Counters(t gopacket.LayerType) bool {
	switch t {
	case layers.LayerTypeLifetimeCurrent, layers.LayerTypeLifetimeLastUse, layers.LayerTypeCounter,
		layers.LayerTypeReplayCount, layers.LayerTypeReplayValue, layers.LayerTypeSAStats,
		layers.LayerTypeLifetimeCurrentSWOffload, layers.LayerTypeLifetimeCurrentHWOffload:
		return true
	}
	return false
}

// Volatile returns what is known of the field of a difference, or nil if it is not
// volatile.
func (m *Comparer) Volatile(d *Difference) *VolatileField {
	m.path = append(append(append(m.path[:0], d.Ext...), '.'), d.Field...)
	path := withoutIndices(m.path)
	i := slices.IndexFunc(volatileFields, func(f VolatileField) bool { return f.Path == string(path) })
	if i < 0 {
		return nil
	}
	return &volatileFields[i]
}

// Plain returns the path without the indices of lists.
func (p Path) Plain() string { return string(withoutIndices([]byte(p.String()))) }

// withoutIndices leaves the indices out of a path, in place.
func withoutIndices(p []byte) []byte {
	out, inside := p[:0], false
	for _, c := range p {
		switch {
		case c == '[':
			inside = true
		case c == ']':
			inside = false
		case !inside:
			out = append(out, c)
		}
	}
	return out
}

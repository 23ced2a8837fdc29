package replay

// VolatileField is a field that may differ between two runs of one conversation
// although both kernels did the same.
type VolatileField struct {
	// Path is the field as filters name it: extension.member, lower case, without
	// the indices of lists.
	Path string
	// Reason says why it differs.
	Reason string

	bound bindingKind // 0, or: only a difference that a binding explains is volatile
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
	{Path: "policy.id", Reason: "a policy id the kernel chose", bound: bindPolicyID},
	{Path: "sa.spi", Reason: "an SPI the kernel chose", bound: bindSPI},
	{Path: "sa2.reqid", Reason: "a request id the kernel chose", bound: bindReqID},
	{Path: "policy.requests.reqid", Reason: "a request id the kernel chose", bound: bindReqID},

	// Linux leaves what its memory held behind IPv6 addresses (CVE-2026-43088).
	{Path: "address_src.pad", Reason: "uninitialised padding"},
	{Path: "address_dst.pad", Reason: "uninitialised padding"},
	{Path: "address_proxy.pad", Reason: "uninitialised padding"},
}

var volatileByPath = func() map[string]*VolatileField {
	m := map[string]*VolatileField{}
	for i := range volatileFields {
		m[volatileFields[i].Path] = &volatileFields[i]
	}
	return m
}()

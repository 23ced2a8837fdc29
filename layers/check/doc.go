// Package check says what RFC 2367 and each kernel object to in a PF_KEY message,
// as rules with a code, the errno it brings and the source of the rule.
//
// Judge holds a message to the rules of one system: rule by rule in the order in
// which its kernel applies them, going on after the first objection, or to the
// text of RFC 2367, in any dialect. Predict condenses a kernel's rules to the
// answer it will give; what only the kernel's state can tell (does the SA exist,
// has this kernel the cipher) it lists as possible; a Model, of Linux so far, follows
// that state from request to request and tells. Explain goes the other way,
// from the answer a kernel gave to its likely reason. Differences says what a message
// of one system means on another, and Lint puts together what people want to hear of a
// captured message. Rules lists all rules.
//
// An objection has one code on every system that makes it; its errno and source
// are the system's own.
//
// The rules are those of Linux 6.1, FreeBSD 13.0, NetBSD 7.99.34, XNU 11417.101.15
// (macOS 15.4) and DragonFly BSD 2.4; a rule's source names its file and release.
// Those of FreeBSD and NetBSD have been held to what such kernels answered.
//
// Decoding never fails (package layers), so every function here takes any bytes.
// None panics, none allocates unless there is something to report, and no text
// holds an octet of a key or of anything else that may be secret: only lengths,
// numbers of algorithms, SPIs and addresses' families.
package check

// Package check says what RFC 2367 and the Linux kernel object to in a PF_KEY
// message, as rules with a code, the errno it brings and the source of the rule.
//
// Linux judges a message as af_key of Linux 6.1 does, rule by rule in the
// kernel's order, and goes on after the first objection. RFC judges it by the
// text of RFC 2367, in any dialect. Predict condenses the Linux rules to the
// answer a kernel will give; what only the kernel's state can tell (does the SA
// exist, has this kernel the cipher) it lists as possible. Explain goes the other
// way, from the answer a kernel gave to its likely reason. Rules lists all rules.
//
// Decoding never fails (package layers), so every function here takes any bytes.
// None panics, none allocates unless there is something to report, and no text
// holds an octet of a key or of anything else that may be secret: only lengths,
// numbers of algorithms, SPIs and addresses' families.
package check

// Package diff says how two recordings, or two states of a kernel, are not the same.
//
// What differs between any two runs of one conversation is set aside: times, counters,
// process ids, sequence numbers, policy ids, and the SPIs and keys that were chosen
// anew. An SPI that both sides have for the same kind of SA and destination names the
// same SA; any other is bound to the other side's where the two first meet, and is a
// difference where it stands for another one later. So are keys by their ids, but only
// of such SAs: of one that both sides call by the same SPI another key is a difference.
//
// Two systems are compared by meaning (package layers/compare). Nothing is called equal
// that was not compared: what one side cannot say, or hides, is listed as not
// comparable.
package diff

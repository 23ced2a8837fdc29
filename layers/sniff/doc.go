// Package sniff finds the byte order and the dialect of PF_KEY messages from
// their bytes, for captures that do not say them.
//
// [Sniff] looks at one message, a [Sniffer] at as many as there are. Both read it
// with every dialect in turn and count what a system of that dialect would not
// have written: an address family it does not have, an extension of another
// length, a request's keys in a wrapped answer. The candidate with the least of
// that comes first, with the bytes that tell it from the others as its reasons.
//
// Many messages are the same on several systems: a FLUSH is 16 bytes that all of
// them write. Then several candidates have the same score, and nothing is decided;
// [Sniffer.Decided] says so until one dialect is well ahead of every other.
//
// RFC 2367 is no candidate, because it has nothing that the systems do not have.
package sniff

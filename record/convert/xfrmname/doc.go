// Package xfrmname is the one home of the names that Linux' XFRM, and so ip-xfrm(8),
// gives to what PF_KEY has numbers for: algorithms, modes, protocols, kinds of UDP
// encapsulation, directions and flags of SAs.
//
// Numbers are found by their names in the tables of a dialect, so an algorithm of any
// system has its XFRM name here: RIJNDAELCBC of FreeBSD and AES of OpenBSD are cbc(aes).
package xfrmname

// Package pfjson is the JSON form of PF_KEY records: one object for each record,
// on one line, in both directions. [Append] writes it, [Parse] reads it, and the
// bytes of the message survive the way there and back:
//
//	Parse(Append(nil, &r, Options{ShowKeys: true})).Data equals r.Data
//
// for any bytes, in any dialect and byte order (up to 16 MiB). [Schema] is the
// JSON Schema of what Append writes.
//
// # Members
//
// In this order: schema, number, time (RFC 3339, UTC, nine decimals; left out if
// not known), direction, dialect, order, length, caplen, twin_of, reply_to,
// process, write_errno, comment, msg, ext, inner, problems, rest.
//
// length is the number of bytes the message had on the socket. caplen is there
// only if the record holds another number of bytes, because it was cut short
// ("truncated" among the problems).
//
// msg has the members of struct sadb_msg in wire order; reserved comes after len,
// only if it is not zero, with reserved_name where the dialect keeps a diagnostic
// code there (illumos). A record that is shorter than the header has no msg.
//
// Each element of ext begins with name ("UNKNOWN" if the dialect has none),
// exttype, offset (bytes from the start of the record) and len (the wire's count
// of 8-byte words). Then come the members of its structure, named as in the
// header without the sadb_<struct>_ prefix; [Names] lists what does not follow
// that rule, and the members that stand for no C member.
//
// inner is the message inside an X_PROMISC wrapper: an object with msg, ext,
// inner, problems and rest. Offsets in it count from the start of the record too.
//
// problems says what the decoder noticed, as objects of code, offset and text.
// The codes: message-length (sadb_msg_len disagrees with the record), truncated,
// unknown-extension, extension-too-short, and those of [layers.Reason] for a tail
// that cannot be divided into extensions, whose bytes are in rest. Whether a
// message is one that a kernel accepts is not decided here: package layers/check
// does that, and a caller may add what it finds to [Record.Problems].
//
// # From C members to JSON members
//
// Where a program that was compiled with a system's header says what a message
// holds, the JSON says the same under these names:
//
//	sadb_msg_X                 msg.X
//	sadb_S_X, sadb_x_S_X       ext[].X; the names that this rule does not give are in [Names]
//	SADB_EXT_N, SADB_X_EXT_N   ext[].name is N
//	a wrapped message          inner
//	sadb_comb                  combs[]
//	sadb_alg                   algs[]
//	sadb_x_ecomb               ecombs[], and each sadb_x_algdesc after it in its algs[]
//	sadb_x_ipsecrequest        requests[], its addresses src and dst
//	sastat                     list[]
//	sockaddr                   family addr port, and sa_len zero flowinfo scope_id src_id if unusual
//	a key                      key (octets without padding) and pad
//	an identity, a tag         identity, tag, or identity_hex, tag_hex
//	private data, credentials  data
//	what cannot be framed      rest
//
// Members in network byte order (SPIs, ports, illumos' SPI range) have the number
// that they mean, not what a load in host order gives. Reserved members and padding
// that are absent are zero. expect_test.go holds the package to this table.
//
// # Values
//
// Numbers are JSON numbers, above 2^53 strings of decimal digits. SPIs are
// strings like "0x00001234". An enumerated number x comes with x_name if the
// dialect has a name for it, a set of flags x with x_names, whose last element is
// the bits without a name, as hex, if there are any. Octets are strings of hex
// digits in wire order. Reserved members and padding appear only if they are not
// zero. Zeros that end an extension are said by its len alone.
//
// Secret octets are not written unless [Options.ShowKeys] is set. Without it a
// key has bits and key_id, and every other member that may hold secrets, such as
// the data of unknown extensions, is an object of bytes (how many) and id.
//
// # Reading
//
// [Parse] takes what Append writes and what a person would write. What can be
// computed may be left out: len everywhere, counts (ctx_len, taglen, list_len,
// sens_len, integ_len, num, numecombs, numalgs), the bits of a key, version,
// family. What is there is used as it is, so that a wrong length survives, unless
// ParseOptions.Fix is set. A number may be written as a string in decimal or hex.
// A name may stand without its number, in any case and with the header's prefix;
// a name that contradicts its number is an error, and so is a member that does not
// belong where it stands. offset, problems, caplen's value and key_id are ignored.
package pfjson

// Package filter has the one table of names for what is in a record, expressions
// over those names, and columns of them:
//
//	f, err := filter.Compile(`type == "ACQUIRE" && cidr(dst, "10.0.0.0/8")`, filter.Options{})
//	…
//	if f.Match(r) { … }
//
// # Paths
//
// A path names a value as the JSON form does: a member of the record (number time
// direction dialect order length caplen twin_of reply_to process comment), of the
// message header (msg.type, msg.errno), or of an extension, whose name stands in
// lower case (sa.spi, address_src.addr, policy.requests.mode,
// proposal.combs.hard_addtime). A number with a name has another path for that
// (msg.type_name), and so have flags (sa.flags_names). Every extension has
// exttype, offset and len. The extensions that a dialect does not have are
// "unknown", what could not be divided into extensions is "malformed". Of a secret
// there are bytes (how many) and id, of a key bits and key_id. [Paths] lists them all.
// Reserved fields are there whatever their value.
//
// The short names type satype errno seq pid spi src dst stand for msg.type …
// sa.spi address_src.addr address_dst.addr.
//
// A path may have several values: of a list of requests, combinations or
// algorithms, of an extension that occurs twice, and of a message in an X_PROMISC
// wrapper, which has those of the wrapper's header first and then those of the
// inner message. It may have none.
//
// # Expressions
//
// The syntax is that of the expression language of github.com/expr-lang/expr:
//
//	== != < <= > >=    in [1, 2]    in 1..9    not in […]
//	&& and    || or    ! not    ( )    0x1f    1_000    "text"    'text'    `text`
//	matches "^regexp$"    contains "text"    startsWith "text"    endsWith "text"
//	8 * 3600 + 60      with constants
//
// and three functions:
//
//	has("nat_t_type")               there is such a value, extension or list
//	cidr(dst, "10.0.0.0/8", …)      an address is in one of the prefixes
//	flag(sa.flags, "PFS")           a bit is set, by name or by number
//
// A comparison is true if it is true for any of the values, and false if there is
// none: what is absent is not zero. x != 1 is true if there is an x and none is 1;
// !(x == 1) is true also if there is no x. Of a wrapper's header != looks at the
// type only, so that errno != 0 finds what a kernel refused, wrapped or not. "not in", "not contains" and so on are
// the opposite of the whole, as "!" is. "not" and "!" belong to what stands next to
// them, so a comparison needs brackets: !(spi == 1).
//
// What a value is compared with depends on its kind. What does not fit is an error
// of Compile, and so is a path or a name that no dialect has:
//
//   - A number with a number, exactly, up to 64 bits: spi == 0x1234 is true of the
//     SPI that is shown as 0x00001234, and so is spi == "0x00001234".
//   - A number with a name: type == "add", "ADD" and "SADB_ADD" are the same, and so
//     is type == 3. What number a name has is up to each record's dialect:
//     satype == "esp" is 2 on OpenBSD and 3 elsewhere.
//   - An address with an address, however it is written: "2001:db8:0::1".
//     "::ffff:10.0.0.1" is another one than "10.0.0.1".
//   - A text, such as identity_src.identity, with a text. Octets with hex digits.
//   - time with a moment ("2026-05-01T10:00:00Z", UTC if no zone is given), a day
//     ("2026-05-01"), or seconds since 1970.
//   - A path with a path of the same kind: src == dst.
//
// Secrets cannot be compared; has() works, and so do bits and key_id.
//
// # Why that library
//
// expr-lang/expr is kept, has no dependencies of its own, and its parser gives
// every node its place in the text. Only the parser is used. Its evaluator would
// look values up in maps by name and knows neither "any of several" nor "absent is
// not zero"; here an expression becomes a few comparisons with bytes at known
// places of the message.
package filter

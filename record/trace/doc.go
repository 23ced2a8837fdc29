// Package trace finds out what a recording means: which way each message went,
// which messages are second copies of others, which request an answer belongs
// to, and which messages nobody in the recording asked for.
//
// # Linux
//
// af_key puts no direction into a message and does not wrap what it copies to a
// promiscuous socket. Such a socket gets, in this order, the raw request, and
// everything the kernel says to it; what the socket would have got anyway it gets
// twice (pfkey_broadcast in net/key/af_key.c). Most messages show their direction
// by their build: the kernel writes extensions in one fixed order and always with
// SADB_EXT_LIFETIME_CURRENT, its policy messages carry a reference count where
// requests must have 0, its errors are 16 bytes. FLUSH, SPDFLUSH and X_PROMISC do
// not: request and answer are the same bytes. There the number of copies decides:
// FLUSH comes as request and answer, or, if something was removed, as request,
// answer and two copies of the notification; the same thing done over netlink
// comes as the two copies only.
//
// Counting copies fails where messages were lost, and Linux does not say when it
// loses any. So nothing is decided that one lost message could have made look
// like that, or three where others are missing: the direction is then left
// unknown. What this does not cover is the loss of two or more copies of one FLUSH
// and of nothing else; recorders that watch their queue say more (Options.Lossless,
// Record.Dropped). A request that cannot be told from its answer yet may be told
// from what comes later, which is why a Reader, which looks ahead, knows more than
// Annotate, which does not.
//
// Not covered either: a listener that is promiscuous and sends requests which are
// not in the recording as written is noticed only by answers that come twice.
//
// # Others
//
// On the KAME family (FreeBSD, NetBSD, macOS, DragonFly) and on illumos a socket
// gets only what the kernel says. A promiscuous KAME socket gets it wrapped in an
// SADB_X_PROMISC message, and what is also meant for it a second time, as it is;
// two messages of one form are never copies of each other. On illumos nothing is
// wrapped and nothing comes twice. OpenBSD wraps the copies of requests and of
// answers to others, with the sender's process in the outer sadb_msg_seq for the
// former and 0 for the latter.
//
// Dumps end with sadb_msg_seq 0, on illumos with a header that holds nothing else.
package trace

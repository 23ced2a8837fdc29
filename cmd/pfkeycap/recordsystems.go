package main

import (
	"runtime"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
)

// system is what a recording on one kind of system can hold. RFC 2367 leaves to
// each what a promiscuous listener gets (appendix A).
type system struct {
	names    string // for the manual
	dialects []layers.Dialect
	hidden   string // said at the start of a recording
	manual   string
}

var systems = []system{
	{"Linux", []layers.Dialect{layers.Linux},
		"a request whose write fails is not seen (strace of the program shows it); Linux counts no lost messages",
		`Requests are seen as they were written, before they are looked at, also those that
the kernel answers with an error. Not seen are those whose write(2) fails, because of their
header or length: **strace -xx** of the program shows them. What is changed over netlink
(strongSwan, **ip xfrm**) is seen as the kernel's messages; keys of AEAD algorithms never are.
Promiscuous copies are not marked; what is also meant for the recorder comes twice. Other
network namespaces are worlds of their own. Messages are dropped silently, see **Loss**.`},
	{"FreeBSD, NetBSD, DragonFly BSD, macOS", []layers.Dialect{layers.FreeBSD, layers.NetBSD, layers.DragonFly, layers.MacOS},
		"this system shows what the kernel says, not what programs ask (ktrace or dtrace of the program shows that); lost messages are not noticed",
		`Only what the kernel says is seen, in X_PROMISC wrappers; what is also meant for the
recorder comes plain too. Requests are not: **ktrace** (macOS: **dtrace**) of the program shows
them. A dump that does not fit in the dumper's receive buffer ends without a word and
without its last record. FreeBSD counts what it drops for all sockets together
(**netstat -s -p pfkey**). Opening the socket takes root.`},
	{"OpenBSD", []layers.Dialect{layers.OpenBSD},
		"this system does not show requests that it cannot parse, nor the error number of a refused write (ktrace of the program does); lost messages are not noticed",
		`Requests are seen once they have been parsed, in X_PROMISC wrappers with the sender's
process in sadb_msg_seq; answers to others in wrappers, what the kernel tells everybody plain.
Not seen are requests that cannot be parsed, and the error number with which a write fails:
**ktrace** of the program shows both. Keys are not in answers to ADD and UPDATE. Flows are
not listed over PF_KEY, so **--snapshot** has SAs only (**ipsecctl -s flow**). Routing domains
are worlds of their own. Opening the socket takes root.`},
	{"illumos", []layers.Dialect{layers.Illumos},
		"this system shows what the kernel says, not what programs ask (truss of the program shows that); lost messages are not noticed",
		`Only what the kernel says is seen, without wrappers, once. Requests are not: **truss**
of the program shows them. Policies are not listed over PF_KEY (**ipsecconf**). Opening the socket takes
the privilege sys_ip_config.`},
}

// hidden says what a listener on a system is not shown, and what would show it.
func hidden(d layers.Dialect) string {
	for _, s := range systems {
		for _, of := range s.dialects {
			if of == d {
				return s.hidden
			}
		}
	}
	return ""
}

// manRecord is the part of the manual about recording.
func manRecord() string {
	var b strings.Builder
	b.WriteString(manRecordIntro)
	for _, s := range systems {
		b.WriteString(s.names + "\n:   " + s.manual + "\n\n")
	}
	return b.String()
}

const manRecordIntro = `# RECORDING
## Listening
The recorder's socket is promiscuous and never registered: that would tell the kernel that a
key manager is there. The message that makes it promiscuous (X_PROMISC) is announced to every
PF_KEY socket, as all are. With **-p** it is not sent, and only what the kernel tells everybody
is seen. With **--register** the socket is registered: on Linux a packet that needs an SA then
waits for somebody to make one, where it would have failed at once. What the recorder writes
itself is in the capture as it was written.

With **--snapshot** the kernel first lists its SAs and policies; these records have the comment
"snapshot". The command that is to be recorded is started after that.

## Loss
Linux drops a message for a socket whose receive queue is full: no error, no count. The
recorder forces its queue to hold 16 MiB, which Linux doubles (**-B**; an ordinary user gets
at most **net.core.rmem_max**), and looks after every read how full the queue is. If it
may have been full, a line on stderr says so at once, a comment on the next record says where
messages may be missing from, another one up to where, and the summary how often it happened. No
such comment means that no message was dropped for want of room.

Linux, FreeBSD and their relatives number the records of a dump: ones that are missing are
counted (**dropped**, and a comment). A dump that ends without its last record, the one with
sequence number 0, is said to be incomplete: when its reader closes its socket, or at the
end of the recording.

Another process may lose messages too. A PF_KEY socket whose queue is more than half full of
what sockets hold by default becomes a comment and a line on stderr.

## Processes
A message carries the process that its sender claims to be; the name of the process with that
number is kept with it (**pid=412(iked)**, **process** in JSON). Which processes really have
PF_KEY sockets is found out from /proc: those at the start, and each one that is opened,
closed or handed on, become comments. It needs root, or CAP_SYS_PTRACE, to see those of other
users, and after **-Z** nothing new is seen of them. Names and owners are known on Linux only.

## Privileges
On Linux CAP_NET_ADMIN in the user namespace that owns the network namespace is enough, to open
the socket; a namespace of one's own will do (**unshare -rn**), though the receive queue is then
limited as an ordinary user's. Who is not root gives all capabilities up once the socket is
open. With **-Z** root becomes another user, before any file is made, keeps no capability and
sets no_new_privs. A command after **--** keeps what the recorder had at its start.

# SYSTEMS
What a recording holds depends on what the kernel shows a promiscuous listener.

`

// bufferAdvice says how the receive buffer can be made as large as is asked for.
var bufferAdvice = map[string]string{
	"linux":   " (CAP_NET_ADMIN in the first user namespace may force it, else net.core.rmem_max is the limit)",
	"freebsd": " (kern.ipc.maxsockbuf is the limit)",
	"netbsd":  " (kern.sbmax is the limit)",
	"darwin":  " (kern.ipc.maxsockbuf is the limit)",
}[runtime.GOOS]

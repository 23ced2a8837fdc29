// Package replay makes a kernel hear a recorded PF_KEY conversation again and
// compares its answers: would this kernel do today what that kernel did then?
//
// A [Plan] is made from the records of a capture: which of them are requests, to be
// sent in the recorded order, each process on a socket of its own; what has to be
// rewritten; and which recorded messages cannot be brought about. [Run] drives a
// [Target] through the plan and gives a [Report].
//
//	plan, err := replay.NewPlan(trace.NewReader(capture, trace.Options{}), replay.PlanOptions{})
//	report, err := replay.Run(ctx, plan, target, replay.RunOptions{})
//	report.WriteText(os.Stdout, false)
//
// # What is sent
//
// Requests are sent as they were recorded, the process id in the header included:
// kernels that do not check it echo it, and so the answers can be the same octets.
// Three things are rewritten. sadb_msg_reserved is set to 0, because Linux and
// OpenBSD refuse a request where it is not, unless the recorded kernel refused it
// too. GETSPI is narrowed to the SPI that the recorded kernel chose, so that later
// messages name an SA that exists. And where the target chooses otherwise all the
// same, later messages are rewritten from its answers: SPIs, policy ids, request
// ids, the sequence numbers of ACQUIREs. Each such [Binding] is in the report.
//
// [PlanOptions] can take a part of a capture and give addresses and request ids
// others; [RunOptions] has the pace, loops and limits.
//
// X_PROMISC switches are not sent: they are those of whoever recorded, and would
// make the target's sockets hear everything twice.
//
// # What is compared
//
// Each request with its answers is one exchange, and has one [Verdict]. So has each
// recorded message that belongs to no request: the kernel's events, and changes
// that something else than a request of the capture made. They are never
// reproducible, and neither are answers that hang on them; lives.go says how that
// is found. The number of verdicts is that of the exchanges and of these messages.
//
// Secret octets are compared, but never stand in a report.
//
// # What is not harmed, and what is enough
//
// [RunOptions].Guard keeps what the target had before as it is. [Minimize] replays
// again and again, into a fresh target each time, to find the fewest requests that
// still show a difference or the target's end.
//
// # Elsewhere
//
// A plan can be run by another process, at the other end of two streams, next to
// its target: [Serve] there, [Remote] here. It goes there with the true keys it has.
package replay

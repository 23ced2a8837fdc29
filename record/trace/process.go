package trace

// maxProcesses is how many processes are remembered.
const maxProcesses = 64

// process is what is known of the sender of messages with one sadb_msg_pid. The
// kernel does not check that number; netlink requests have one of their own, which
// changes made over netlink show here (strongSwan writes its process id, ip(8) 0).
type process struct {
	pid     uint32
	at      uint64 // which message spoke of it last; 0 is a free slot
	pfkey   bool   // a request with it was seen
	listens bool   // answers to it alone came twice: the listener sends, and its requests are not in the recording as written
	foreign uint8  // changes with it whose request was not seen
	seq     uint32 // the first sequence number
	some    bool   // seq is set
	varies  bool   // there were others
}

type processes [maxProcesses]process

// of returns what is known of a process, or the zero process.
func (ps *processes) of(pid uint32) process {
	for i := range ps {
		if p := &ps[i]; p.at != 0 && p.pid == pid {
			return *p
		}
	}
	return process{}
}

// get returns the entry of a process, made in the place of the one that was not
// spoken of for longest if there is none.
func (ps *processes) get(pid uint32, at uint64) *process {
	oldest := &ps[0]
	for i := range ps {
		p := &ps[i]
		if p.at != 0 && p.pid == pid {
			p.at = at
			return p
		}
		if p.at < oldest.at {
			oldest = p
		}
	}
	*oldest = process{pid: pid, at: at}
	return oldest
}

// said notes a sequence number that the process chose.
func (p *process) said(seq uint32) {
	if p.some && p.seq != seq {
		p.varies = true
	}
	if !p.some {
		p.some, p.seq = true, seq
	}
}

// repeats reports whether the process may have sent two requests with the number.
func (p *process) repeats(seq uint32) bool { return !p.varies && (!p.some || p.seq == seq) }

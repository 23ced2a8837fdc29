package trace

// process is what is known of the sender of messages with one sadb_msg_pid. The
// kernel does not check that number; netlink requests have one of their own, which
// changes made over netlink show here (strongSwan writes its process id, ip(8) 0).
type process struct {
	pid     uint32
	pfkey   bool   // a request with it was seen
	listens bool   // answers to it alone came twice: the listener sends, and its requests are not in the recording as written
	foreign uint8  // changes with it whose request was not seen
	seq     uint32 // the first sequence number
	some    bool   // seq is set
	varies  bool   // there were others
}

// processes are the ones that were spoken of lately.
type processes struct {
	all    [maxRecent]process
	recent recent
}

// of returns what is known of a process, or the zero process.
func (ps *processes) of(pid uint32) process {
	for k := range ps.recent.n {
		if p := &ps.all[ps.recent.at(k)]; p.pid == pid {
			return *p
		}
	}
	return process{}
}

// get returns the entry of a process, made in the place of the one that was not
// spoken of for longest if there is none.
func (ps *processes) get(pid uint32) *process {
	for k := range ps.recent.n {
		if p := &ps.all[ps.recent.at(k)]; p.pid == pid {
			ps.recent.front(k)
			return p
		}
	}
	if _, ok := ps.recent.add(); !ok {
		ps.recent.front(maxRecent - 1)
	}
	p := &ps.all[ps.recent.at(0)]
	*p = process{pid: pid}
	return p
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

package trace

// Role is the part a message plays in the conversation.
type Role uint8

// The roles.
const (
	Unknown Role = iota // cannot be known; the direction may be known all the same
	Request             // from a process to the kernel, the first copy
	Reply               // the kernel's answer to a request in the recording: Record.ReplyTo
	Event               // the kernel speaks of its own accord: ACQUIRE, EXPIRE, NAT_T_NEW_MAPPING
	Foreign             // the kernel tells what was done by a request that is not in the recording: over netlink, or through another socket while the recording one was not promiscuous
	Twin                // another copy of a message in the recording: Record.TwinOf
)

// String returns the name of the role in lower case.
func (r Role) String() string {
	switch r {
	case Request:
		return "request"
	case Reply:
		return "reply"
	case Event:
		return "event"
	case Foreign:
		return "foreign"
	case Twin:
		return "twin"
	}
	return "unknown"
}

package keysock

// Meminfo is how full the receive queue of a socket is.
type Meminfo struct {
	// Queued is the memory in bytes that queued messages take, the kernel's
	// overhead included (rmem_alloc).
	Queued uint32
	// Limit is the receive buffer in bytes, as SetReceiveBuffer returns it.
	// Linux drops a message, silently, when Queued is above Limit before it
	// is queued.
	Limit uint32
}

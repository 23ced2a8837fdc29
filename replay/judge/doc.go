// Package judge holds what package check says of requests, and what package layers
// makes of answers, to what a real Linux kernel does.
//
// Run sends message after message to a kernel's PF_KEY socket. Before each answer is
// looked at, a model of the kernel's SAs and policies (check.Model) predicts it. The
// kernel is right: where it answers otherwise, that is a disagreement. Its messages
// are decoded, encoded again, compared with the request, and searched for octets that
// nobody has set. A kernel that panics or hangs is replaced by a fresh one. What is
// found is grouped into classes; of each class one case is cut down to what it needs
// and saved as a capture.
package judge

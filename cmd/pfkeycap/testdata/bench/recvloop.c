/*
 * recvloop - what BenchmarkRecorder measures pfkeycap against: the plainest program
 * that reads a datagram socket and writes the pcapng file that pfkeycap writes.
 *
 *	recvloop FILE COUNT LOT MESSAGES
 *
 * MESSAGES is a file of messages, each after its length in 4 bytes. LOT of them are
 * queued in one end of a socket pair, and read from the other in batches: one
 * recvmmsg(2), one clock reading and one write(2) of whole enhanced packet blocks
 * for each, until COUNT have been read. Prints the processor time in nanoseconds
 * that reading and writing took.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, SLOT = 512 << 10, OVERHEAD = 128 };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) != 0)
		die("clock_gettime");
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static unsigned char *put32(unsigned char *p, uint32_t v)
{
	memcpy(p, &v, 4);
	return p + 4;
}

static unsigned char *put64(unsigned char *p, uint64_t v)
{
	memcpy(p, &v, 8);
	return p + 8;
}

static unsigned char *header(unsigned char *p)
{
	p = put32(p, 0x0a0d0d0a); /* section header */
	p = put32(p, 28);
	p = put32(p, 0x1a2b3c4d);
	p = put32(p, 1);
	p = put64(p, ~(uint64_t)0);
	p = put32(p, 28);
	p = put32(p, 1); /* interface description: USER0, nanoseconds */
	p = put32(p, 32);
	p = put32(p, 147);
	p = put32(p, 262144);
	p = put32(p, 9 | 1 << 16);
	p = put32(p, 9);
	p = put32(p, 0);
	return put32(p, 32);
}

static unsigned char *packet(unsigned char *p, uint64_t ts, uint64_t number, const unsigned char *msg, uint32_t n)
{
	uint32_t padded = (n + 3) & ~3u, total = 32 + padded + 8 + 12 + 4;

	p = put32(p, 6);
	p = put32(p, total);
	p = put32(p, 0);
	p = put32(p, ts >> 32);
	p = put32(p, ts);
	p = put32(p, n);
	p = put32(p, n);
	memcpy(p, msg, n);
	memset(p + n, 0, padded - n);
	p += padded;
	p = put32(p, 2 | 4 << 16); /* flags: direction */
	p = put32(p, 1);
	p = put32(p, 5 | 8 << 16); /* packet id */
	p = put64(p, number);
	p = put32(p, 0);
	return put32(p, total);
}

static unsigned char *messages, *next, *end;

/* fill queues n messages. */
static void fill(int socket, uint64_t n)
{
	while (n-- > 0) {
		uint32_t len;

		if (next == end)
			next = messages;
		memcpy(&len, next, 4);
		if (write(socket, next + 4, len) != (ssize_t)len)
			die("filling the socket");
		next += 4 + len;
	}
}

static void load(const char *name)
{
	FILE *f = fopen(name, "rb");
	long size;

	if (!f || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) <= 0)
		die(name);
	rewind(f);
	messages = malloc(size);
	if (!messages || fread(messages, 1, size, f) != (size_t)size)
		die(name);
	fclose(f);
	next = messages;
	end = messages + size;
}

int main(int argc, char **argv)
{
	static struct mmsghdr msgs[BATCH];
	static struct iovec iovs[BATCH];
	unsigned char *slots = malloc((size_t)BATCH * SLOT), *out = malloc((size_t)BATCH * (SLOT + OVERHEAD)), *p;
	uint64_t number = 0, count, lot, cpu = 0;
	int file, i, n, pair[2], size = 1 << 20;

	if (argc != 5 || !slots || !out)
		return 2;
	count = strtoull(argv[2], NULL, 10);
	lot = strtoull(argv[3], NULL, 10);
	load(argv[4]);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) != 0)
		die("socketpair");
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	if ((file = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
		die(argv[1]);
	for (i = 0; i < BATCH; i++) {
		iovs[i].iov_base = slots + (size_t)i * SLOT;
		iovs[i].iov_len = SLOT;
		msgs[i].msg_hdr.msg_iov = &iovs[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	p = header(out);
	if (write(file, out, p - out) != p - out)
		die("write");
	while (number < count) {
		uint64_t until = number + lot, start, ts;

		fill(pair[1], lot);
		start = now(CLOCK_PROCESS_CPUTIME_ID);
		while (number < until) {
			if ((n = recvmmsg(pair[0], msgs, BATCH, 0, NULL)) < 0)
				die("recvmmsg");
			ts = now(CLOCK_REALTIME);
			for (p = out, i = 0; i < n; i++)
				p = packet(p, ts, ++number, iovs[i].iov_base, msgs[i].msg_len);
			if (write(file, out, p - out) != p - out)
				die("write");
		}
		cpu += now(CLOCK_PROCESS_CPUTIME_ID) - start;
	}
	printf("%llu\n", (unsigned long long)cpu);
	return 0;
}

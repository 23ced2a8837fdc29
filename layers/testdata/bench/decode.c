/*
 * A reference for BenchmarkDecode, no part of the product: decodes PF_KEY messages as
 * one would by hand in C, bounds checked, and copies the same fields into one struct
 * that is used again and again. Prints nanoseconds of processor time per message, the
 * least of some rounds.
 *
 *	decode ROUNDS TIMES FILE
 *
 * FILE holds messages, each after its length in 4 octets of this machine's order. In a
 * round all of them are decoded TIMES times.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct bytes { const uint8_t *at; uint32_t len; };

struct ext { struct bytes b; uint32_t off; uint16_t type; };

struct message {
	uint8_t version, type, err, satype;
	uint16_t len, reserved;
	uint32_t seq, pid;
	uint32_t present, count;
	struct ext exts[64];
	struct { uint32_t spi; uint8_t replay, state, auth, encrypt; uint32_t flags; struct bytes tail; } sa;
	struct { uint32_t allocations; uint64_t bytes, addtime, usetime; struct bytes tail; } life[3];
	struct { uint8_t proto, prefixlen; uint16_t reserved; struct bytes sockaddr; } addr[3];
	struct { uint16_t bits, reserved; struct bytes octets; } key[2];
	struct { uint32_t reserved; struct bytes list; } supported[2];
	struct { uint8_t replay, reserved[3]; struct bytes list; } prop;
	struct { uint16_t type; uint8_t dir, reserved; uint32_t id, priority; struct bytes list; } policy;
	struct { uint8_t mode, reserved1; uint16_t reserved2; uint32_t sequence, reqid; struct bytes tail; } sa2;
};

static inline uint16_t u16(const uint8_t *p, int big) { uint16_t v; memcpy(&v, p, 2); return big ? __builtin_bswap16(v) : v; }
static inline uint32_t u32(const uint8_t *p, int big) { uint32_t v; memcpy(&v, p, 4); return big ? __builtin_bswap32(v) : v; }
static inline uint64_t u64(const uint8_t *p, int big) { uint64_t v; memcpy(&v, p, 8); return big ? __builtin_bswap64(v) : v; }

static inline struct bytes after(const uint8_t *e, size_t n, size_t at)
{
	return (struct bytes){e + at, n - at};
}

__attribute__((noinline)) static int decode(struct message *m, const uint8_t *b, size_t n, int big)
{
	if (n < 16)
		return 0;
	m->version = b[0], m->type = b[1], m->err = b[2], m->satype = b[3];
	m->len = u16(b + 4, big), m->reserved = u16(b + 6, big);
	m->seq = u32(b + 8, big), m->pid = u32(b + 12, big);
	m->present = m->count = 0;
	for (size_t off = 16; off < n;) {
		const uint8_t *e = b + off;
		if (n - off < 4)
			return 0;
		size_t len = (size_t)u16(e, big) * 8;
		if (len == 0 || len > n - off || m->count == 64)
			return 0;
		uint16_t type = u16(e + 2, big);
		m->exts[m->count++] = (struct ext){{e, len}, off, type};
		off += len;
		if (type >= 32 || m->present & 1u << type)
			continue;
		m->present |= 1u << type;
		switch (type) {
		case 1:
			if (len < 16)
				return 0;
			m->sa.spi = u32(e + 4, !big);
			m->sa.replay = e[8], m->sa.state = e[9], m->sa.auth = e[10], m->sa.encrypt = e[11];
			m->sa.flags = u32(e + 12, big), m->sa.tail = after(e, len, 16);
			break;
		case 2: case 3: case 4:
			if (len < 32)
				return 0;
			m->life[type - 2].allocations = u32(e + 4, big);
			m->life[type - 2].bytes = u64(e + 8, big);
			m->life[type - 2].addtime = u64(e + 16, big);
			m->life[type - 2].usetime = u64(e + 24, big);
			m->life[type - 2].tail = after(e, len, 32);
			break;
		case 5: case 6: case 7:
			m->addr[type - 5].proto = e[4], m->addr[type - 5].prefixlen = e[5];
			m->addr[type - 5].reserved = u16(e + 6, big), m->addr[type - 5].sockaddr = after(e, len, 8);
			break;
		case 8: case 9:
			m->key[type - 8].bits = u16(e + 4, big), m->key[type - 8].reserved = u16(e + 6, big);
			m->key[type - 8].octets = after(e, len, 8);
			if ((m->key[type - 8].bits + 7u) / 8 > len - 8)
				return 0;
			break;
		case 13:
			m->prop.replay = e[4], memcpy(m->prop.reserved, e + 5, 3), m->prop.list = after(e, len, 8);
			break;
		case 14: case 15:
			m->supported[type - 14].reserved = u32(e + 4, big), m->supported[type - 14].list = after(e, len, 8);
			break;
		case 18:
			if (len < 16)
				return 0;
			m->policy.type = u16(e + 4, big), m->policy.dir = e[6], m->policy.reserved = e[7];
			m->policy.id = u32(e + 8, big), m->policy.priority = u32(e + 12, big), m->policy.list = after(e, len, 16);
			break;
		case 19:
			if (len < 16)
				return 0;
			m->sa2.mode = e[4], m->sa2.reserved1 = e[5], m->sa2.reserved2 = u16(e + 6, big);
			m->sa2.sequence = u32(e + 8, big), m->sa2.reqid = u32(e + 12, big), m->sa2.tail = after(e, len, 16);
			break;
		}
	}
	return 1;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
	static uint8_t data[1 << 16];
	static struct message m;
	struct bytes msgs[64];
	size_t count = 0;
	if (argc != 4)
		return 2;
	FILE *f = fopen(argv[3], "rb");
	if (!f)
		return 1;
	size_t size = fread(data, 1, sizeof data, f);
	for (size_t at = 0; at + 4 <= size && count < 64;) {
		uint32_t len = u32(data + at, 0);
		if (len > size - at - 4)
			return 1;
		msgs[count++] = (struct bytes){data + at + 4, len};
		at += 4 + len;
	}
	long times = atol(argv[2]);
	double best = 0;
	for (int round = atoi(argv[1]); round > 0; round--) {
		double start = now();
		for (long i = 0; i < times; i++)
			for (size_t k = 0; k < count; k++) {
				if (!decode(&m, msgs[k].at, msgs[k].len, 0))
					return 1;
				__asm__ volatile("" : : "r"(&m) : "memory"); /* all of it is wanted */
			}
		double each = (now() - start) / times / count;
		if (best == 0 || each < best)
			best = each;
	}
	printf("%.3f\n", best);
	return 0;
}

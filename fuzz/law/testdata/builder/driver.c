/* What is left of libFuzzer without clang: the main function, which runs the inputs it
   is given once, and the hooks that the instrumentation calls. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(char *, size_t);

void __sanitizer_cov_8bit_counters_init(char *a, char *z) { printf("%ld counters\n", (long)(z - a)); }
void __sanitizer_cov_pcs_init(const uintptr_t *a, const uintptr_t *z) {}
#define HOOK(name) void name(void) {}
HOOK(__sanitizer_cov_trace_cmp1)
HOOK(__sanitizer_cov_trace_cmp2)
HOOK(__sanitizer_cov_trace_cmp4)
HOOK(__sanitizer_cov_trace_cmp8)
HOOK(__sanitizer_cov_trace_const_cmp1)
HOOK(__sanitizer_cov_trace_const_cmp2)
HOOK(__sanitizer_cov_trace_const_cmp4)
HOOK(__sanitizer_cov_trace_const_cmp8)
HOOK(__sanitizer_weak_hook_strcmp)

int main(int argc, char **argv)
{
	static char b[1 << 20];
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "r");
		if (f == NULL) {
			perror(argv[i]);
			return 1;
		}
		size_t n = fread(b, 1, sizeof b, f);
		fclose(f);
		LLVMFuzzerTestOneInput(b, n);
	}
	printf("%d inputs\n", argc - 1);
	return 0;
}

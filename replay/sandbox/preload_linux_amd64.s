// The ptrace(2) of the sandbox kernel: machine code for another program, see
// preload_linux_amd64.go.

#include "textflag.h"

// preloadPtrace is not Go code and Go never calls it: preloadObject copies its
// instructions into a small shared object, where they are the function
//
//	long ptrace(long request, pid_t pid, void *addr, void *data)
//
// of the System V ABI (DI, SI, DX, CX; result in AX; BX, BP, R12-R15 kept).
// The code is position independent: all jumps are relative and R11 holds the
// address of the object's data, laid out as
//
//	 0  the address of __errno_location, filled in by the dynamic linker
//	 8  the process whose state the buffer holds, 0 for none
//	16  how many bytes of the buffer are that state
//	24  1 once the kernel has refused a short state
//	32  the features whose state lies within a short one
//	64  the buffer
//
// See preload_linux_amd64.go for what it does and why.

#define SYS_ptrace          101
#define PTRACE_PEEKUSER     3
#define PTRACE_GETREGS      12
#define PTRACE_SETREGS      13
#define PTRACE_OLDSETOPTIONS 21
#define PTRACE_SETOPTIONS   0x4200
#define PTRACE_GETREGSET    0x4204
#define PTRACE_SETREGSET    0x4205
#define PTRACE_O_EXITKILL   0x100000
#define NT_X86_XSTATE       0x202

#define owner  8(BX)
#define length 16(BX)
#define short  24(BX)
#define shortMask 32(BX)
#define shortLength 2696
#define buffer 64(BX)
#define bufferSize 65536

#define END_MARK 0x6b72616d20646e65

TEXT ·preloadPtrace(SB), NOSPLIT|NOFRAME, $0-0
	PUSHQ BX
	PUSHQ BP
	PUSHQ R12
	PUSHQ R13
	PUSHQ R14
	SUBQ  $32, SP        // 0(SP): an iovec, or the word a PEEK reads
	MOVQ  R11, BX
	MOVL  DI, R12        // request
	MOVLQSX SI, R13      // pid
	MOVQ  DX, BP         // addr
	MOVQ  CX, R14        // data

	CMPL R12, $PTRACE_GETREGSET
	JEQ  get
	CMPL R12, $PTRACE_SETREGSET
	JEQ  set
	CMPL R12, $PTRACE_GETREGS
	JEQ  plain
	CMPL R12, $PTRACE_SETREGS
	JEQ  plain

	// Anything else may let the process run or change it.
	MOVQ $0, owner
	CMPL R12, $PTRACE_SETOPTIONS
	JEQ  options
	CMPL R12, $PTRACE_OLDSETOPTIONS
	JEQ  options
	LEAL -1(R12), AX
	CMPL AX, $PTRACE_PEEKUSER
	JCS  peek

plain:
	MOVQ R14, R10

call:
	MOVQ $SYS_ptrace, AX
	MOVLQSX R12, DI
	MOVQ R13, SI
	MOVQ BP, DX
	SYSCALL

result:
	CMPQ AX, $-4095
	JCC  failed

return:
	ADDQ $32, SP
	POPQ R14
	POPQ R13
	POPQ R12
	POPQ BP
	POPQ BX
	RET

failed:
	NEGQ AX
	MOVL AX, R12
	MOVQ 0(BX), AX       // __errno_location
	CALL AX
	MOVL R12, 0(AX)
	MOVQ $-1, AX
	JMP  return

options:
	ORQ $PTRACE_O_EXITKILL, R14
	JMP plain

peek:
	// The system call stores the word, the library function returns it and
	// clears errno.
	MOVQ SP, R10
	MOVQ $SYS_ptrace, AX
	MOVLQSX R12, DI
	MOVQ R13, SI
	MOVQ BP, DX
	SYSCALL
	CMPQ AX, $-4095
	JCC  failed
	MOVQ 0(BX), AX
	CALL AX
	MOVL $0, 0(AX)
	MOVQ 0(SP), AX
	JMP  return

get:
	CMPQ BP, $NT_X86_XSTATE
	JNE  plain
	MOVQ $0, owner
	MOVQ R14, R10
	MOVQ $SYS_ptrace, AX
	MOVLQSX R12, DI
	MOVQ R13, SI
	MOVQ BP, DX
	SYSCALL
	TESTQ AX, AX
	JNE  result
	MOVQ 8(R14), CX
	CMPQ CX, $bufferSize
	JHI  return
	TESTQ $7, CX
	JNE  return
	MOVQ CX, length
	MOVQ R13, owner
	MOVQ 0(R14), SI
	LEAQ buffer, DI
	SHRQ $3, CX
	REP; MOVSQ
	JMP  return          // AX is still 0

set:
	CMPQ BP, $NT_X86_XSTATE
	JNE  change
	MOVQ 8(R14), DX      // the caller's length
	MOVQ 0(R14), SI      // and state
	LEAQ buffer, DI
	CMPQ owner, R13
	JNE  write
	CMPQ length, DX
	JNE  write
	MOVQ DX, CX
	SHRQ $3, CX

compare:
	// From the end, a word at a time.
	SUBQ $1, CX
	JCS  unchanged
	MOVQ (SI)(CX*8), AX
	CMPQ AX, (DI)(CX*8)
	JEQ  compare

write:
	MOVQ $0, owner
	CMPQ short, $0
	JNE  whole
	MOVQ R14, R10
	MOVQ $SYS_ptrace, AX
	MOVLQSX R12, DI
	MOVQ R13, SI
	MOVQ BP, DX
	SYSCALL
	CMPQ AX, $-14        // EFAULT
	JNE  result
	CMPQ 8(R14), $shortLength
	JNE  failed
	MOVQ $1, short

whole:
	MOVQ 8(R14), CX
	CMPQ CX, $shortLength
	JNE  plain
	MOVQ 0(R14), SI
	LEAQ buffer, DI
	MOVQ DI, 0(SP)       // the iovec: all of the buffer
	MOVQ $bufferSize, 8(SP)
	SHRQ $3, CX
	REP; MOVSQ

	// Of the feature bits at the start of the header, which follows 512 bytes of
	// legacy state, keep those whose state the caller gave. The other features are
	// then set to what a new process has.
	MOVQ shortMask, AX
	ANDQ AX, 576(BX)
	MOVQ SP, R10
	JMP  call

unchanged:
	MOVQ $0, AX
	JMP  return

change:
	MOVQ $0, owner
	JMP  plain

	// Where copyPreload stops.
	QUAD $END_MARK
	RET

// func copyPreload(dst []byte) int
TEXT ·copyPreload(SB), NOSPLIT, $0-32
	LEAQ ·preloadPtrace(SB), SI
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), CX
	MOVQ $END_MARK, DX
	MOVQ $0, BX

next:
	CMPQ DX, (SI)(BX*1)
	JEQ  done
	CMPQ BX, CX
	JEQ  done
	MOVB (SI)(BX*1), AX
	MOVB AX, (DI)(BX*1)
	INCQ BX
	JMP  next

done:
	MOVQ BX, ret+24(FP)
	RET

// func cpuid(leaf, subleaf uint32) (a, b, c, d uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL subleaf+4(FP), CX
	CPUID
	MOVL AX, a+8(FP)
	MOVL BX, b+12(FP)
	MOVL CX, c+16(FP)
	MOVL DX, d+20(FP)
	RET

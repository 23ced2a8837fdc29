package sandbox

import (
	"debug/elf"
	"encoding/binary"
)

// A UML kernel runs the guest's programs as ptraced host processes and calls
// ptrace(2) some six times for each of their system calls. Three things about
// the way it does that (seen in Debian's 6.1) cannot be left as they are, and
// its C library lets one replace ptrace for it by LD_PRELOAD:
//
//   - It hands PTRACE_SETREGSET a floating-point state of 2696 bytes. A host
//     kernel wants all of it, which on a processor with AMX (every Intel
//     server since 2023) is 11008, and answers EFAULT: init dies before its
//     first instruction. The replacement fills up with initial state; AMX needs
//     a permission no guest can ask for, so nothing is lost.
//   - If the kernel is killed, its programs are let go and run on as processes
//     of the host. The replacement adds PTRACE_O_EXITKILL.
//   - It writes the floating-point state back unchanged after every system
//     call. The replacement remembers what it has just read, and skips that:
//     a guest's system call gets a third faster.
//
// The replacement is in preload_linux_amd64.s. preloadObject wraps it in the
// smallest ELF shared object that a dynamic linker accepts, so there is nothing
// to compile, install or embed.

// preloadPtrace is machine code for another program; it must not be called.
func preloadPtrace()

var _ = preloadPtrace // only the assembly refers to it

// copyPreload copies the instructions of preloadPtrace, as far as dst has room, and
// returns their number of bytes.
func copyPreload(dst []byte) int

const (
	preloadPage = 0x1000
	preloadRoom = 0x800 // for the instructions, within the first page

	// See preload_linux_amd64.s.
	preloadDataSize = 64 + 65536
	preloadMaskAt   = 32
	shortLength     = 2696
)

func cpuid(leaf, subleaf uint32) (a, b, c, d uint32)

// shortMask returns the bits of the processor's features whose state ends within
// the first shortLength bytes of the standard format of XSAVE (Intel SDM, volume
// 1, 13.4; CPUID leaf 0Dh gives the layout).
func shortMask() uint64 {
	const leaf = 0xd
	mask := uint64(3) // x87 and SSE: the legacy area
	if max, _, _, _ := cpuid(0, 0); max < leaf {
		return mask
	}
	for feature := uint32(2); feature < 63; feature++ {
		size, offset, flags, _ := cpuid(leaf, feature)
		if supervisor := flags&1 != 0; size != 0 && !supervisor && offset+size <= shortLength {
			mask |= 1 << feature
		}
	}
	return mask
}

// preloadObject returns an ELF shared object that exports ptrace and needs
// __errno_location: one page that is read and executed, one that is written.
func preloadObject() []byte {
	code := make([]byte, preloadRoom)
	code = code[:copyPreload(code)]
	le := binary.LittleEndian

	const headers = 64 + 4*56
	names := []byte("\x00ptrace\x00__errno_location\x00")
	var (
		symtab  = headers
		hash    = symtab + 3*elf.Sym64Size
		rela    = hash + 4*7 + 4 // aligned to 8
		strtab  = rela + 24
		entry   = (strtab + len(names) + 15) &^ 15
		end     = entry + 7 + len(code)
		dynamic = preloadPage
		data    = (preloadPage + 16*9 + 63) &^ 63
		filled  = data + preloadMaskAt + 8
	)
	b := make([]byte, 0, filled)
	put := func(v any) {
		// Append fails only on types of no fixed size, and none is used.
		b, _ = binary.Append(b, le, v)
	}
	put(elf.Header64{
		Ident:     [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:      uint16(elf.ET_DYN),
		Machine:   uint16(elf.EM_X86_64),
		Version:   uint32(elf.EV_CURRENT),
		Phoff:     64,
		Ehsize:    64,
		Phentsize: 56,
		Phnum:     4,
		Shentsize: 64,
	})
	segment := func(t elf.ProgType, f elf.ProgFlag, off, filesz, memsz, align int) {
		put(elf.Prog64{
			Type: uint32(t), Flags: uint32(f), Off: uint64(off), Vaddr: uint64(off), Paddr: uint64(off),
			Filesz: uint64(filesz), Memsz: uint64(memsz), Align: uint64(align),
		})
	}
	segment(elf.PT_LOAD, elf.PF_R|elf.PF_X, 0, end, end, preloadPage)
	segment(elf.PT_LOAD, elf.PF_R|elf.PF_W, dynamic, filled-dynamic, data-dynamic+preloadDataSize, preloadPage)
	segment(elf.PT_DYNAMIC, elf.PF_R|elf.PF_W, dynamic, 16*9, 16*9, 8)
	segment(elf.PT_GNU_STACK, elf.PF_R|elf.PF_W, 0, 0, 0, 16)

	function := elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC)
	put(elf.Sym64{})
	put(elf.Sym64{Name: 1, Info: function, Shndx: 1, Value: uint64(entry), Size: uint64(end - entry)})
	put(elf.Sym64{Name: 8, Info: function, Shndx: uint16(elf.SHN_UNDEF)})
	put([]uint32{1, 3, 1, 0, 2, 0, 0, 0}) // one bucket, three links: 1 → 2
	put(elf.Rela64{Off: uint64(data), Info: elf.R_INFO(2, uint32(elf.R_X86_64_64))})
	b = append(b, names...)

	b = append(b, make([]byte, entry-len(b))...)
	b = append(b, 0x4c, 0x8d, 0x1d) // lea r11, [rip+…]
	put(uint32(data - (entry + 7)))
	b = append(b, code...)

	b = append(b, make([]byte, dynamic-len(b))...)
	put([]elf.Dyn64{
		{Tag: int64(elf.DT_HASH), Val: uint64(hash)},
		{Tag: int64(elf.DT_STRTAB), Val: uint64(strtab)},
		{Tag: int64(elf.DT_SYMTAB), Val: uint64(symtab)},
		{Tag: int64(elf.DT_STRSZ), Val: uint64(len(names))},
		{Tag: int64(elf.DT_SYMENT), Val: elf.Sym64Size},
		{Tag: int64(elf.DT_RELA), Val: uint64(rela)},
		{Tag: int64(elf.DT_RELASZ), Val: 24},
		{Tag: int64(elf.DT_RELAENT), Val: 24},
		{Tag: int64(elf.DT_NULL)},
	})
	b = append(b, make([]byte, data+preloadMaskAt-len(b))...)
	return le.AppendUint64(b, shortMask())
}

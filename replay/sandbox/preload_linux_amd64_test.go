package sandbox

import (
	"bytes"
	"debug/elf"
	"os/exec"
	"testing"
)

func TestPreloadObject(t *testing.T) {
	object := preloadObject()
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	if f.Type != elf.ET_DYN || f.Machine != elf.EM_X86_64 {
		t.Errorf("a %v for %v", f.Type, f.Machine)
	}
	for _, p := range f.Progs {
		if p.Off+p.Filesz > uint64(len(object)) {
			t.Errorf("%v ends behind the file's %d bytes", p.ProgHeader, len(object))
		}
		if p.Flags&elf.PF_W != 0 && p.Flags&elf.PF_X != 0 {
			t.Errorf("%v can be written and executed", p.ProgHeader)
		}
	}
	code := make([]byte, preloadRoom)
	if n := copyPreload(code); n == 0 || n == len(code) {
		t.Errorf("%d bytes of instructions do not fit", n)
	}
}

// TestPreloadIsLoaded: that a dynamic linker takes it. What it does, the tests of
// the sandbox show.
func TestPreloadIsLoaded(t *testing.T) {
	f, err := preloadFile()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("/bin/cat", "/proc/self/maps")
	cmd.Env = []string{"LD_PRELOAD=/proc/self/fd/3"}
	cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("memfd:pfkeycap-ptrace")) {
		t.Errorf("not loaded:\n%s", out)
	}
}

func TestShortMask(t *testing.T) {
	// x87, SSE and the upper halves of AVX come first in every layout.
	a, _, _, _ := cpuid(0xd, 0)
	if got := shortMask(); got&3 != 3 || a&4 != 0 && got&4 == 0 || got&(3<<17) != 0 {
		t.Errorf("%#x of %#x", got, a)
	}
}

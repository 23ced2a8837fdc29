package judge

import "os"

// Strict makes the running Linux kernel panic where it finds itself wrong, and say
// where: an oops ends only the process, a warning nothing, and neither would be
// noticed. It is for the kernel of a sandbox, inside of which it must be called.
func Strict() error {
	for _, set := range [3][2]string{{"printk", "5"}, {"panic_on_oops", "1"}, {"panic_on_warn", "1"}} {
		if err := os.WriteFile("/proc/sys/kernel/"+set[0], []byte(set[1]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

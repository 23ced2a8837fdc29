package sandbox

import (
	"path"
	"strings"
)

// moduleNames are the modules the guest's kernel is given, in this order and each
// after those it depends on: PF_KEY and XFRM, their transforms, the algorithms
// they can name, and network devices to build a test network from. One that does
// not exist is taken to be built in or not to be had. All are loaded before the
// command starts, since the kernel looks for algorithms once per REGISTER, and an
// algorithm without its module is missing from the answer.
//
// jitterentropy_rng is left out: it takes 20 ms to fail (EFAULT) on User-Mode
// Linux. Without drbg or ansi_cprng, though, every SA with CBC fails with ENOENT,
// for echainiv needs a generator.
var moduleNames = strings.Fields(`
	ipv6 xfrm_algo xfrm_user af_key
	tunnel4 xfrm4_tunnel tunnel6 xfrm6_tunnel xfrm_ipcomp
	ah4 esp4 ipcomp ah6 esp6 ipcomp6
	authenc authencesn drbg ansi_cprng echainiv seqiv
	ecb cbc ctr gcm ccm ghash_generic cmac xcbc hmac
	md5 sha1_generic sha256_generic sha512_generic rmd160
	aes_generic des_generic blowfish_generic cast5_generic camellia_generic serpent_generic twofish_generic
	deflate chacha20poly1305 chacha_generic poly1305_generic
	dummy veth tun
	overlay
`)

// moduleParameters keeps dummy from making a network device.
var moduleParameters = map[string]string{"dummy": "numdummies=0"}

// moduleFiles returns the files to load for names, in order, each once, given the
// text of a modules.dep (see modules.dep(5)): lines "FILE: FILE…", which name what
// a file depends on with the farthest last. Paths are relative to the directory
// modules.dep lies in, or absolute.
func moduleFiles(modulesDep string, names []string) []string {
	type module struct {
		file  string
		needs []string
	}
	modules := make(map[string]module)
	for line := range strings.Lines(modulesDep) {
		file, needs, ok := strings.Cut(line, ":")
		if ok {
			modules[moduleName(file)] = module{file, strings.Fields(needs)}
		}
	}
	var files []string
	seen := make(map[string]bool)
	add := func(file string) {
		if !seen[file] {
			seen[file] = true
			files = append(files, file)
		}
	}
	for _, name := range names {
		m, ok := modules[name]
		if !ok {
			continue
		}
		for i := len(m.needs) - 1; i >= 0; i-- {
			add(m.needs[i])
		}
		add(m.file)
	}
	return files
}

// moduleName returns the name under which the kernel knows the module in file.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".")
	return strings.ReplaceAll(name, "-", "_")
}

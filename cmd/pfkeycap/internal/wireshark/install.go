package wireshark

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// ScriptName is the file name of the dissector among Wireshark's plugins.
const ScriptName = "pfkey.lua"

// PluginDir returns the directory from which Wireshark loads a user's Lua scripts:
// $HOME/.local/lib/wireshark/plugins, or Wireshark\plugins among the application
// data on Windows (Wireshark User's Guide, appendix B: plugin folders).
func PluginDir() (string, error) { return personal("plugins") }

// ExtcapDir returns the directory in which Wireshark looks for a user's capture
// programs: $HOME/.local/lib/wireshark/extcap, or Wireshark\extcap among the
// application data on Windows. Older versions, such as 4.0, look only into one
// directory for all users, which "tshark -G folders" names.
func ExtcapDir() (string, error) { return personal("extcap") }

func personal(what string) (string, error) {
	if runtime.GOOS == "windows" {
		dir, err := os.UserConfigDir()
		return filepath.Join(dir, "Wireshark", what), err
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "lib", "wireshark", what), err
}

// ErrForeign is wrapped by the error about a file that is in the way and was not
// made by Install.
var ErrForeign = errors.New("is there and not ours")

// Install writes the script that Generate makes into the directory, which it makes
// if need be, and returns the file's name. It replaces a script that it wrote before
// and nothing else; the file is whole at any time.
func Install(dir, version string) (string, error) {
	name := filepath.Join(dir, ScriptName)
	old, err := os.ReadFile(name)
	switch first, _, _ := bytes.Cut(old, []byte("\n")); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", err
	case !bytes.Contains(first, []byte(Mark)):
		return "", fmt.Errorf("%s %w: move it away, or give another directory", name, ErrForeign)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(dir, ".pfkey-*") // which Wireshark does not load
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name()) // which is no name any more if all went well
	err = Generate(f, version)
	if cerr := f.Chmod(0o644); err == nil && runtime.GOOS != "windows" {
		err = cerr
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	return name, err
}

// ExtcapName is the file name of the link to this program among Wireshark's
// capture programs.
const ExtcapName = "pfkeycap"

// Link makes a symbolic link to the program in the directory of Wireshark's capture
// programs, which it makes if need be, and returns the link's name. It replaces a
// link of this name and nothing else.
func Link(dir, program string) (string, error) {
	name := filepath.Join(dir, ExtcapName)
	switch st, err := os.Lstat(name); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", err
	case st.Mode()&os.ModeSymlink == 0:
		return "", fmt.Errorf("%s %w: move it away, or give another directory", name, ErrForeign)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return name, os.Symlink(program, name)
}

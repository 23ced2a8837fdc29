package sandbox

import (
	"bufio"
	"fmt"
	"io"
	"strconv"

	"golang.org/x/sys/unix"
)

// console is one of the guest's consoles, or another descriptor of the guest's on
// which system calls block: going through the runtime's poller would cost several
// more of them, some 5 µs each.
type console int

// openConsole opens a console as a plain byte stream.
func openConsole(path string) (console, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", path, err)
	}
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err == nil {
		makeRaw(t)
		err = unix.IoctlSetTermios(fd, unix.TCSETS, t)
	}
	if err != nil {
		unix.Close(fd)
		return 0, fmt.Errorf("set %s to raw mode: %w", path, err)
	}
	return console(fd), nil
}

// makeRaw switches off all processing of input and output.
func makeRaw(t *unix.Termios) {
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON | unix.IXOFF | unix.IXANY | unix.IMAXBEL | unix.INPCK | unix.IUTF8
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	t.Cc[unix.VMIN] = 1
	t.Cc[unix.VTIME] = 0
}

func (c console) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(c), b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (c console) Write(b []byte) (written int, err error) {
	for written < len(b) {
		n, err := unix.Write(int(c), b[written:])
		if err != nil && err != unix.EINTR {
			return written, err
		}
		written += max(n, 0)
	}
	return written, nil
}

// drain waits until the host has all that was written.
func (c console) drain() {
	for unix.IoctlSetInt(int(c), unix.TCSBRK, 1) == unix.EINTR {
	}
}

// pumpOutput copies until the end of from, and returns how much. If to fails, from
// is closed: the command that writes finds that out as it would on the host.
func pumpOutput(from int, to console) (copied int64) {
	defer unix.Close(from)
	b := make([]byte, 64<<10)
	for {
		// A terminal ends with EIO.
		n, err := console(from).Read(b)
		if err != nil {
			return copied
		}
		n, err = to.Write(b[:n])
		copied += int64(n)
		if err != nil {
			fmt.Println("sandbox: output:", err)
			return copied
		}
	}
}

// pumpInput copies the data of frames to the command's input until the frame that
// ends it, or until nobody reads it.
func pumpInput(from *bufio.Reader, to int, terminal bool) {
	if !terminal {
		defer unix.Close(to)
	}
	for {
		kind, left, err := readFrameHeader(from)
		if err != nil {
			fmt.Println("sandbox: input:", err)
			return
		}
		if kind == frameEOF {
			if terminal {
				console(to).Write([]byte{4}) // VEOF
			}
			return
		}
		for left > 0 {
			if _, err := from.Peek(1); err != nil {
				fmt.Println("sandbox: input:", err)
				return
			}
			// What has come so far is passed on at once.
			b, _ := from.Peek(min(left, from.Buffered()))
			if _, err := console(to).Write(b); err != nil {
				return
			}
			left -= len(b)
			from.Discard(len(b))
		}
	}
}

// openTerminal makes a terminal for the command.
func openTerminal(w window) (master, slave int, err error) {
	master, err = unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("open /dev/ptmx: %w", err)
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, -1, fmt.Errorf("unlock a terminal: %w", err)
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		return -1, -1, fmt.Errorf("number of a terminal: %w", err)
	}
	setWindow(master, w)
	path := "/dev/pts/" + strconv.Itoa(n)
	slave, err = unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("open %s: %w", path, err)
	}
	return master, slave, nil
}

func setWindow(fd int, w window) {
	if w.Rows > 0 && w.Cols > 0 {
		unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: w.Rows, Col: w.Cols})
	}
}

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/keysock"
)

// exchange is the conversation that demo records: what a key manager and a
// kernel say to each other during the life of two SAs. It runs inside the
// sandbox, where it may flush what it likes.
//
// The steps are those of UNP chapter 19: register, be asked for a key, choose an
// SPI, install SAs, see them used and expire, list and delete them.
type exchange struct {
	*talk
	log io.Writer
}

var (
	demoLocal  = netip.MustParseAddr("127.0.0.1")
	demoRemote = netip.MustParseAddr("127.0.0.2")
)

const (
	demoPort    = 19919
	demoSoft    = 1 // seconds until the soft EXPIRE
	demoHard    = 2
	demoOutSPI  = 0x2002
	demoReqID   = 19
	demoEncrypt = 12 // AES-CBC
	demoAuth    = 3  // HMAC-SHA1
)

func runExchange(log io.Writer) error {
	t, err := newTalk(keysock.Options{}, func(*record.Record) error { return nil })
	if err != nil {
		return err
	}
	defer t.close()
	return (&exchange{talk: t, log: log}).run()
}

func (x *exchange) run() error {
	c := x.codec
	local, remote := netip.AddrPortFrom(demoLocal, 0), netip.AddrPortFrom(demoRemote, 0)
	src := func() layers.Extension { return c.NewAddress(layers.LayerTypeAddressSrc, local, 32, 0) }
	dst := func() layers.Extension { return c.NewAddress(layers.LayerTypeAddressDst, remote, 32, 0) }
	esp := func(typ uint8) *layers.Base { return &layers.Base{Type: typ, SAType: layers.SATypeESP} }

	if _, err := x.request("REGISTER: what can this kernel do with ESP?", esp(layers.REGISTER)); err != nil {
		return err
	}
	selector := netip.AddrPortFrom(demoRemote, demoPort)
	policy := &layers.Policy{Type: 2, Dir: 2, List: c.AppendRequest(nil, layers.Request{Proto: 50, Mode: 1, Level: 3, ReqID: demoReqID})}
	if _, err := x.request("SPDADD: UDP to port 19919 has to be encrypted", &layers.Base{Type: layers.SPDADD}, policy,
		c.NewAddress(layers.LayerTypeAddressSrc, local, 32, 17), c.NewAddress(layers.LayerTypeAddressDst, selector, 32, 17)); err != nil {
		return err
	}

	fmt.Fprintln(x.log, "  a UDP packet: the kernel has no key for it and sends an ACQUIRE")
	if err := x.packet(); err != nil {
		return err
	}
	acquire, err := x.event(layers.ACQUIRE, 3*time.Second)
	if err != nil {
		return err
	}

	in := esp(layers.GETSPI)
	in.Seq = acquire.Seq
	spi, err := x.request("GETSPI: the kernel chooses an SPI for the way back", in,
		c.NewAddress(layers.LayerTypeAddressSrc, remote, 32, 0), c.NewAddress(layers.LayerTypeAddressDst, local, 32, 0),
		&layers.SPIRange{Min: 0x1000, Max: 0x1fff})
	if err != nil {
		return err
	}
	if spi.SA() == nil {
		return errors.New("the answer to GETSPI has no SA")
	}
	inSPI := spi.SA().SPI

	sa := func(spi uint32, keySeed string) []layers.Extension {
		k := sha256.Sum256([]byte(keySeed))
		return []layers.Extension{
			&layers.SA{SPI: spi, Replay: 32, State: 1, Auth: demoAuth, Encrypt: demoEncrypt},
			&layers.SA2{Mode: 1, ReqID: demoReqID},
			c.NewKey(layers.LayerTypeKeyEncrypt, k[:16]),
			c.NewKey(layers.LayerTypeKeyAuth, append(k[16:], k[:4]...)),
		}
	}
	limit := func(soft, hard uint64) []layers.Extension {
		return []layers.Extension{
			&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeSoft), AddTime: soft},
			&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard), AddTime: hard},
		}
	}
	update := append(sa(inSPI, "demo in"),
		c.NewAddress(layers.LayerTypeAddressSrc, remote, 32, 0), c.NewAddress(layers.LayerTypeAddressDst, local, 32, 0))
	if _, err := x.request("UPDATE: keys for the SA with that SPI", esp(layers.UPDATE), append(update, limit(3600, 4000)...)...); err != nil {
		return err
	}
	add := esp(layers.ADD)
	add.Seq = acquire.Seq
	if _, err := x.request("ADD: the SA for the way out; it lives 2 seconds", add,
		append(append(sa(demoOutSPI, "demo out"), src(), dst()), limit(demoSoft, demoHard)...)...); err != nil {
		return err
	}
	fmt.Fprintln(x.log, "  another UDP packet goes out encrypted")
	if err := x.packet(); err != nil {
		return err
	}
	outSA := func() layers.Extension { return &layers.SA{SPI: demoOutSPI} }
	if _, err := x.request("GET: the outgoing SA, with its counters", esp(layers.GET), outSA(), src(), dst()); err != nil {
		return err
	}
	if _, err := x.request("DUMP: all ESP SAs", esp(layers.DUMP)); err != nil {
		return err
	}
	if _, err := x.request("SPDDUMP: all policies", &layers.Base{Type: layers.SPDDUMP}); err != nil {
		return err
	}
	fmt.Fprintln(x.log, "  waiting for the soft and the hard EXPIRE of the outgoing SA")
	for range 2 {
		if _, err := x.event(layers.EXPIRE, 10*time.Second); err != nil {
			return err
		}
	}
	var gone *refusal
	if _, err := x.request("GET: it is gone (ESRCH)", esp(layers.GET), outSA(), src(), dst()); err == nil {
		return errors.New("the outgoing SA is still there after its hard EXPIRE")
	} else if !errors.As(err, &gone) {
		return err
	}
	if _, err := x.request("DELETE: the incoming SA", esp(layers.DELETE), &layers.SA{SPI: inSPI},
		c.NewAddress(layers.LayerTypeAddressSrc, remote, 32, 0), c.NewAddress(layers.LayerTypeAddressDst, local, 32, 0)); err != nil {
		return err
	}
	if _, err := x.request("SPDFLUSH: all policies", &layers.Base{Type: layers.SPDFLUSH}); err != nil {
		return err
	}
	_, err = x.request("FLUSH: all SAs", &layers.Base{Type: layers.FLUSH})
	return err
}

// packet sends a UDP datagram that the policy applies to. That it cannot be sent
// while there is no key is expected.
func (x *exchange) packet() error {
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: demoLocal.AsSlice()}}
	conn, err := d.Dial("udp4", netip.AddrPortFrom(demoRemote, demoPort).String())
	if err != nil {
		return err
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("pfkeycap demo")) // EAGAIN or ECONNREFUSED: nobody listens
	return nil
}

// request sends a request and returns its first answer.
func (x *exchange) request(what string, base *layers.Base, exts ...layers.Extension) (answer *layers.Message, err error) {
	fmt.Fprintln(x.log, " ", what)
	msg, err := x.codec.Encode(base, exts...)
	if err != nil {
		return nil, err
	}
	x.own(msg)
	err = x.asked(msg, func(m *layers.Message) {
		if answer == nil {
			answer = m
		}
	})
	return answer, err
}

// event waits for a message that the kernel sends by itself.
func (x *exchange) event(typ uint8, patience time.Duration) (*layers.Message, error) {
	if err := x.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	for {
		n, err := x.conn.Read(x.buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, fmt.Errorf("the kernel has not sent what was expected within %v", patience)
		}
		if err != nil {
			return nil, err
		}
		if m := decodedRecord(x.heard(x.buf[:n])); m.Type == typ && m.PID == 0 {
			return m, nil
		}
	}
}

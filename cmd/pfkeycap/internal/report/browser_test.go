// Chromium runs on these, and its protocol is large: elsewhere it need not be compiled.
//go:build linux && (amd64 || arm64)

package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/report"
)

// browser is a headless Chromium. PFKEYCAP_REQUIRE_CHROMIUM=1 makes tests fail rather
// than be skipped where there is none.
var browser = sync.OnceValues(func() (context.Context, error) {
	name := ""
	for _, s := range []string{"chromium", "chromium-browser", "google-chrome", "headless_shell"} {
		if p, err := exec.LookPath(s); err == nil {
			name = p
			break
		}
	}
	if name == "" {
		return nil, fmt.Errorf("no chromium on the PATH: apt-get install chromium")
	}
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(name), chromedp.WSURLReadTimeout(2*time.Minute))
	if os.Getuid() == 0 {
		o = append(o, chromedp.NoSandbox) // which root does not get
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), o...)
	ctx, cancel := chromedp.NewContext(ctx)
	if err := chromedp.Run(ctx); err != nil {
		return nil, err
	}
	closeBrowser = func() { chromedp.Cancel(ctx); cancel(); stop() }
	return ctx, nil
})

var closeBrowser = func() {}

func TestMain(m *testing.M) {
	status := m.Run()
	closeBrowser()
	os.Exit(status)
}

// tab is a page in a browser.
type tab struct {
	testing.TB
	ctx context.Context

	mu       sync.Mutex
	said     []string // what went to the console
	requests []string
}

// open opens a page. When the test ends nothing may have been said on the console, and
// nothing may have been asked for but the page.
func open(t testing.TB, path string) *tab {
	t.Helper()
	b, err := browser()
	if err != nil {
		if os.Getenv("PFKEYCAP_REQUIRE_CHROMIUM") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	ctx, cancel := chromedp.NewContext(b)
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	x := &tab{TB: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(e any) {
		x.mu.Lock()
		defer x.mu.Unlock()
		switch e := e.(type) {
		case *runtime.EventConsoleAPICalled:
			x.said = append(x.said, fmt.Sprint("console.", e.Type))
		case *runtime.EventExceptionThrown:
			x.said = append(x.said, e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			x.said = append(x.said, e.Entry.Text)
		case *network.EventRequestWillBeSent:
			x.requests = append(x.requests, e.Request.URL)
		case *page.EventJavascriptDialogOpening:
			x.said = append(x.said, "a dialog: "+e.Message)
			go chromedp.Run(ctx, page.HandleJavaScriptDialog(false))
		}
	})
	x.run(log.Enable(), network.Enable(), chromedp.EmulateViewport(1400, 1000), chromedp.Navigate("file://"+path), chromedp.WaitReady(`html[data-ready]`))
	t.Cleanup(func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		if len(x.said) > 0 {
			t.Errorf("said on the console: %q", x.said)
		}
		for _, u := range x.requests {
			if u != "file://"+path {
				t.Errorf("asked for %s", u)
			}
		}
		if len(x.requests) == 0 {
			t.Error("requests are not seen")
		}
	})
	return x
}

func (x *tab) run(actions ...chromedp.Action) {
	x.Helper()
	if err := chromedp.Run(x.ctx, actions...); err != nil {
		x.Fatalf("%v; said %q", err, x.said)
	}
}

// eval is the value of an expression.
func eval[T any](x *tab, js string) (v T) {
	x.Helper()
	x.run(chromedp.Evaluate(js, &v))
	return v
}

// is checks what an expression gives.
func (x *tab) is(js string, want any) {
	x.Helper()
	got := eval[any](x, js)
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if !bytes.Equal(a, b) {
		x.Errorf("%s is %s, want %s", js, a, b)
	}
}

// until waits for an expression to be true.
func (x *tab) until(js string) {
	x.Helper()
	x.run(chromedp.Poll(js, nil, chromedp.WithPollingTimeout(30*time.Second)))
}

func (x *tab) filter(text string) {
	x.Helper()
	x.run(chromedp.Evaluate(fmt.Sprintf(`(() => { const f = document.getElementById("filter"); f.value = %q; f.dispatchEvent(new Event("input")) })()`, text), nil))
}

func (x *tab) key(key string) {
	x.Helper()
	x.run(chromedp.KeyEvent(key))
}

// shot keeps a picture in the directory PFKEYCAP_SHOTS, for people.
func (x *tab) shot(name string, width, height int64, dark bool) {
	x.Helper()
	dir := os.Getenv("PFKEYCAP_SHOTS")
	if dir == "" {
		return
	}
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	var png []byte
	x.run(chromedp.EmulateViewport(width, height), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.Sleep(200*time.Millisecond), chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		x.Fatal(err)
	}
}

// command is the program, built once.
var command = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		return "", err
	}
	old := closeBrowser
	closeBrowser = func() { old(); os.RemoveAll(dir) }
	name := filepath.Join(dir, "pfkeycap")
	out, err := exec.Command("go", "build", "-o", name, "github.com/pfkeycap/pfkeycap/cmd/pfkeycap").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%v: %s", err, out)
	}
	return name, nil
})

// reportOf is the page of a capture in fixtures.
func reportOf(t testing.TB, args ...string) string {
	t.Helper()
	if _, err := browser(); err != nil && os.Getenv("PFKEYCAP_REQUIRE_CHROMIUM") != "1" {
		t.Skip(err)
	}
	name, err := command()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "page.html")
	args[0] = filepath.Join("../../../../fixtures", args[0])
	b, err := exec.Command(name, append([]string{"report", "-o", out}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return out
}

func TestLadder(t *testing.T) {
	x := open(t, reportOf(t, "linux/uml-x86_64-iked/iked-left-promisc/promisc.pcapng"))
	x.shot("iked-light", 1400, 1000, false)
	x.shot("iked-dark", 1400, 1000, true)
	x.shot("iked-narrow", 620, 1000, false)
	x.run(chromedp.EmulateViewport(1400, 1000))
	x.is(`document.title`, "promisc.pcapng – pfkeycap report")
	x.is(`document.getElementById("count").textContent`, "43 messages, 6 SAs")
	x.is(`[...document.querySelectorAll("#lanes span")].map(s => s.textContent.trim())`, []string{"pid\n788", "pid\n929", "kernel"})
	// The first message goes from its process to the kernel, its answer back.
	x.run(chromedp.Evaluate(`scrollTo(0, document.getElementById("messages").offsetTop)`, nil))
	x.until(`document.getElementById("m1") !== null`)
	x.is(`document.querySelector("#m1").className`, "msg request")
	x.is(`(() => { const a = document.querySelector("#m1 .arrow"); return a.x1.baseVal.value < a.x2.baseVal.value })()`, true)
	x.is(`(() => { const a = document.querySelector("#m2 .arrow"); return a.x1.baseVal.value > a.x2.baseVal.value })()`, true)
	x.is(`document.querySelector("#m4 svg text").textContent`, "FLUSH")
	x.is(`document.querySelector("#m4 .time").textContent`, "07:56:29.701286")
	x.shot("iked-ladder", 1400, 1000, false)

	// A click shows the tree; keys go on from there.
	x.run(chromedp.Click("#m11", chromedp.NodeVisible))
	x.is(`document.querySelector("#detail h3").textContent`, "#11 < GETSPI")
	x.is(`document.querySelectorAll("#detail .tree span").length > 5`, true)
	x.is(`document.querySelector("#detail .tree").textContent.includes("SA @16 exttype=1 len=2(16 bytes) spi=0x8fad8e3d")`, true)
	x.is(`document.querySelector("#detail").textContent.includes("null")`, false)
	x.shot("iked-detail", 1400, 1000, false)
	x.shot("iked-detail-dark", 1400, 1000, true)
	x.shot("iked-detail-narrow", 620, 1000, true)
	x.run(chromedp.EmulateViewport(1400, 1000))
	x.key("j")
	x.is(`document.querySelector("#detail h3").textContent`, "#12 > ADD")
	x.key("r")
	x.is(`document.querySelector("#detail h3").textContent`, "#13 < ADD")
	x.is(`location.hash`, "#13")
	x.is(`document.querySelector(".msg.chosen").id`, "m13")
	x.key("\x1b") // Escape
	x.is(`document.getElementById("detail").hidden`, true)

	// A finding leads to its records.
	x.run(chromedp.Evaluate(`scrollTo(0, 0)`, nil), chromedp.Click(`.findings a[data-n="4"]`))
	x.is(`document.querySelector("#detail h3").textContent`, "#4 > FLUSH")
	x.until(`(() => { const m = document.getElementById("m4"); if (!m) return false; const b = m.getBoundingClientRect(); return b.top > 80 && b.bottom < innerHeight })()`)
	x.key("\x1b")

	// An SA shows its life.
	x.run(chromedp.Evaluate(`document.getElementById("lives").scrollIntoView()`, nil), chromedp.Click(`[data-life="29"] .name`))
	x.is(`document.querySelector("#detail h3").textContent`, "0x52f250ff esp 10.10.0.2 > 10.10.0.1")
	x.is(`[...document.querySelectorAll("#detail dt")].map(e => e.textContent)`, []string{"born", "keys", "soft EXPIRE", "deleted", "before it", "after it", "other direction"})
	x.shot("iked-life", 1400, 1000, false)
}

func TestFilter(t *testing.T) {
	x := open(t, reportOf(t, "linux/uml-x86_64/expire/P-promisc.pcapng"))
	shown := func() []string {
		return eval[[]string](x, `(() => { scrollTo(0, document.getElementById("messages").offsetTop); return [...document.querySelectorAll(".msg")].map(m => m.id) })()`)
	}
	for _, tc := range []struct{ filter, count string }{
		{"", "92 messages, 9 SAs"},
		{"type:acquire", "2 of 92 messages, 9 of 9 SAs"},
		{"type:acquire,expire is:event", "18 of 92 messages, 9 of 9 SAs"},
		{"is:error", "9 of 92 messages, 9 of 9 SAs"},
		{"errno:esrch", "6 of 92 messages, 9 of 9 SAs"},
		{"errno:22", "2 of 92 messages, 9 of 9 SAs"},
		{"spi:0xb000 type:get", "10 of 92 messages, 1 of 9 SAs"},
		{"spi:0x48a1b", "3 of 92 messages, 1 of 9 SAs"},
		{"addr:2001:db8:*", "4 of 92 messages, 1 of 9 SAs"},
		{"nat-t=4500", "4 of 92 messages, 1 of 9 SAs"},
		{"-pid:1535 -is:reply", "18 of 92 messages, 0 of 9 SAs"},
		{"n:10-14", "4 of 92 messages, 9 of 9 SAs"},
		{"t:0-0.02", "6 of 92 messages, 9 of 9 SAs"},
		{`"state=larval encrypt"`, "9 of 92 messages, 0 of 9 SAs"},
		{"nosuchthing", "0 of 92 messages, 0 of 9 SAs"},
		{"colour:red", "no such field: colour"},
		{"is:red", "no such field: is:red"},
	} {
		x.filter(tc.filter)
		x.until(fmt.Sprintf(`document.getElementById("count").textContent === %q || document.getElementById("count").textContent`, tc.count))
		if got := eval[string](x, `document.getElementById("count").textContent`); got != tc.count {
			t.Errorf("filter %q: %q, want %q", tc.filter, got, tc.count)
		}
	}
	x.filter("type:acquire")
	x.until(`document.querySelectorAll(".msg").length === 2`)
	if got := shown(); len(got) != 2 || got[0] != "m55" || got[1] != "m72" {
		t.Errorf("shown are %q", got)
	}
	// A link to what the filter hides takes it away.
	x.run(chromedp.Click(`.findings a[data-n="98"]`))
	x.is(`document.getElementById("filter").value`, "")
	x.is(`document.querySelector("#detail h3").textContent`, "#98 < EXPIRE")
	x.key("\x1b")
	// Errors are red and say why; e goes from one to the next.
	x.run(chromedp.Evaluate(`document.getElementById("ladder").focus()`, nil))
	x.filter("n:16-20")
	x.until(`document.querySelector("#m17.error") !== null`)
	x.key("e")
	x.is(`document.querySelector(".msg.chosen").id`, "m17")
	x.is(`document.querySelector("#detail .whybox").textContent`, "LIFETIME_SOFT missing: Linux takes hard and soft limits together or none")
	x.shot("expire-error", 1400, 1000, false)
	x.shot("expire-error-dark", 1400, 1000, true)
	x.key("/")
	x.is(`document.activeElement.id`, "filter")
}

// TestTimeline: dragging looks closer, the messages of that time can be asked for, and
// arrow keys go from SA to SA.
func TestTimeline(t *testing.T) {
	x := open(t, reportOf(t, "linux/uml-x86_64-iked/iked-left-promisc/promisc.pcapng"))
	x.run(chromedp.Evaluate(`document.getElementById("lives").scrollIntoView()`, nil))
	label := `[...document.querySelectorAll(".life .name")].map(e => e.textContent.slice(0, 10))`
	x.is(label, []string{"0x84f8f7f7", "0xd036b1c3", "0x4a44b8c7", "0x8fad8e3d", "0x52f250ff", "0xe026d147"})
	x.run(chromedp.Evaluate(`(() => { const o = document.getElementById("order"); o.value = "birth"; o.dispatchEvent(new Event("change")) })()`, nil))
	x.is(label, []string{"0x8fad8e3d", "0x84f8f7f7", "0x52f250ff", "0xd036b1c3", "0xe026d147", "0x4a44b8c7"})
	width := `document.querySelector('[data-life="29"] rect.k-alive').width.baseVal.value`
	before := eval[float64](x, width)
	box := eval[map[string]float64](x, `(() => { const b = document.querySelector('[data-life="29"] svg').getBoundingClientRect(); return {left: b.left, top: b.top, width: b.width} })()`)
	at := func(part float64) float64 { return box["left"] + box["width"]*part }
	x.run(chromedp.MouseEvent(input.MousePressed, at(.55), box["top"]+8, chromedp.ButtonLeft, chromedp.ClickCount(1)),
		chromedp.MouseEvent(input.MouseMoved, at(.6), box["top"]+8, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.MouseMoved, at(.7), box["top"]+8, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.MouseReleased, at(.7), box["top"]+8, chromedp.ButtonLeft, chromedp.ClickCount(1)))
	if after := eval[float64](x, width); after < 1.3*before { // it goes beyond both sides now
		t.Errorf("a bar of %v pixels has %v after a look closer", before, after)
	}
	x.is(`document.getElementById("detail").hidden`, true) // it was no click
	x.shot("timeline-closer", 1400, 1000, false)
	x.run(chromedp.EmulateViewport(1400, 1000), chromedp.Click("#zoom-filter"))
	x.is(`/^t:1[0-9.]+-1[0-9.]+$/.test(document.getElementById("filter").value)`, true)
	x.is(`document.getElementById("count").textContent`, "11 of 43 messages, 6 of 6 SAs")
	x.run(chromedp.Click("#zoom-all"), chromedp.Focus("#life-list"))
	x.key(kb.ArrowDown)
	x.key(kb.ArrowDown)
	x.is(`document.querySelector("#detail h3").textContent`, "0x84f8f7f7 esp 10.10.0.1 > 10.10.0.2")
	x.is(`document.getElementById("life-list").getAttribute("aria-activedescendant")`, "l13")
	// What hovers is explained.
	x.run(chromedp.Evaluate(`document.getElementById("lives").scrollIntoView()`, nil),
		chromedp.QueryAfter(`[data-life="29"] .name`, func(ctx context.Context, _ runtime.ExecutionContextID, _ ...*cdp.Node) error {
			return chromedp.Evaluate(`(() => { const e = document.querySelector('[data-life="29"] .name'), b = e.getBoundingClientRect(); e.dispatchEvent(new MouseEvent("mousemove", {bubbles: true, clientX: b.left + 5, clientY: b.top + 5})) })()`, nil).Do(ctx)
		}))
	x.is(`document.getElementById("tip").textContent.startsWith("esp 10.10.0.2 > 10.10.0.1 spi=0x52f250ff aescbc/sha1hmac tunnel born=GETSPI")`, true)
}

// TestDialects: pages of other systems, and of messages that are malformed, draw all
// their messages.
func TestDialects(t *testing.T) {
	for _, f := range []string{"freebsd/13.0-amd64/C", "netbsd/7.99.34-amd64/A", "openbsd/4.4-amd64/C", "illumos/layout/layout-be", "macos/layout/layout",
		"linux/s390x/acquire-v4/A", "linux/uml-x86_64/malformed/P-promisc", "linux/uml-x86_64/sockopts/W"} {
		t.Run(f, func(t *testing.T) {
			x := open(t, reportOf(t, f+".pcapng"))
			x.run(chromedp.Evaluate(`dispatchEvent(new Event("beforeprint"))`, nil))
			x.is(`document.querySelectorAll(".msg").length - JSON.parse(document.getElementById("data").textContent).messages.length`, 0)
			x.is(`document.querySelectorAll(".life").length - JSON.parse(document.getElementById("data").textContent).lives.length`, 0)
			// Every message has its tree.
			x.run(chromedp.Evaluate(`document.getElementById("ladder").focus()`, nil))
			x.is(`JSON.parse(document.getElementById("data").textContent).messages.filter(m => {
				document.getElementById("m" + m.n).click();
				return !document.querySelector("#detail h3").textContent.startsWith("#" + m.n + " ") || document.querySelectorAll("#detail .tree span").length !== (m.tree || []).length;
			}).map(m => m.n)`, []int{})
		})
	}
}

// TestThemes: light, dark, and back to what the system has.
func TestThemes(t *testing.T) {
	x := open(t, reportOf(t, "demo/demo.pcapng"))
	back := `getComputedStyle(document.body).backgroundColor`
	media := func(scheme string) {
		x.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
	}
	media("dark")
	dark := eval[string](x, back)
	media("light")
	light := eval[string](x, back)
	if dark == light {
		t.Fatalf("%s either way", dark)
	}
	for _, want := range []string{light, dark, light} {
		x.run(chromedp.Click("#theme"))
		x.is(back, want)
	}
	x.is(`document.getElementById("theme").textContent`, "auto")
	x.run(emulation.SetEmulatedMedia().WithMedia("print"))
	x.run(chromedp.Evaluate(`dispatchEvent(new Event("beforeprint"))`, nil))
	x.is(`document.querySelectorAll(".msg").length === JSON.parse(document.getElementById("data").textContent).messages.length`, true)
	x.shot("demo-print", 900, 1200, false)
	x.run(chromedp.Evaluate(`dispatchEvent(new Event("afterprint"))`, nil), emulation.SetEmulatedMedia().WithMedia("screen"))
}

// TestHostile: whatever stands in a capture stays text, and the policy forbids the rest.
func TestHostile(t *testing.T) {
	const bad = `</script><script>alert(1)</script><img src=x onerror=alert(2)>"'&<!--`
	zero := int64(0)
	p := &report.Page{Title: bad, About: []string{bad}, Notes: []string{bad}, Foot: bad,
		Tiles: []report.Tile{{Value: bad, Label: bad, More: bad}}, Tables: []report.Table{{Title: bad, Columns: []string{bad}, Rows: [][]string{{bad, bad}}}},
		Finding: []report.Finding{{Level: report.Warning, Kind: bad, Text: bad, Why: bad, Records: []uint64{1}}},
		Data: report.Data{Schema: 1, File: bad, Show: bad + " == N", First: "2026-05-01T10:00:00.123456789Z", Lines: []string{"  " + bad}, Findings: [][]uint64{{1}},
			Messages: []report.Message{{Number: 1, Time: &zero, Dir: ">", Role: "request", Type: bad, SAType: bad, Src: bad, Dst: bad, SPI: bad, PID: 7, Process: bad, Errno: bad, Text: bad + ` why="` + bad, Tree: []int{0}}},
			Lives:    []report.Life{{Number: 1, Name: bad, SPI: bad, Src: bad, Dst: bad, Tunnel: bad, Text: bad, Born: report.Mark{Number: 1, Time: &zero}, Ended: "alive"}},
			Gaps:     []report.Gap{{After: 1, Count: 5}},
		}}
	name := filepath.Join(t.TempDir(), "page.html")
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	x := open(t, name)
	x.is(`[document.scripts.length, document.images.length]`, []int{2, 0})
	x.is(`document.querySelector("h1").textContent`, bad)
	x.run(chromedp.Evaluate(`scrollTo(0, document.getElementById("messages").offsetTop)`, nil), chromedp.Click("#m1"))
	x.is(`document.querySelector("#detail .tree").textContent`, bad)
	x.run(chromedp.Click(`[data-life="1"] .name`))
	x.is(`document.querySelector(".gap").textContent`, "5 messages are left out here")
	x.is(`[document.scripts.length, document.images.length]`, []int{2, 0})
	for _, js := range []string{
		`document.body.append(Object.assign(new Image(), {src: "http://192.0.2.1/x"}))`,
		`fetch("http://192.0.2.1/x").catch(() => 0)`,
		`navigator.sendBeacon("http://192.0.2.1/x")`,
		`document.body.append(Object.assign(document.createElement("style"), {textContent: "body{display:none}"}))`,
	} {
		x.run(chromedp.Evaluate(`window.refused = 0; addEventListener("securitypolicyviolation", () => refused++, {once: true}); `+js+`; 0`, nil))
		x.until(`window.refused > 0`)
	}
	x.mu.Lock()
	x.said, x.requests = nil, x.requests[:1] // the refusals
	x.mu.Unlock()
}

// large is a page of n messages.
func large(n int) *report.Page {
	p := &report.Page{Title: "large", Data: report.Data{Schema: 1, File: "large", Show: "== N", First: "2026-05-01T10:00:00Z"}}
	for i := range n {
		t := int64(i) * 1500
		m := report.Message{Number: uint64(i + 1), Time: &t, Dir: ">", Role: "request", Type: "ADD", SAType: "ESP", Src: "10.0.0.1", Dst: "10.0.0.2",
			SPI: fmt.Sprintf("0x%08x", i/2), Seq: uint32(i / 2), PID: uint32(400 + i%5), Text: fmt.Sprintf("ADD esp 10.0.0.1 > 10.0.0.2 spi=0x%08x encrypt=aescbc auth=sha1hmac mode=tunnel reqid=7 soft=3000s hard=3600s seq=%d pid=412(iked)", i/2, i/2)}
		if i%2 == 1 {
			m.Dir, m.Role, m.ReplyTo = "<", "reply", uint64(i)
			end := t + 4_000_000
			p.Data.Lives = append(p.Data.Lives, report.Life{Number: uint64(i + 1), Name: "esp 10.0.0.1 > 10.0.0.2", SPI: m.SPI, Src: m.Src, Dst: m.Dst, Tunnel: "t", Text: m.Text,
				Born: report.Mark{Number: uint64(i + 1), Time: &t}, End: &report.Mark{Number: uint64(i + 1), Time: &end}, Ended: "deleted"})
		}
		for k := range 12 {
			p.Data.Lines = append(p.Data.Lines, fmt.Sprintf("    ADDRESS_SRC @%d exttype=5 len=3(24 bytes) proto=0 prefixlen=32 family=inet addr=10.0.%d.%d port=0", 16*k, i, k))
			m.Tree = append(m.Tree, len(p.Data.Lines)-1)
		}
		p.Data.Messages = append(p.Data.Messages, m)
	}
	return p
}

func writeLarge(t testing.TB, n int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "page.html")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := large(n).WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestLarge: of 10,000 messages only those in sight are drawn, all can be reached.
func TestLarge(t *testing.T) {
	x := open(t, writeLarge(t, 10_000))
	x.is(`document.getElementById("count").textContent`, "10,000 messages, 5,000 SAs")
	few := `document.querySelectorAll(".msg, .life").length < 150`
	x.is(few, true)
	x.run(chromedp.Evaluate(`scrollTo(0, document.documentElement.scrollHeight)`, nil))
	x.until(`document.getElementById("m10000") !== null`)
	x.is(few, true)
	x.run(chromedp.Evaluate(`location.hash = "#5000"`, nil))
	x.until(`(() => { const m = document.getElementById("m5000"); return m !== null && m.classList.contains("chosen") })()`)
	x.filter("spi:0x1000")
	x.until(`document.getElementById("count").textContent === "2 of 10,000 messages, 1 of 5,000 SAs"`)
	x.shot("large", 1400, 1000, false)
}

// BenchmarkOpen measures how long a page of 10,000 messages takes until it can be used,
// to scroll by a screen, and to filter.
func BenchmarkOpen(b *testing.B) {
	name := writeLarge(b, 10_000)
	x := open(b, name)
	var ready, scroll, filter float64
	for b.Loop() {
		x.run(chromedp.Navigate("about:blank"), chromedp.Navigate("file://"+name), chromedp.WaitReady(`html[data-ready]`))
		ready += eval[float64](x, `performance.now()`)
		scroll += eval[float64](x, `(() => { const a = performance.now(); for (let i = 0; i < 100; i++) { scrollBy(0, innerHeight); dispatchEvent(new Event("scroll")); document.body.offsetHeight } return (performance.now() - a) / 100 })()`)
		filter += eval[float64](x, `(() => { const f = document.getElementById("filter"), a = performance.now(); f.value = "spi:0x1000 add"; document.getElementById("order").dispatchEvent(new Event("change")); return performance.now() - a })()`)
	}
	x.mu.Lock()
	x.requests = x.requests[:1]
	x.mu.Unlock()
	n := float64(b.N)
	b.ReportMetric(ready/n, "ms-ready")
	b.ReportMetric(scroll/n, "ms-screen")
	b.ReportMetric(filter/n, "ms-filter")
}

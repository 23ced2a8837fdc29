package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/report"
)

// TestPage: nothing in a text ends an element, the policy names exactly the style and
// the script that are there, and the data is JSON.
func TestPage(t *testing.T) {
	const bad = "</script></style></title><script>alert(1)</script>\u2028<!--"
	p := &report.Page{Title: bad, About: []string{bad}, Notes: []string{bad}, Foot: bad, Finding: []report.Finding{{Level: report.Note, Kind: bad, Text: bad, Why: bad}},
		Data: report.Data{File: bad, Lines: []string{bad}, Messages: []report.Message{{Text: bad}}}}
	var b bytes.Buffer
	n, err := p.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes of %d, error %v", n, b.Len(), err)
	}
	page := b.String()
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "</title><script>") {
		t.Error("a text of the capture is part of the page")
	}
	for element, want := range map[string]int{"<script>": 1, "<script ": 1, "</script>": 2, "<style>": 1, "</style>": 1} {
		if n := strings.Count(page, element); n != want {
			t.Errorf("%d of %s, want %d", n, element, want)
		}
	}
	policy := html.UnescapeString(regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)[1])
	for _, element := range []string{"style", "script"} {
		_, body, _ := strings.Cut(page, "<"+element+">")
		body, _, _ = strings.Cut(body, "</"+element+">")
		h := sha256.Sum256([]byte(body))
		if want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(h[:]) + "';"; !strings.Contains(policy, want) {
			t.Errorf("policy %s without %s", policy, want)
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Errorf("policy %s", policy)
	}
	_, data, _ := strings.Cut(page, `id="data">`)
	data, _, _ = strings.Cut(data, "</script>")
	var d report.Data
	if err := json.Unmarshal([]byte(data), &d); err != nil || d.File != bad || d.Messages[0].Text != bad {
		t.Errorf("%+v, error %v", d, err)
	}
	if strings.Contains(data, ":null") {
		t.Errorf("null in %s", data)
	}
	if strings.Contains(page, "http://") && !strings.Contains(page, "http://www.w3.org/2000/svg") || strings.Contains(page, "https://") {
		t.Error("the page names an address")
	}
}

type full struct{ left int }

func (f *full) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errors.New("no space left")
	}
	return len(b), nil
}

// TestPageFull: a page that does not fit is an error, wherever it ends.
func TestPageFull(t *testing.T) {
	p := &report.Page{Data: report.Data{Lines: []string{strings.Repeat("x", 1<<20)}}}
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for _, room := range []int{0, 1000, 100_000, 1 << 20, b.Len() - 1} {
		if _, err := p.WriteTo(&full{room}); err == nil {
			t.Errorf("no error where %d bytes fit", room)
		}
	}
	if _, err := p.WriteTo(&full{b.Len()}); err != nil {
		t.Error(err)
	}
}

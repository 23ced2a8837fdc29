package report

import (
	"bufio"
	"crypto/sha256"
	_ "embed" // the parts of the page
	"encoding/base64"
	"encoding/json"
	"html/template"
	"io"
	"sync"
)

// Page is what a page says. Its texts may be whatever a capture holds: they are
// escaped.
type Page struct {
	Title   string
	About   []string // of the capture, in the heading
	Notes   []string // what the page leaves out, and what is wrong with the capture
	Tiles   []Tile
	Finding []Finding
	Tables  []Table
	Foot    string
	Data    Data
}

// Tile is a number of the summary.
type Tile struct {
	Value, Label, More string
	Level              Level
}

// Level is how much something deserves to be looked at.
type Level string

// The levels.
const (
	Plain   Level = ""
	Note    Level = "note"
	Warning Level = "warning"
)

// Finding is a trace.Finding for people.
type Finding struct {
	Level      Level
	Kind       string
	Text, Why  string
	Records    []uint64
	Count      uint64
	MoreToShow uint64 // times that Records has no room for
}

// Table is a table of the summary. The first column is a name, the others are numbers.
type Table struct {
	Title   string
	Columns []string
	Rows    [][]string
}

// Data is what the page's script draws. It is JSON in the page, for other programs too;
// record numbers are those of the capture.
type Data struct {
	Schema   int        `json:"schema"`
	File     string     `json:"file"`
	Show     string     `json:"show"`            // a command that shows record N, with N in the place of its number
	First    string     `json:"first,omitempty"` // time of the first record, RFC 3339 with nanoseconds, in UTC
	Gaps     []Gap      `json:"gaps"`
	Lines    []string   `json:"lines"` // of the messages' trees, each once
	Messages []Message  `json:"messages"`
	Lives    []Life     `json:"lives"`
	Findings [][]uint64 `json:"findings"` // records of each, in the order of the page
}

// Gap is where messages were left out.
type Gap struct {
	After uint64 `json:"after"` // number of the message before it, 0 for none
	Count uint64 `json:"count"`
}

// Message is a message of the ladder.
type Message struct {
	Number  uint64 `json:"n"`
	Time    *int64 `json:"t,omitempty"` // µs since the first record
	Dir     string `json:"dir"`         // ">" to the kernel, "<" from it, "?"
	Role    string `json:"role"`
	Type    string `json:"type"`
	SAType  string `json:"satype,omitempty"`
	Src     string `json:"src,omitempty"`
	Dst     string `json:"dst,omitempty"`
	SPI     string `json:"spi,omitempty"`
	Seq     uint32 `json:"seq"`
	PID     uint32 `json:"pid"`
	Process string `json:"process,omitempty"`
	Errno   string `json:"errno,omitempty"` // name or number, if it is not 0
	ReplyTo uint64 `json:"re,omitempty"`
	Lost    uint64 `json:"lost,omitempty"` // before it
	Text    string `json:"text"`           // the line of decode, without number, time and direction
	Tree    []int  `json:"tree,omitempty"` // indices of Lines
}

// Life is a row of the timeline.
type Life struct {
	Number uint64 `json:"n"`
	Name   string `json:"name"`   // satype and addresses
	SPI    string `json:"spi"`    //
	Src    string `json:"src"`    //
	Dst    string `json:"dst"`    //
	Tunnel string `json:"tunnel"` // the same for all SAs between two ends
	PID    uint32 `json:"pid"`
	Text   string `json:"text"` // the line of sas
	Born   Mark   `json:"born"`
	Mature *Mark  `json:"mature,omitempty"`
	Soft   *Mark  `json:"soft,omitempty"`
	End    *Mark  `json:"end,omitempty"`
	Ended  string `json:"ended"`
	Larval bool   `json:"larval,omitempty"` // it got no keys
	Older  bool   `json:"older,omitempty"`  // than the recording
	Prev   uint64 `json:"prev,omitempty"`   // records with which others were born
	Next   uint64 `json:"next,omitempty"`
	Pair   uint64 `json:"pair,omitempty"`
}

// Mark is a place in the recording.
type Mark struct {
	Number uint64 `json:"n"`
	Time   *int64 `json:"t,omitempty"` // µs since the first record
}

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string

	page = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(pageHTML)) })
)

// policy lets the page's own style and script run and forbids everything else.
func policy() string {
	hash := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(h[:]) + "'"
	}
	return "default-src 'none'; style-src " + hash(pageCSS) + "; script-src " + hash(pageJS) +
		"; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
}

// WriteTo writes the page.
func (p *Page) WriteTo(w io.Writer) (n int64, err error) {
	d := p.Data // in JSON without null
	d.Gaps, d.Lines, d.Messages, d.Lives, d.Findings = some(d.Gaps), some(d.Lines), some(d.Messages), some(d.Lives), some(d.Findings)
	c := &counter{w: w}
	b := bufio.NewWriterSize(c, 64<<10)
	err = page().Execute(b, struct {
		*Page
		Policy string
		Style  template.HTML // with its element: a hash is of exact bytes
	}{p, policy(), template.HTML("<style>" + pageCSS + "</style>")})
	if err != nil {
		return c.n, err
	}
	// Not by the template, which would hold all of it in memory once more. JSON with
	// <, > and & escaped has nothing that ends the element.
	b.WriteString("<script type=\"application/json\" id=\"data\">")
	if err := json.NewEncoder(b).Encode(&d); err != nil {
		return c.n, err
	}
	b.WriteString("</script>\n<script>" + pageJS + "</script>\n</body>\n</html>\n")
	err = b.Flush()
	return c.n, err
}

func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

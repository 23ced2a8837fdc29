package render

// style is the sequence that begins a colour (ECMA-48 SGR).
type style string

// The styles: what repeats on every line steps back, what is wrong stands out.
const (
	styleMargin  style = "\x1b[2m"  // faint: number, time, second copies
	styleName    style = "\x1b[1m"  // bold: the kind of a message
	stylePart    style = "\x1b[36m" // cyan: an extension
	styleProblem style = "\x1b[31m" // red: refused, malformed, missing
	styleRemark  style = "\x1b[33m" // yellow: explanations and comments
	stylePlain   style = "\x1b[0m"
)

// in begins a style if there are colours; in(dst, stylePlain) ends it.
func (p *Printer) in(dst []byte, s style) []byte {
	if p.opt.Color {
		dst = append(dst, s...)
	}
	return dst
}

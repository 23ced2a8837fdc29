package filter

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Error says what is wrong with an expression, and where.
type Error struct {
	Expr    string
	Line    int // from 1
	Column  int // in characters from 1
	Message string
}

// Error returns the message with the place, and the line of the expression with a
// mark under it.
func (e *Error) Error() string {
	place := fmt.Sprintf("column %d", e.Column)
	if e.Line > 1 {
		place = fmt.Sprintf("line %d, %s", e.Line, place)
	}
	lines := strings.Split(e.Expr, "\n")
	if e.Line < 1 || e.Line > len(lines) {
		return fmt.Sprintf("%s (%s)", e.Message, place)
	}
	// Of a long line what is around the place.
	const around = 60
	line := []rune(lines[e.Line-1])
	at := min(max(e.Column-1, 0), len(line))
	from, to := max(0, at-around), min(len(line), at+around)
	shown := strings.Map(func(r rune) rune {
		if r == '\t' || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, string(line[from:to]))
	return fmt.Sprintf("%s (%s)\n  %s\n  %s^", e.Message, place, shown, strings.Repeat(" ", at-from))
}

// errorAt makes an Error. at counts characters from the start of the expression.
func errorAt(expr string, at int, format string, args ...any) *Error {
	e := &Error{Expr: expr, Line: 1, Column: 1, Message: fmt.Sprintf(format, args...)}
	for i, r := range []rune(expr) {
		if i == at {
			break
		}
		if e.Column++; r == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
	return e
}

// similar returns up to three of names that look like a written one, the nearest
// first.
func similar(written string, names []string) []string {
	const longest = 64 // nothing in the tables is longer
	if len(written) > longest {
		return nil
	}
	type candidate struct {
		name     string
		distance int
	}
	var list []candidate
	lower := strings.ToLower(written)
	for _, n := range names {
		other := strings.ToLower(n)
		d := distance(lower, other)
		if other != lower && (strings.HasSuffix(other, "."+lower) || strings.HasSuffix(other, "_"+lower) || strings.HasPrefix(other, lower+"_")) {
			d = min(d, 2)
		}
		if d <= max(1, min(len(lower), len(other))/3) {
			list = append(list, candidate{n, d})
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return a.distance - b.distance })
	var found []string
	for _, c := range list {
		if len(found) < 3 && !slices.Contains(found, c.name) {
			found = append(found, c.name)
		}
	}
	return found
}

// distance counts the insertions, deletions, replacements and exchanges of
// neighbours that make one string of another.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	before, last, row := rows[0], rows[1], rows[2]
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// hint puts similar names into words.
func hint(written string, names []string) string {
	found := similar(written, names)
	if len(found) == 0 {
		return ""
	}
	return "; similar: " + strings.Join(found, ", ")
}

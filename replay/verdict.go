package replay

import "fmt"

// Verdict is what a comparison comes to. The verdicts are ordered: that of a whole
// is the greatest of its parts.
type Verdict uint8

const (
	// Equal means byte for byte the same.
	Equal Verdict = iota
	// Volatile means that only fields differ of which it is known that they never
	// agree between two runs: the list is VolatileFields.
	Volatile
	// NotReproducible is for what a replay cannot bring about: events and changes
	// that no request of the capture made, and answers that hang on them. It says
	// nothing about the target and never counts as equal.
	NotReproducible
	// Different means that the target does not do what the recorded kernel did.
	Different
)

var verdictNames = [...]string{"equal", "volatile", "not-reproducible", "different"}

// String returns "equal", "volatile", "not-reproducible" or "different".
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

// MarshalText gives what String gives.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText gives.
func (v *Verdict) UnmarshalText(b []byte) error {
	for i, name := range verdictNames {
		if string(b) == name {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("unknown verdict %q", b)
}

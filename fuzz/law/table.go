package law

import (
	"fmt"
	"reflect"
)

// laws by the names of their targets. A law's arguments but the first are those of
// its target.
var laws = map[string]any{
	"Decode": Decode, "Flat": Flat, "RoundTrip": RoundTrip, "Prefix": Prefix, "JSON": JSON,
	"Transcode": Transcode, "Secrets": Secrets, "Beside": Beside, "Generate": Generate,
	"Capture": Capture, "Rewrite": Rewrite, "Texts": Texts, "Filter": Filter, "Replay": Replay,
}

// Hold holds an input to the law of a name.
func Hold(t T, name string, args ...any) error {
	law, ok := laws[name]
	if !ok {
		return fmt.Errorf("no law %q", name)
	}
	f := reflect.ValueOf(law)
	in := []reflect.Value{reflect.ValueOf(t)}
	for _, a := range args {
		in = append(in, reflect.ValueOf(a))
	}
	if len(in) != f.Type().NumIn() {
		return fmt.Errorf("%d arguments for law %s, which takes %d", len(args), name, f.Type().NumIn()-1)
	}
	for i := range args {
		if want := f.Type().In(i + 1); in[i+1].Type() != want {
			return fmt.Errorf("argument %d of law %s is %T, not %v", i+1, name, args[i], want)
		}
	}
	f.Call(in)
	return nil
}

// Args are the types of the arguments that Hold takes for a law; ok is false if
// there is none of that name.
func Args(name string) (types []string, ok bool) {
	law, ok := laws[name]
	if !ok {
		return nil, false
	}
	f := reflect.TypeOf(law)
	for i := 1; i < f.NumIn(); i++ {
		s := f.In(i).String()
		if s == "[]uint8" {
			s = "[]byte"
		}
		types = append(types, s)
	}
	return types, true
}

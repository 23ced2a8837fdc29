// Package fuzz holds the native fuzz targets, one law each. The laws themselves are
// in fuzz/law, where every engine can call them; the seeds are in fuzz/seed, made by
// the encoders and from the fixtures, so that they cannot rot. README.md says how to
// run them here and on many machines.
package fuzz

import (
	"testing"

	"github.com/pfkeycap/pfkeycap/fuzz/engine"
	"github.com/pfkeycap/pfkeycap/fuzz/law"
)

// OSS-Fuzz compiles this file without any other _test.go file, puts another type in
// the place of testing.F, and calls a target's function for every input.

func FuzzDecode(f *testing.F) {
	if engine.Native {
		seeds("Decode", f.Add)
	}
	f.Fuzz(func(t *testing.T, codec uint8, data []byte) { law.Decode(t, codec, data) })
}

func FuzzFlat(f *testing.F) {
	if engine.Native {
		seeds("Flat", f.Add)
	}
	f.Fuzz(func(t *testing.T, codec uint8, data []byte) { law.Flat(t, codec, data) })
}

func FuzzRoundTrip(f *testing.F) {
	if engine.Native {
		seeds("RoundTrip", f.Add)
	}
	f.Fuzz(func(t *testing.T, codec uint8, data []byte) { law.RoundTrip(t, codec, data) })
}

func FuzzPrefix(f *testing.F) {
	if engine.Native {
		seeds("Prefix", f.Add)
	}
	f.Fuzz(func(t *testing.T, codec uint8, data []byte) { law.Prefix(t, codec, data) })
}

func FuzzJSON(f *testing.F) {
	if engine.Native {
		seeds("JSON", f.Add)
	}
	f.Fuzz(func(t *testing.T, codec uint8, data []byte) { law.JSON(t, codec, data) })
}

func FuzzTranscode(f *testing.F) {
	if engine.Native {
		seeds("Transcode", f.Add)
	}
	f.Fuzz(func(t *testing.T, codec uint8, data []byte) { law.Transcode(t, codec, data) })
}

func FuzzSecrets(f *testing.F) {
	if engine.Native {
		seeds("Secrets", f.Add)
	}
	f.Fuzz(func(t *testing.T, codec uint8, data []byte) { law.Secrets(t, codec, data) })
}

func FuzzBeside(f *testing.F) {
	if engine.Native {
		seeds("Beside", f.Add)
	}
	f.Fuzz(func(t *testing.T, codec uint8, data []byte) { law.Beside(t, codec, data) })
}

func FuzzGenerate(f *testing.F) {
	if engine.Native {
		seeds("Generate", f.Add)
	}
	f.Fuzz(func(t *testing.T, codec uint8, seed, index uint64, options uint8) {
		law.Generate(t, codec, seed, index, options)
	})
}

func FuzzCapture(f *testing.F) {
	if engine.Native {
		seeds("Capture", f.Add)
	}
	f.Fuzz(func(t *testing.T, file []byte) { law.Capture(t, file) })
}

func FuzzRewrite(f *testing.F) {
	if engine.Native {
		seeds("Rewrite", f.Add)
	}
	f.Fuzz(func(t *testing.T, file []byte) { law.Rewrite(t, file) })
}

func FuzzTexts(f *testing.F) {
	if engine.Native {
		seeds("Texts", f.Add)
	}
	f.Fuzz(func(t *testing.T, form, codec uint8, text []byte) { law.Texts(t, form, codec, text) })
}

func FuzzFilter(f *testing.F) {
	if engine.Native {
		seeds("Filter", f.Add)
	}
	f.Fuzz(func(t *testing.T, expr string, index uint64) { law.Filter(t, expr, index) })
}

func FuzzReplay(f *testing.F) {
	if engine.Native {
		seeds("Replay", f.Add)
	}
	f.Fuzz(func(t *testing.T, file []byte) { law.Replay(t, file) })
}

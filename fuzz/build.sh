#!/bin/bash -eu
# build.sh - build the native targets for libFuzzer, inside the builder image of
# OSS-Fuzz or ClusterFuzzLite: one binary, its seeds and its dictionary for each.
#
# It uses what that image sets and has: $OUT, $WORK, $SANITIZER, $CXX, and the command
# compile_native_go_fuzzer_v2 (or its older form), which turns a function
# FuzzX(f *testing.F) into a binary with go-118-fuzz-build. See README.md.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
WORK=${WORK:-$(mktemp -d)}

compile=compile_native_go_fuzzer_v2
command -v "$compile" >/dev/null || compile=compile_native_go_fuzzer

# What takes the place of package testing in the compiled targets. It is needed in
# go.mod there and nowhere else.
go get github.com/AdamKorcz/go-118-fuzz-build/testing

targets=$(sed -n 's/^func Fuzz\([A-Za-z0-9]*\)(f \*testing\.F).*/\1/p' fuzz/fuzz_test.go)

rm -rf "$WORK/seeds"
go build -o "$WORK/pfkeycap" ./cmd/pfkeycap
find fixtures -name '*.pcapng' -print0 | xargs -0 "$WORK/pfkeycap" fuzz export -F libfuzzer -o "$WORK/seeds"
"$WORK/pfkeycap" fuzz export -F afl -o "$WORK/seeds"

for target in $targets; do
	name=pfkeycap_$(echo "$target" | tr '[:upper:]' '[:lower:]')
	"$compile" github.com/pfkeycap/pfkeycap/fuzz "Fuzz$target" "$name"
	(cd "$WORK/seeds/Fuzz$target" && find . -type f | zip -q -@ "$OUT/${name}_seed_corpus.zip")
	cp "$WORK/seeds/pfkey.dict" "$OUT/$name.dict"
done

# make demo and make test are all the set-up there is: each installs what it
# needs (as root, with apt; otherwise it names the packages).
GO      ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
# Leaves a Markdown renderer out that the command line library would start with.
TAGS    := urfave_cli_no_docs
SOURCES := $(shell find . -name '*.go' -not -name '*_test.go') cmd/pfkeycap/pfkeycap.1 go.mod go.sum

.PHONY: all build demo test race bench lint cross fuzz dist deb clean
all: build

build: pfkeycap

# Static, because the sandbox runs the binary as the first process of a kernel.
pfkeycap: $(SOURCES)
	CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -ldflags "-X main.version=$(VERSION)" -o $@ ./cmd/pfkeycap

demo:
	@sh .ci/need go user-mode-linux
	@$(MAKE) --no-print-directory -s build
	@./pfkeycap demo

test:
	@sh .ci/need go user-mode-linux tshark iproute2 iputils-ping chromium
	PFKEYCAP_REQUIRE_KERNEL=1 PFKEYCAP_REQUIRE_TSHARK=1 PFKEYCAP_REQUIRE_CHROMIUM=1 CGO_ENABLED=0 $(GO) test -count=1 ./...

# Speed and memory against other programs, as a table. All benchmarks:
# go test -run '^$$' -bench . ./...
bench:
	@sh .ci/need go cc tcpdump user-mode-linux
	@$(MAKE) --no-print-directory -s build
	@$(GO) run ./cmd/pfkeycap/internal/bench

lint:
	sh .ci/lint

# The build for every other system, compiled with its tests.
cross:
	sh .ci/cross

# Ten seconds for each law; FUZZTIME=10m for more.
fuzz:
	sh .ci/fuzz $(or $(FUZZTIME),10s)

# Static binaries for every system, and a Debian package, in dist/.
dist:
	sh .ci/dist

deb:
	@sh .ci/need go dpkg-deb
	sh .ci/deb

clean:
	rm -rf pfkeycap dist

# The test of keys for ESP catches packets on the wire.
test: tcpdump
.PHONY: tcpdump
tcpdump:
	@sh .ci/need tcpdump

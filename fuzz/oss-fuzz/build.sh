#!/bin/bash -eu
exec "$SRC/pfkeycap/fuzz/build.sh"

#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs benchmarks one after the other: `make bench` gives it every script of this
# folder that is one. What they print is kept in build/bench/NAME.txt.
set -u
cd "$(dirname "$0")/../.."
mkdir -p build/bench
failed=0
for script in "$@"; do
    name=$(basename "$script" .sh)
    echo "== $name"
    { "$script" || echo "FAILED with status $?"; } | tee "build/bench/$name.txt"
    ! grep -q '^FAILED' "build/bench/$name.txt" || failed=1
done
exit $failed

#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs fuzz programs one after the other, SECONDS each: `make fuzz` calls it. New
# inputs go to build/fuzz/corpus/NAME, what crashes to build/fuzz/found/. A seed
# worth keeping is copied by hand to tests/fuzz/corpus/NAME, under a name that says
# what is special about it; tests/fuzz/NAME.dict is used where there is one.
set -eu

for program in "$@"; do
    name=${program##*/fuzz_}
    mkdir -p "build/fuzz/corpus/$name" build/fuzz/found
    dictionary=tests/fuzz/$name.dict
    [ -f "$dictionary" ] || dictionary=
    echo "== $name"
    # Word splitting is meant: FUZZ_OPTIONS are more of libFuzzer's options.
    # shellcheck disable=SC2086
    "$program" -max_total_time="$SECONDS_EACH" -timeout=20 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/found/$name-" ${dictionary:+-dict="$dictionary"} \
        ${FUZZ_OPTIONS:-} "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" 2>&1 |
        tee "build/fuzz/$name.log" | grep -E '^(==|SUMMARY|stat::|#[0-9]+\s+DONE|artifact|.*ERROR)' || true
    if grep -qE 'ERROR: |SUMMARY: ' "build/fuzz/$name.log"; then
        echo "$name: see build/fuzz/$name.log" >&2
        exit 1
    fi
done

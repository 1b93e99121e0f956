#!/bin/sh
# SPDX-License-Identifier: MIT
# Looks at each program as it was linked, and ends with 1 when one of them lacks
# something of what the Makefile asks for: `make check-hardening` calls it.
set -eu

failed=0
lacks() {
    echo "$program: $1" >&2
    failed=1
}

for program in "$@"; do
    headers=$(readelf -W -h -l "$program")
    dynamic=$(readelf -W -d "$program")
    symbols=$(readelf -W --dyn-syms "$program")
    echo "$headers" | grep -q 'Type: *DYN' || lacks "not position-independent"
    echo "$dynamic" | grep -q 'FLAGS_1.*PIE' || lacks "not position-independent"
    echo "$headers" | grep -q 'GNU_RELRO' || lacks "no RELRO"
    echo "$dynamic" | grep -q 'BIND_NOW\|FLAGS_1.*NOW' || lacks "RELRO is not full"
    echo "$headers" | grep 'GNU_STACK' | grep -q ' RW  *0x' || lacks "the stack is executable"
    echo "$headers" | grep 'LOAD' | grep -q 'RWE' && lacks "a segment that is writable and executable"
    echo "$symbols" | grep -q '__stack_chk_fail' || lacks "no stack protector"
    echo "$symbols" | grep -q '_chk@GLIBC' || lacks "no FORTIFY"
    if echo "$dynamic" | grep -q 'RPATH\|RUNPATH\|TEXTREL'; then
        lacks "a library path of its own, or relocations in its text"
    fi
done
exit "$failed"

#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch-npm.sh PACKAGE VERSION INTEGRITY PATH OUTPUT [VARIABLE]: gets one file out of an npm
# package at build time. PATH is the file's in the tarball (package/icons.json), INTEGRITY the
# sha512-BASE64 of the tarball, VARIABLE the make variable that names a local file instead.
# Nothing of the package is installed or run. OUTPUT is replaced in one step, or not at all.
# Prints nothing unless it fails.
set -eu

[ $# -ge 5 ] && [ $# -le 6 ] || {
    echo "usage: fetch-npm.sh PACKAGE VERSION INTEGRITY PATH OUTPUT [VARIABLE]" >&2
    exit 2
}
package=$1@$2 integrity=$3 path=$4 output=$5 variable=${6:-}

work=$(mktemp -d)
aside=
trap 'rm -rf "$work" ${aside:+"$aside"}' EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "fetch-npm.sh: $package: $1" >&2
    exit 1
}

command -v npm >/dev/null ||
    fail "there is no npm to download it with${variable:+; install npm, or build with $variable=FILE}"

# npm's cache is in the temporary directory too: a build may have no home.
mkdir "$work/tarball"
(cd "$work/tarball" && npm_config_cache="$work/cache" npm pack --ignore-scripts --fetch-retries=1 \
    --loglevel=error --no-update-notifier "$package") >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    fail "cannot be downloaded. Is there a network?${variable:+ Without one build with $variable=FILE, a copy of $path}"
}

set -- "$work"/tarball/*
[ $# = 1 ] && [ -f "$1" ] || fail "npm pack made no tarball"
# npm compares with what the registry says; only this compares with what the Makefile says.
wanted=$(printf %s "${integrity#sha512-}" | base64 -d 2>/dev/null | od -An -v -tx1 | tr -d ' \n')
got=$(sha512sum <"$1" | cut -d' ' -f1)
[ "$got" = "$wanted" ] || fail "the tarball's SHA-512 is $got and not $wanted ($integrity)"

mkdir -p "$(dirname "$output")"
aside=$(mktemp "$output.XXXXXX")
tar -xzOf "$1" "$path" >"$aside" 2>"$work/log" && [ -s "$aside" ] || fail "there is no file $path in the tarball"
chmod 644 "$aside"
mv -f "$aside" "$output"
aside=

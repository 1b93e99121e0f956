#!/bin/sh
# SPDX-License-Identifier: MIT
# run: web=lighttpd seconds=130
# The browser tests as one program for tests/run.sh. Ends with 77, and says why,
# where they cannot be run; `make deps-test` gets what they need.
here=$(dirname "$0")
skip() {
    echo "$*: make deps-test"
    exit 77
}
command -v node >/dev/null || skip "there is no node"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || skip "there is no chromium"
[ -d "$here/node_modules/playwright-core" ] || skip "the packages from npm are missing"
exec node "$here/run.mjs" "$@"

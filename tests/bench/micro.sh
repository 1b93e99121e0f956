#!/bin/sh
# SPDX-License-Identifier: MIT
# Nanoseconds of CPU time that single steps of a request take: the router, requests and
# answers, URLs and addresses, the cache's messages, merged profiles. The numbers are
# also in build/bench/micro.json. ROUNDS makes it shorter or longer.
set -eu
cd "$(dirname "$0")/../.."

BUILD=${BUILD:-build/release}
mkdir -p build/bench
"$BUILD/tests/bench/micro" -n "${ROUNDS:-21}" -j build/bench/micro.json

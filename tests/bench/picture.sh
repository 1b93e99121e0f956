#!/bin/sh
# SPDX-License-Identifier: MIT
# What a new picture costs the application in CPU time, step by step, without fetching
# it, searching for faces and storing the result. The numbers are also in
# build/bench/picture.json. ROUNDS makes it shorter or longer.
set -eu
cd "$(dirname "$0")/../.."

BUILD=${BUILD:-build/release}
mkdir -p build/bench
"$BUILD/tests/bench/picture" -n "${ROUNDS:-11}" -j build/bench/picture.json \
    "$BUILD/emoji.artwork" httpd-conf/htdocs/samples/two_portraits.jpg

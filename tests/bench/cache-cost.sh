#!/bin/sh
# SPDX-License-Identifier: MIT
# What emojify-cache adds to the bare gRPC core: CPU time of server and client for a
# Get, held against a server that answers the same number of bytes from memory and
# does nothing else. Both are asked in turns by the api's own client, over a Unix
# socket; the median of ROUNDS.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-1}
BUILD=${BUILD:-build/release}
out=$PWD/build/bench/cache-cost
grpc=$BUILD/tests/bench/grpc
rm -rf "$out"
mkdir -p "$out/files"
pids=
trap 'kill $pids 2>/dev/null || true' EXIT

wait_for() { # socket
    for _ in $(seq 100); do
        [ ! -S "$1" ] || return 0
        sleep 0.05
    done
    echo "FAILED: nobody listens on $1"
    exit 1
}

measure() { # server size address id pid
    line=$("$grpc" get "$3" "$4" "$SECONDS_EACH" "$5")
    echo "$line" | awk -F'[:,}]' '{ print $4 + $6 }' >>"$out/$1-$2.both"
    echo "$line" | member server_us >>"$out/$1-$2.server"
}

HEALTH_BIND_PORT=0 BIND_ADDRESS=unix:$out/cache.sock CACHE_FILE_LOCATION=$out/files LOG_LEVEL=warn \
    "$BUILD/emojify-cache" &
cache=$!
pids=$cache
wait_for "$out/cache.sock"
printf '%8s %22s %22s %12s\n' bytes 'echo: both, server us' 'cache: both, server us' 'ratio (both)'
for size in 1024 102400 1048576; do
    "$grpc" echo "unix:$out/echo-$size.sock" "$size" &
    echo_server=$!
    pids="$pids $echo_server"
    wait_for "$out/echo-$size.sock"
    head -c "$size" /dev/urandom >"$out/entry"
    mv "$out/entry" "$out/files/$(printf %s "bench-$size" | md5sum | cut -d' ' -f1)"
    round=0
    while [ "$round" -lt "$ROUNDS" ]; do
        round=$((round + 1))
        measure echo "$size" "unix:$out/echo-$size.sock" x "$echo_server"
        measure cache "$size" "unix:$out/cache.sock" "bench-$size" "$cache"
    done
    for name in echo-$size.both echo-$size.server cache-$size.both cache-$size.server; do
        median "$out/$name"
    done | paste -sd' ' | awk -v size="$size" \
        '{ printf "%8d %13.1f %8.1f %13.1f %8.1f %12.2f\n", size, $1, $2, $3, $4, $3 / $1 }'
done
for file in "$out"/*.both "$out"/*.server; do
    name=${file##*/}
    json_quartiles "${name%.*}-${name##*.}" us "$file"
done | json_object >build/bench/cache-cost.json

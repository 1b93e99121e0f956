#!/bin/sh
# SPDX-License-Identifier: MIT
# The investigation that this project began with, repeated: a forgotten debug line
# prints every reply of the cache (CACHE_ERROR_TYPE=dump), a profile of the service
# under load names it, and without the line the CPU per request is what it should be.
#
# Starts the whole stack twice on PORT (18500), loads GET /api/cache/{100 KB file}
# for ten seconds each, and writes to build/experiment/: the flame graphs
# (with.html, without.html), the profiles for go tool pprof (*.pb.gz), the tables
# (*.txt) and the verdict. The dump goes to /dev/null, as it would in a service
# whose standard error nobody reads.
set -eu

cd "$(dirname "$0")/../.."
. tests/bench/common.sh
out=build/experiment
export PORT="${PORT:-18500}" API_PROCESSES="${API_PROCESSES:-2}"
export PROFILE=on PROFILE_TOKEN=an-experiment-of-one-minute LOG_LEVEL=warn
export API_STDERR=/dev/null CACHE_ERROR_TYPE=dump
# Each picture through the application both times: the line's cost is to be seen, and
# nothing else.
export LOCAL_CACHE_DIR=
base=http://127.0.0.1:$PORT
id=experiment-100k
mkdir -p "$out"
trap 'httpd-conf/stack.sh down >/dev/null 2>&1 || true' EXIT

get() { # path file
    curl -sS --noproxy '*' --max-time 60 -H "Authorization: Bearer $PROFILE_TOKEN" -o "$2" "$base$1"
}

# One run: prints the CPU per request in microseconds.
measure() { # name rate
    CACHE_ERROR_RATE=$2 httpd-conf/stack.sh up >&2
    put_file "$PORT" "$id" 100000
    before=$(api_ticks "$PORT")
    wrk -t1 -c8 -d10s "$base/api/cache/$id" >"$out/$1.wrk" &
    load=$!
    sleep 2
    # Three windows at once do not disturb one another.
    get '/debug/pprof/profile?seconds=5&debug=1' "$out/$1.txt" &
    get '/debug/pprof/flamegraph?seconds=5' "$out/$1.html" &
    get '/debug/pprof/profile?seconds=5' "$out/$1.pb.gz"
    wait "$load"
    after=$(api_ticks "$PORT")
    wait
    httpd-conf/stack.sh down >&2
    requests=$(wrk_requests "$out/$1.wrk")
    awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" -v requests="$requests" \
        'BEGIN { printf "%.0f\n", ticks / hz / requests * 1e6 }'
}

# Percent of the samples below a function, from a table of the profile.
share() { # file function
    awk -v name="$2" '$NF == name { sub("%", "", $5); print $5; found = 1; exit } END { if (!found) print 0 }' "$1"
}

with=$(measure with 1)
without=$(measure without 0)

for name in with without; do
    echo
    echo "== $name the forgotten line"
    head -n 17 "$out/$name.txt"
done
echo
{
    echo "dump_cache_item is on $(share "$out/with.txt" dump_cache_item) % of the samples: a request costs $with us of CPU."
    echo "Without it a request costs $without us, $(awk -v a="$with" -v b="$without" 'BEGIN { printf "%.1f", (1 - b / a) * 100 }') % less, and this is on top: $(awk 'found { print $NF; exit } /flat%/ { found = 1 }' "$out/without.txt")."
} | tee "$out/verdict.txt"

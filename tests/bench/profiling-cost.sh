#!/bin/sh
# SPDX-License-Identifier: MIT
# What profiling costs: CPU time of emojify-api for GET /api/cache/{100 KB file},
# by the kernel's accounts, for two loads:
#
#   tier    the file is in the local tier, as nearly always with the default settings
#   asked   LOCAL_CACHE_TTL=0: the bytes come from the cache over gRPC each time. The
#           most that heap sampling can cost, for it samples by bytes allocated
#
# and in four states:
#
#   off     PROFILE=off
#   idle    PROFILE=on, and nobody asks
#   100hz   PROFILE=on while the sampling switch is on
#   heap    PROFILE=on PROFILE_HEAP=512K
#
# A machine's speed changes with what else runs on it, so all four work at the same
# time, and what counts is the median of their ratios to `off` in the same round.
# ROUNDS and SECONDS_EACH make it shorter or longer; PORT and the three after it
# are used. It takes minutes, since what it looks for is small, and so `make bench`
# leaves it out: make bench BENCH=profiling-cost.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

ROUNDS=${ROUNDS:-15}
SECONDS_EACH=${SECONDS_EACH:-4}
PORT=${PORT:-18500}
out=build/bench/profiling-cost
token=a-benchmark-of-some-minutes
states='off idle 100hz heap'
mkdir -p "$out"

export API_PROCESSES=1 LOG_LEVEL=warn DIRECT=off PROFILE_AUTO=off
unset RUN_DIR LOCAL_CACHE_DIR
port_of() { # state
    case $1 in off) echo "$PORT" ;; idle) echo $((PORT + 1)) ;; 100hz) echo $((PORT + 2)) ;; heap) echo $((PORT + 3)) ;; esac
}

trap down EXIT

load() { # state
    wrk -t1 -c1 -d"${SECONDS_EACH}s" "http://127.0.0.1:$(port_of "$1")/api/cache/bench-100k" \
        >"$out/$1.wrk"
}

# All four at once; CPU per request in microseconds goes to each state's file.
round() {
    for state in $states; do cpu_ns "$(port_of $state)" api >"$out/$state.before"; done
    pids=
    for state in $states; do
        load $state &
        pids="$pids $!"
    done
    for pid in $pids; do wait "$pid"; done
    for state in $states; do
        after=$(cpu_ns "$(port_of $state)" api)
        requests=$(wrk_requests "$out/$state.wrk")
        echo "$(cat "$out/$state.before") $after $requests" |
            awk '{ printf "%.3f\n", ($2 - $1) / $3 / 1000 }' >>"$out/$state.us"
    done
}

start_all() { # LOCAL_CACHE_TTL
    export LOCAL_CACHE_TTL="$1"
    up off PROFILE=off
    up idle PROFILE=on PROFILE_TOKEN=$token
    up 100hz PROFILE=on PROFILE_TOKEN=$token PROFILE_HZ=100
    up heap PROFILE=on PROFILE_TOKEN=$token PROFILE_HEAP=512K
    curl -sS --noproxy '*' -o /dev/null -f -H "Authorization: Bearer $token" -d cpu=on -d for=7200 \
        "http://127.0.0.1:$(port_of 100hz)/debug/pprof/sampling"
}

report() { # load
    for state in idle 100hz heap; do
        paste "$out/off.us" "$out/$state.us" | awk '{ print ($2 / $1 - 1) * 100 }' >"$out/$state.percent"
    done
    echo "$1: CPU of emojify-api a request, in us: median (quartiles) of $ROUNDS rounds of $SECONDS_EACH s"
    for state in $states; do
        printf '%-6s %s\n' "$state" "$(quartiles '%7.1f  (%.1f to %.1f)' <"$out/$state.us")"
        json_quartiles "$1-$state" us "$out/$state.us" >>"$out/members"
    done
    echo "against off, in the same round:"
    for state in idle 100hz heap; do
        printf '%-6s %s\n' "$state" "$(quartiles '%+6.2f %%  (%+.2f to %+.2f)' <"$out/$state.percent")"
        json_quartiles "$1-$state-more" percent "$out/$state.percent" >>"$out/members"
    done
}

rm -f "$out/members"
for load in tier:30s asked:0; do
    start_all "${load#*:}"
    round # to warm up
    rm -f "$out"/*.us
    for turn in $(seq "$ROUNDS"); do round; done
    report "${load%:*}"
    down
done
json_object <"$out/members" >build/bench/profiling-cost.json

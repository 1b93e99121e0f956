#!/bin/sh
# SPDX-License-Identifier: MIT
# What profiling costs: CPU time of emojify-api for GET /api/cache/{100 KB file},
# by the kernel's accounts, in four states that take turns:
#
#   off     PROFILE=off
#   idle    PROFILE=on, and nobody asks
#   100hz   the same processes while the sampling switch is on
#   heap    PROFILE=on PROFILE_HEAP=512K
#
# A machine's speed changes with what else runs on it, so each state is compared
# with `off` in the same round, and what counts is the median of these ratios. ROUNDS
# and SECONDS_EACH make it shorter or longer; PORT and the two after it are used.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

ROUNDS=${ROUNDS:-15}
SECONDS_EACH=${SECONDS_EACH:-3}
PORT=${PORT:-18500}
out=build/bench/profiling-cost
token=a-benchmark-of-some-minutes
port_off=$PORT port_on=$((PORT + 1)) port_heap=$((PORT + 2))
mkdir -p "$out"
rm -f "$out"/*.us

export API_PROCESSES=1 LOG_LEVEL=warn LOCAL_CACHE_TTL=0 DIRECT=off PROFILE_AUTO=off
unset RUN_DIR LOCAL_CACHE_DIR
trap 'for port in $port_off $port_on $port_heap; do
          PORT=$port httpd-conf/stack.sh down >/dev/null 2>&1 || true; done' EXIT

up() { # port settings...
    port=$1
    shift
    env "$@" PORT="$port" httpd-conf/stack.sh up >/dev/null
    put_file "$port" bench-100k 100000
}

switch() { # on|off
    curl -sS --noproxy '*' -o /dev/null -f -H "Authorization: Bearer $token" -d "cpu=$1" \
        "http://127.0.0.1:$port_on/debug/pprof/sampling"
}

# One turn: CPU per request in microseconds goes to the state's file.
measure() { # state port
    before=$(api_ticks "$2")
    wrk -t1 -c4 -d"${SECONDS_EACH}s" "http://127.0.0.1:$2/api/cache/bench-100k" >"$out/wrk.txt"
    after=$(api_ticks "$2")
    requests=$(wrk_requests "$out/wrk.txt")
    awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" -v requests="$requests" \
        'BEGIN { printf "%.3f\n", ticks / hz / requests * 1e6 }' >>"$out/$1.us"
}

turn() { # state
    case $1 in
    off) measure off "$port_off" ;;
    idle) measure idle "$port_on" ;;
    100hz)
        switch on
        measure 100hz "$port_on"
        switch off
        ;;
    heap) measure heap "$port_heap" ;;
    esac
}

up "$port_off" PROFILE=off
up "$port_on" PROFILE=on PROFILE_TOKEN=$token PROFILE_HZ=100
up "$port_heap" PROFILE=on PROFILE_TOKEN=$token PROFILE_HEAP=512K

for state in off idle 100hz heap; do turn $state; done # to warm up
rm -f "$out"/*.us
# Forth and back, so that a machine that gets slower does so for all.
for round in $(seq "$ROUNDS"); do
    if [ $((round % 2)) -eq 0 ]; then order="off idle 100hz heap"; else order="heap 100hz idle off"; fi
    for state in $order; do turn "$state"; done
done

echo "CPU of emojify-api a request, in us: median (quartiles) of $ROUNDS turns of $SECONDS_EACH s"
for state in off idle 100hz heap; do
    printf '%-6s %s\n' "$state" "$(quartiles '%7.1f  (%.1f to %.1f)' <"$out/$state.us")"
done
echo "against off, in the same round:"
for state in idle 100hz heap; do
    printf '%-6s %s\n' "$state" "$(paste "$out/off.us" "$out/$state.us" |
        awk '{ print ($2 / $1 - 1) * 100 }' | quartiles '%+6.2f %%  (%+.2f to %+.2f)')"
done
printf '%-6s %s\n' "of idle" "100hz $(paste "$out/idle.us" "$out/100hz.us" |
    awk '{ print ($2 / $1 - 1) * 100 }' | quartiles '%+6.2f %%  (%+.2f to %+.2f)')"

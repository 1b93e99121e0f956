#!/bin/sh
# SPDX-License-Identifier: MIT
# Which share of emojify-api's CPU time goes into profiling, by perf(1):
#
#   heap    PROFILE_HEAP=512K: the allocator, unwinding and our own samplers
#   100hz   the sampling switch is on: the signal, the profiler's handler and unwinding
#
# each less what a process with PROFILE=on spends there while nobody asks. A share of a
# run does not change with the speed of the machine, so this tells tenths of a percent, for
# which comparing the time of requests (profiling-cost) is far too coarse. What it does not
# see is that a sample leaves the processor's caches colder.
#
# The loads are those of profiling-cost, with 8 connections. PORT and the two after it
# are used; ROUNDS and SECONDS_EACH make it shorter or longer.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-5}
PORT=${PORT:-18520}
out=build/bench/profiling-share
states='none heap 100hz'
mkdir -p "$out"

export API_PROCESSES=1 LOG_LEVEL=warn DIRECT=off PROFILE_AUTO=off PROFILE=on
export PROFILE_TOKEN=a-benchmark-of-some-minutes
unset RUN_DIR LOCAL_CACHE_DIR PROFILE_HEAP

port_of() { # state
    case $1 in none) echo "$PORT" ;; heap) echo $((PORT + 1)) ;; 100hz) echo $((PORT + 2)) ;; esac
}

trap down EXIT

# CPU time of web server, application and cache, and the application's alone.
spent() { # state
    port=$(port_of "$1")
    echo "$(cpu_ns "$port" web) $(cpu_ns "$port" api) $(cpu_ns "$port" cache)" |
        awk '{ printf "%.0f %.0f\n", $1 + $2 + $3, $2 }'
}

# Percent of the application's CPU time for the heap and for the timer, for one run of the load.
shares() { # state
    port=$(port_of "$1")
    wrk -t1 -c8 -d"$((SECONDS_EACH + 1))s" "http://127.0.0.1:$port/api/cache/bench-100k" >"$out/wrk" &
    perf record -q -e cpu-clock -F 4999 -o "$out/perf.data" -p "$(sed -n 's/^api=//p' "build/run/$port/pids")" \
        -- sleep "$SECONDS_EACH" >/dev/null 2>&1
    wait $!
    wrk_requests "$out/wrk" >/dev/null
    perf report -i "$out/perf.data" --no-children --sort dso,sym 2>/dev/null | awk '
        /libgcc_s|_dl_find_object/ { unwinding += $1 }
        /libtcmalloc/ || / (on_allocation|count_down|take_sample|unwind_here|take_frame|stacks_add)$/ { heap += $1 }
        /libprofiler/ || /\[k\].*(sig|fpstate|fpregs|posix_cpu|itimer)/ { timer += $1 }
        END { printf "%.2f %.2f\n", heap + unwinding, timer + unwinding }'
}

# What a state has more than `none`, in the same round.
report() { # load state column
    paste "$out/none.shares" "$out/$2.shares" | awk -v n="$3" '{ print $(n + 2) - $n }' >"$out/api.more"
    awk -v part="$part" '{ print $1 * part }' <"$out/api.more" >"$out/all.more"
    printf '%-6s %-6s %s; %s\n' "$1" "$2" \
        "$(quartiles '%.2f %% of emojify-api (%.2f to %.2f)' <"$out/api.more")" \
        "$(quartiles '%.2f %% of web server, application and cache (%.2f to %.2f)' <"$out/all.more")"
    json_quartiles "$1-$2-api" percent "$out/api.more" >>"$out/members"
    json_quartiles "$1-$2-all" percent "$out/all.more" >>"$out/members"
}

rm -f "$out/members"
for load in tier:30s asked:0; do
    export LOCAL_CACHE_TTL="${load#*:}"
    up none
    up heap PROFILE_HEAP=512K
    up 100hz PROFILE_HZ=100
    curl -sS --noproxy '*' -o /dev/null -f -H "Authorization: Bearer $PROFILE_TOKEN" -d cpu=on -d for=7200 \
        "http://127.0.0.1:$(port_of 100hz)/debug/pprof/sampling"
    rm -f "$out"/*.shares
    before=$(spent none)
    for turn in $(seq "$ROUNDS"); do
        for state in $states; do shares $state >>"$out/$state.shares"; done
    done
    part=$(echo "$before $(spent none)" | awk '{ print ($4 - $2) / ($3 - $1) }')
    down
    report "${load%:*}" heap 1
    report "${load%:*}" 100hz 2
done
json_object <"$out/members" >build/bench/profiling-share.json

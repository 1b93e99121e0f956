#!/bin/sh
# SPDX-License-Identifier: MIT
# Why some GETs are late while the service has half of what it can do (get-latency says how
# late): perf(1) writes down when each thread of the machine was ready to run and when it
# ran. Late is what takes more than five times the median. How much of the time threads of
# web server, application, cache and of the load itself waited for a core, WAIT_US or longer,
# is told for the episodes of late requests and for the rest (get-waits.awk).
#
# To be run as root. PORT and the four after it are used.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-1}
WAIT_US=${WAIT_US:-50}
PORT=${PORT:-18510}
BUILD=${BUILD:-build/release}
CONNECTIONS=64
ways='static direct tier asked plain'
out=build/bench/get-waits
rm -rf "$out"
mkdir -p "$out"
. tests/bench/ways.sh
trap stop_ways EXIT

pids_of() { # way
    case $1 in static) echo "$static_pid" ;; *) echo "$(stack_pids "$1" web),$(stack_pids "$1" api),$(stack_pids "$1" cache)" ;; esac
}

trace() { # way size
    most=$(run_load "$1" "$2" -c $CONNECTIONS | member rate)
    perf record -q -a -k CLOCK_MONOTONIC -m 4M -e sched:sched_switch,sched:sched_wakeup,sched:sched_wakeup_new \
        -o "$out/sched" -- sleep "$(echo "$SECONDS_EACH" | awk '{ print $1 + 0.5 }')" \
        >/dev/null 2>&1 &
    perf_pid=$!
    sleep 0.2
    line=$(run_load "$1" "$2" -c $CONNECTIONS -w "$out/times" -r "$(echo "$most" | awk '{ print $1 / 2 }')")
    wait $perf_pid
    sort -n "$out/times" >"$out/sorted"
    perf sched timehist -i "$out/sched" >"$out/timehist" 2>/dev/null
    p50=$(echo "$line" | member p50_us)
    echo "$p50 $(echo "$line" | member p99_us)" \
        "$(awk -v late_us=$((5 * p50)) -v wait_us="$WAIT_US" -v pids="$(pids_of "$1")" -f tests/bench/get-waits.awk "$out/sorted" "$out/timehist")" \
        >>"$out/$1-$2"
}

column() { # file number
    awk -v n="$2" '{ print $n }' "$1" >"$out/column"
    median "$out/column"
}

print_row() { # way size
    file=$out/$1-$2
    printf '%-8s %6s' "$1" "$2"
    for number in 1 2 3 4 5 6 7; do printf ' %9.1f' "$(column "$file" $number)"; done
    echo
}

start_ways $ways
for way in $ways; do run_load "$way" 1k >/dev/null; done # to warm up
for round in $(seq "$ROUNDS"); do
    for size in 1k 100k; do
        for way in $ways; do trace "$way" "$size"; done
    done
done

printf '%-8s %6s %9s %9s %9s %9s %9s %9s %9s\n' way size p50 p99 'late %' episodes 'waits %' 'in them %' outside
for size in 1k 100k; do
    for way in $ways; do print_row "$way" "$size"; done
done
echo 'p50 and p99 in us while perf looks on; waits: of the late, those whose episode has one; in episodes and outside: share of the time'
for size in 1k 100k; do
    for way in $ways; do
        column "$out/$way-$size" 6 >/dev/null
        json_quartiles "$way-$size-inside" percent "$out/column"
        column "$out/$way-$size" 7 >/dev/null
        json_quartiles "$way-$size-outside" percent "$out/column"
    done
done | json_object >build/bench/get-waits.json

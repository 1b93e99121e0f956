#!/bin/sh
# SPDX-License-Identifier: MIT
# How long a GET takes while the service has half of what it can do: by each way
# (ways.sh) first as many requests as 64 connections can make, then half as many a
# second. A latency counts from when the request was due, so that a stall is seen by
# all that it keeps waiting. `late` is how much of it is over before a request is sent:
# unless all connections are taken that is other work on the machine, and nothing of the
# service's. The median of ROUNDS.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

ROUNDS=${ROUNDS:-3}
SECONDS_EACH=${SECONDS_EACH:-0.5}
PORT=${PORT:-18510}
BUILD=${BUILD:-build/release}
CONNECTIONS=64
out=build/bench/get-latency
rm -rf "$out"
mkdir -p "$out"
. tests/bench/ways.sh
trap stop_ways EXIT

measure() { # way size
    most=$(run_load "$1" "$2" -c $CONNECTIONS | member rate)
    echo "$most" >>"$out/$1-$2.most"
    line=$(run_load "$1" "$2" -c $CONNECTIONS -r "$(echo "$most" | awk '{ print $1 / 2 }')")
    for part in p50 p99 late_p99; do
        echo "$line" | member "${part}_us" >>"$out/$1-$2.$part"
    done
}

print_row() { # way size
    p50=$(median "$out/$1-$2.p50")
    p99=$(median "$out/$1-$2.p99")
    printf '%-8s %6s %8.0f %8.0f %8.0f %8s %12.0f\n' "$1" "$2" "$(median "$out/$1-$2.most")" "$p50" "$p99" \
        "$(echo "$p50 $p99" | awk '{ printf "x %.1f", $2 / $1 }')" "$(median "$out/$1-$2.late_p99")"
}

start_ways static direct tier asked plain
for way in static direct tier asked plain; do run_load "$way" 1k >/dev/null; done # to warm up
for round in $(seq "$ROUNDS"); do
    for size in 1k 100k; do
        for way in static direct tier asked plain; do measure "$way" "$size"; done
    done
done

printf '%-8s %6s %8s %8s %8s %8s %12s\n' way size most/s p50 p99 '' 'p99 of late'
for size in 1k 100k; do
    for way in static direct tier asked plain; do print_row "$way" "$size"; done
done
echo 'p50 and p99 in us at half of the most'
for size in 1k 100k; do
    for way in static direct tier asked plain; do
        json_quartiles "$way-$size-most" per_s "$out/$way-$size.most"
        json_quartiles "$way-$size-p50" us "$out/$way-$size.p50"
        json_quartiles "$way-$size-p99" us "$out/$way-$size.p99"
        json_quartiles "$way-$size-late" us "$out/$way-$size.late_p99"
    done
done | json_object >build/bench/get-latency.json

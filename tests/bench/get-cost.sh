#!/bin/sh
# SPDX-License-Identifier: MIT
# What GET /api/cache/{file} costs, beside what lighttpd alone needs to send the same
# file: CPU time of web server, application and cache together, by the kernel's
# accounts, at 8 connections. One row for each way that a file can take (ways.sh).
#
# Rounds take turns, so that what else the machine does meets all rows alike; a cell is
# the median of ROUNDS of SECONDS_EACH.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-0.5}
PORT=${PORT:-18510}
BUILD=${BUILD:-build/release}
out=build/bench/get-cost
rows='static same direct bare tier asked plain many nstatic kept'
rm -rf "$out"
mkdir -p "$out"
. tests/bench/ways.sh
trap stop_ways EXIT

measure() { # row size
    line=$(run_load "$1" "$2")
    for part in web api cache; do
        us=$(echo "$line" | member "${part}_us")
        echo "${us:-0}" >>"$out/$1-$2.$part"
    done
    cost_of "$line" >>"$out/$1-$2.us"
}

# To `static` of the same size; of `direct` to `same`, of `kept` to `nstatic`.
ratio_of() { # row size
    base=static
    [ "$1" != direct ] || base=same
    [ "$1" != kept ] || base=nstatic
    echo "$(median "$out/$1-$2.us") $(median "$out/$base-$2.us")" | awk '{ printf "%.2f", $1 / $2 }'
}

print_row() { # row size
    printf '%-8s %6s %9s %22s %9s %8s %8s %8s\n' "$1" "$2" \
        $(quartiles '%.1f %.1f-%.1f' <"$out/$1-$2.us") "$(ratio_of "$1" "$2")" \
        "$(median "$out/$1-$2.web")" "$(median "$out/$1-$2.api")" "$(median "$out/$1-$2.cache")"
}

start_ways static direct tier asked plain nstatic kept
for row in $rows; do run_load "$row" 1k >/dev/null; done # to warm up
for round in $(seq "$ROUNDS"); do
    for size in $sizes; do
        for row in $rows; do measure "$row" "${size%:*}"; done
    done
done

printf '%-8s %6s %9s %22s %9s %8s %8s %8s\n' way size 'us/GET' '(quartiles)' ratio web api cache
for size in $sizes; do
    for row in $rows; do print_row "$row" "${size%:*}"; done
done
echo 'ratio: to `static` of the same size; of `direct` to `same`, of `kept` to `nstatic`'
for size in $sizes; do
    for row in $rows; do
        json_quartiles "$row-${size%:*}" us "$out/$row-${size%:*}.us"
    done
done | json_object >build/bench/get-cost.json

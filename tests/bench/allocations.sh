#!/bin/sh
# SPDX-License-Identifier: MIT
# How often memory is allocated for a GET of a cached file, and by whom, when the
# service has been running for a while: emojify-api itself, and each library that it
# uses. By three ways (fcgi.sh), for 1 KB and 100 KB. COUNT requests and then twice as
# many are made; what the second time has more is what COUNT requests take.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

COUNT=${COUNT:-500}
BUILD=${BUILD:-build/release}
out=build/bench/allocations
rm -rf "$out"
mkdir -p "$out"
. tests/bench/fcgi.sh
trap stop_all EXIT

# The difference of both times, per request: "NAME... COUNT BYTES". What the chores take
# meanwhile is a few hundredths more or less.
counted() { # objects|callers way
    "$BUILD/tests/bench/allocations" "$1" "$out/$2.0" "$out/$2.1" >"$out/once"
    "$BUILD/tests/bench/allocations" "$1" "$out/$2.1" "$out/$2.2" >"$out/twice"
    awk -v count="$COUNT" '{
        sign = FILENAME ~ /once$/ ? -1 : 1
        key = $1 (NF > 3 ? " " $2 : "")
        n[key] += sign * $(NF - 1)
        bytes[key] += sign * $NF
    } END {
        for (key in n) print key, n[key] / count, bytes[key] / count
    }' "$out/once" "$out/twice"
}

# Libraries that only gRPC uses are gRPC's.
by_part() {
    awk '{
        part = $1 ~ /^lib(grpc|gpr|absl|address_sorting|upb|re2|cares)/ ? "gRPC" : $1
        sub(/\.so.*/, "", part)
        n[part] += $2
        bytes[part] += $3
    } END {
        for (part in n)
            if (n[part] >= 0.05 || part == "emojify-api") print part, n[part], bytes[part]
    }' | sort
}

count_size() { # way kilobytes
    get_often "$COUNT" "$2" # to warm up
    cp "$out/counts" "$out/$1-$2k.0"
    get_often "$COUNT" "$2"
    cp "$out/counts" "$out/$1-$2k.1"
    get_often $((COUNT * 2)) "$2"
    cp "$out/counts" "$out/$1-$2k.2"
    counted objects "$1-$2k" | by_part >"$out/$1-$2k.parts"
    counted callers "$1-$2k" | awk '$1 == "emojify-api" && $3 >= 0.05 { print $2, $3, $4 }' >"$out/$1-$2k.own"
}

count_way() { # way
    start_api "$1" env LD_PRELOAD="$PWD/$BUILD/tests/bench/count_allocations.so" \
        ALLOCATIONS_FILE="$out/counts"
    count_size "$1" 1
    count_size "$1" 100
    stop_api
}

print_own() { # name
    while read -r address count bytes; do
        printf '  %-10s %6.2f %8.0f  %s\n' "$1" "$count" "$bytes" \
            "$(addr2line -fse "$BUILD/emojify-api" "$address" | paste -sd' ')"
    done <"$out/$1.own"
}

start_cache
for way in tier asked plain; do count_way $way; done

names='tier-1k tier-100k asked-1k asked-100k plain-1k plain-100k'
echo 'a GET: allocations, bytes'
for name in $names; do
    awk -v name=$name '{ printf "%-10s %-12s %8.2f %8.0f\n", name, $1, $2, $3 }' "$out/$name.parts"
done
echo 'of which emojify-api itself (the rest are its chores, or their absence):'
for name in $names; do print_own $name; done
for name in $names; do
    awk -v name=$name '{ printf "\"%s-%s\":{\"count\":%.3f,\"bytes\":%.1f}\n", name, $1, $2, $3 }' \
        "$out/$name.parts"
done | json_object >build/bench/allocations.json

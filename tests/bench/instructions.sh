#!/bin/sh
# SPDX-License-Identifier: MIT
# How many instructions emojify-api executes for a GET of 1 KB, its libraries included,
# the kernel not: by three ways (fcgi.sh), under callgrind, with one worker. Unlike time
# that hardly depends on the machine; gRPC's threads make a difference of less than 1 %
# from run to run. The thread with the chores, which works by the clock, is left out. The median
# of ROUNDS of COUNT requests, and the functions that execute the most themselves (their
# callees do not count).
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

ROUNDS=${ROUNDS:-3}
COUNT=${COUNT:-800}
BUILD=${BUILD:-build/release}
out=build/bench/instructions
rm -rf "$out"
mkdir -p "$out"
. tests/bench/fcgi.sh
trap stop_all EXIT
export WORKERS=1

control() { # option: of the process that runs
    callgrind_control "$1" "$api_pid" >>"$out/control.log" 2>&1
}

# Callgrind's dumps are WAY.callgrind.1-01, 1-02, ... for each thread, then 2-01, ...; the
# first are of what came before.
dumps_of() { # way round
    grep -LF ticker.c "$out/$1.callgrind.$(($2 + 1))"-*
}

count_way() { # way
    start_api "$1" valgrind -q --tool=callgrind --separate-threads=yes \
        --callgrind-out-file="$PWD/$out/$1.callgrind"
    get_often $((COUNT / 10)) 1 # to warm up
    control -d
    for round in $(seq "$ROUNDS"); do
        get_often "$COUNT" 1
        control -d
        awk -v count="$COUNT" '$1 == "summary:" { sum += $2 } END { print sum / count }' \
            $(dumps_of "$1" "$round") >>"$out/$1.instructions"
    done
    stop_api
}

# Of the last dumps (their format is in callgrind's manual): the cost lines of a function,
# but those behind a calls=, which are its callees'.
print_functions() { # way
    awk '
        FNR == 1 { split("", names) }
        /^c?fn=/ {
            id = $0
            sub(/^c?fn=/, "", id)
            name = id
            sub(/\).*/, ")", id)
            if (sub(/^\([0-9]+\) /, "", name)) names[id] = name
            if (/^fn=/) caller = names[id]
        }
        /^calls=/ { getline; next }
        /^[-+*0-9]/ { own[caller] += $2; sum += $2 }
        END { for (name in own) printf "%.1f %s\n", own[name] / sum * 100, name }
    ' $(dumps_of "$1" "$ROUNDS") | sort -gr | head -n 10 | sed 's/ / %  /; s/^/  /'
}

start_cache
for way in tier asked plain; do count_way $way; done

echo 'instructions a GET of 1 KB, median (quartiles):'
for way in tier asked plain; do
    printf '%-6s %s\n' $way "$(quartiles '%8.0f  (%.0f to %.0f)' <"$out/$way.instructions")"
done
for way in tier asked plain; do
    echo "$way, of them in the function itself:"
    print_functions $way
done
for way in tier asked plain; do
    json_quartiles $way instructions "$out/$way.instructions"
done | json_object >build/bench/instructions.json

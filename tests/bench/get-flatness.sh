#!/bin/sh
# SPDX-License-Identifier: MIT
# Whether a GET costs more when more is there: files in the cache and in the local tier,
# from 10 to 100,000, and connections that idle, from 0 to 1000. CPU time of web server,
# application and cache together for a file of 1 KB, by two ways (ways.sh); the median
# of ROUNDS. `static` is measured beside them and does not know of the files, so that
# what changes in its column is the machine.
#
#   asked    500 of the files in turn, while so many are stored
#   tier     the same; so many are in the tier, too
#
# lighttpd keeps what it has sent open for three seconds, so 500 files and not all.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

ROUNDS=${ROUNDS:-3}
SECONDS_EACH=${SECONDS_EACH:-0.5}
PORT=${PORT:-18510}
BUILD=${BUILD:-build/release}
COUNTS=${COUNTS:-10 1000 10000 100000}
FILES=500
out=build/bench/get-flatness
rm -rf "$out"
mkdir -p "$out"
. tests/bench/ways.sh

stop() {
    stop_ways
    rm -rf "$CACHE_FILE_LOCATION"
}
# In memory, and the same for both caches, so that the disk's work does not count.
CACHE_FILE_LOCATION=$(mktemp -d /dev/shm/emojify-bench-XXXXXX)
export CACHE_FILE_LOCATION
trap stop EXIT

# Have the caches hold that many in all, and the tier, too.
store() { # count
    "$BUILD/tests/bench/store" "$CACHE_FILE_LOCATION" $((stored + 1)) "$1" 1024
    stored=$1
    # As few at once as may wait for the cache at length, on a slow machine, too.
    "$BUILD/tests/bench/fcgi" -c 4 -n "$stored" -f "$stored" -e "EMOJIFY_SENDFILE=$tier_memory/tier" \
        "$tier_memory/sockets/api.sock-0" /api/cache/stored-%d
}

measure() { # name way path options...
    name=$1
    shift
    line=$(run_load_on "$@" -s "$SECONDS_EACH")
    cost_of "$line" >>"$out/$1-$name.us"
}

table() { # heading ways names...
    ways=$2
    printf '%-24s' "$1"
    printf ' %8s' $ways
    echo
    shift 2
    for name; do
        printf '%-24s' "${name#*-}"
        for way in $ways; do printf ' %8s' "$(median "$out/$way-$name.us")"; done
        echo
    done
}

start_ways static asked
# Room for all files in the tier's index, whose size follows from the bytes.
start_stack tier LOCAL_CACHE_TTL=1h LOCAL_CACHE_BYTES=2G DIRECT=off

for round in $(seq "$ROUNDS"); do
    for idle in 0 100 1000; do
        for way in static tier asked; do
            measure "idle-$idle" "$way" "$(path_of "$way" 1k)" -i "$idle"
        done
    done
done

stored=0
tier_memory=/dev/shm/emojify-$(id -u)-$(stack_port tier) # of stack.sh
for count in $COUNTS; do
    store "$count"
    for round in $(seq "$ROUNDS"); do
        measure "stored-$count" static /1k.jpg
        for way in tier asked; do
            measure "stored-$count" $way /api/cache/stored-%d -f $((count < FILES ? count : FILES))
        done
    done
done

echo 'us/GET of 1 KB'
table 'idle connections' 'static tier asked' idle-0 idle-100 idle-1000
table 'stored files' 'static tier asked' $(printf 'stored-%s ' $COUNTS)
for file in "$out"/*.us; do
    name=${file##*/}
    json_quartiles "${name%.us}" us "$file"
done | json_object >build/bench/get-flatness.json

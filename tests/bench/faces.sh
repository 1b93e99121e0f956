#!/bin/sh
# SPDX-License-Identifier: MIT
# What finding faces costs: for JPEG photographs of four sizes the CPU time of
# emojify-facebox for each (POST /, decoding included), and of a whole POST /api/ with a
# new picture (web server, api, cache and facebox); then the memory of a facebox with
# two workers. BEFORE names the root of another checkout, built, that is measured in the same
# run and by the same pictures:
#
#     git worktree add build/before COMMIT && make -C build/before all
#     BEFORE=build/before make bench BENCH=faces
#
# Rounds take turns; a cell is the median of ROUNDS.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

ROUNDS=${ROUNDS:-7}
EACH=${EACH:-4}
PORT=${PORT:-18610}
BUILD=${BUILD:-build/release}
out=build/bench/faces
load=$BUILD/tests/bench/load
sizes='640x480 512x600 2000x1333 4000x3000'
trees=now
[ -z "${BEFORE:-}" ] || trees='now before'
rm -rf "$out"
mkdir -p "$out"
export EMOJIFY_FORMAT=jpeg FACEBOX_WORKERS=2

root_of() { [ "$1" = now ] && pwd || (cd "$BEFORE" && pwd); }
port_of() { [ "$1" = now ] && echo "$PORT" || echo $((PORT + 10)); }
pids_of() { # tree part
    sed -n "s/^$2=//p" "$(root_of "$1")/build/run/$(port_of "$1")/pids" | paste -sd, -
}
stack() { # tree command
    PORT=$(port_of "$1") BUILD=$(root_of "$1")/build/release "$(root_of "$1")/httpd-conf/stack.sh" "$2" >/dev/null
}
stop_all() { for tree in $trees; do stack "$tree" down || true; done; }
trap stop_all EXIT

facebox_port() { # tree
    sed -n 's/.*Service started: .*port=\([0-9]*\).*/\1/p' "$(root_of "$1")/build/run/$(port_of "$1")/facebox.log" | tail -1
}

run_load() { # file of results, member of them, options...
    result=$1 members=$2
    shift 2
    line=$("$load" "$@")
    [ "$(echo "$line" | member errors)" = 0 ] || {
        echo "FAILED: $result: $line"
        exit 1
    }
    for name in $members; do echo "$line" | member "${name}_us"; done |
        awk '{ sum += $1 } END { printf "%.3f\n", sum / 1000 }' >>"$result"
}

for size in $sizes; do
    "$BUILD/tests/bench/picture" -w "$out/$size.jpg" -s "$size" httpd-conf/htdocs/samples/two_portraits.jpg
done
for tree in $trees; do stack "$tree" up; done

for round in $(seq 0 "$ROUNDS"); do
    for size in $sizes; do
        for tree in $trees; do
            run_load "$out/$size.detect.$tree" facebox -p "facebox=$(pids_of "$tree" facebox)" -m POST \
                -d "$out/$size.jpg" -t image/jpeg -c 1 -s 600 -n "$EACH" "$(facebox_port "$tree")" /
            run_load "$out/$size.post.$tree" 'web api cache facebox' -p "web=$(pids_of "$tree" web)" \
                -p "api=$(pids_of "$tree" api)" -p "cache=$(pids_of "$tree" cache)" \
                -p "facebox=$(pids_of "$tree" facebox)" -m POST -d "$out/$size.jpg" -t image/jpeg -u \
                -c 1 -s 600 -n "$EACH" "$(port_of "$tree")" /api/
        done
    done
    [ "$round" -gt 0 ] || rm -f "$out"/*.now "$out"/*.before # it was to warm up
done

memory_kb() { # tree field
    sed -n "s/^$2:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$(pids_of "$1" facebox)/status"
}
: >"$out/memory"
for tree in $trees; do
    for size in 640x480 4000x3000 2000x1333; do
        "$load" -m POST -d "$out/$size.jpg" -t image/jpeg -c 2 -s 600 -n 12 "$(facebox_port "$tree")" / >/dev/null
    done
    busy=$(memory_kb "$tree" VmHWM)
    sleep 30
    echo "$tree $(memory_kb "$tree" VmRSS) $busy" | awk '{ printf "%-8s %6.0f MB 30 s after the last picture, %.0f MB at most\n", $1, $2 / 1024, $3 / 1024 }' >>"$out/memory"
done

echo "CPU in ms a picture, median (quartiles) of $ROUNDS rounds of $EACH"
printf '%-10s %-7s %22s' size '' now
[ "$trees" = now ] || printf ' %24s %7s' before ratio
echo
for size in $sizes; do
    for row in detect post; do
        printf '%-10s %-7s %22s' "$size" "$row" "$(quartiles '%.1f (%.1f-%.1f)' <"$out/$size.$row.now")"
        [ "$trees" = now ] || printf ' %24s %7s' "$(quartiles '%.1f (%.1f-%.1f)' <"$out/$size.$row.before")" \
            "$(echo "$(median "$out/$size.$row.now") $(median "$out/$size.$row.before")" | awk '{ printf "%.2f", $1 / $2 }')"
        echo
    done
done
echo 'memory of emojify-facebox with 2 workers:'
cat "$out/memory"
for size in $sizes; do
    for row in detect post; do json_quartiles "$size-$row" ms "$out/$size.$row.now"; done
done | json_object >build/bench/faces.json

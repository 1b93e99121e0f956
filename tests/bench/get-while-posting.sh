#!/bin/sh
# SPDX-License-Identifier: MIT
# Whether pictures that exist are still served quickly while new ones are made: latency
# of GET (4 clients, together RATE requests a second, local tier by X-Sendfile), first alone, then
# beside four clients that post new photographs of 2000 x 1333 without a pause. Also the
# pictures made a second, alone and beside the GETs, and the longest that one took. The
# programs run in sessions of their own, as stack.sh starts them. The client of the GETs has
# real-time priority where that is allowed: it stands for one on a machine of its own, and must not
# wait for a core here. CLIENT= (empty) leaves it as it is. BEFORE as in faces.sh.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-8}
RATE=${RATE:-200}
PORT=${PORT:-18630}
BUILD=${BUILD:-build/release}
out=build/bench/get-while-posting
load=$BUILD/tests/bench/load
CLIENT=${CLIENT-chrt -f 1}
! $CLIENT true 2>/dev/null && CLIENT=
trees=now
[ -z "${BEFORE:-}" ] || trees='now before'
rm -rf "$out"
mkdir -p "$out"
export EMOJIFY_FORMAT=jpeg DIRECT=off LOCAL_CACHE_TTL=600s

root_of() { [ "$1" = now ] && pwd || (cd "$BEFORE" && pwd); }
port_of() { [ "$1" = now ] && echo "$PORT" || echo $((PORT + 10)); }
stack() { # tree command
    PORT=$(port_of "$1") BUILD=$(root_of "$1")/build/release "$(root_of "$1")/httpd-conf/stack.sh" "$2" >/dev/null
}
stop_all() { for tree in $trees; do stack "$tree" down || true; done; }
trap stop_all EXIT

get() { # tree row
    $CLIENT "$load" -c 4 -r "$RATE" -s "$SECONDS_EACH" "$(port_of "$1")" /api/cache/bench-100k >"$out/get"
    for name in p50_us p99_us; do member $name <"$out/get" >>"$out/$2.$name.$1"; done
}
post() { # tree seconds
    "$load" -m POST -d "$out/photograph.jpg" -t image/jpeg -u -c 4 -s "$2" "$(port_of "$1")" /api/
}
note_post() { # tree row file
    grep -q '"errors":0,' "$3" || {
        echo "FAILED: $2: $(cat "$3")"
        exit 1
    }
    for name in rate max_us; do member $name <"$3" >>"$out/$2.$name.$1"; done
}

"$BUILD/tests/bench/picture" -w "$out/photograph.jpg" httpd-conf/htdocs/samples/two_portraits.jpg
for tree in $trees; do
    stack "$tree" up
    root=$(root_of "$tree")
    head -c 100000 /dev/urandom >"$root/build/run/$(port_of "$tree")/cache/$(printf %s bench-100k | md5sum | cut -d' ' -f1)"
done
for round in $(seq 1 "$ROUNDS"); do
    for tree in $trees; do
        get "$tree" alone
        post "$tree" "$SECONDS_EACH" >"$out/post"
        note_post "$tree" posting-alone "$out/post"
        sleep 3 # until the pictures that nobody waits for any more have left their places
        post "$tree" $((SECONDS_EACH + 2)) >"$out/post" &
        pid=$!
        sleep 1
        get "$tree" beside
        wait $pid
        note_post "$tree" posting-beside "$out/post"
        sleep 3
    done
done

cell() { quartiles '%.1f (%.1f-%.1f)' <"$out/$1.$3.$2"; }
echo "GET at $RATE/s (client: ${CLIENT:-no priority}), us; pictures a second; median (quartiles) of $ROUNDS rounds"
printf '%-7s %22s %24s %22s %24s %7s %20s %20s %12s\n' '' 'alone p50' 'alone p99' 'beside p50' 'beside p99' ratio \
    'pictures/s alone' 'beside' 'longest ms'
for tree in $trees; do
    printf '%-7s %22s %24s %22s %24s %7s %20s %20s %12s\n' "$tree" "$(cell alone "$tree" p50_us)" "$(cell alone "$tree" p99_us)" \
        "$(cell beside "$tree" p50_us)" "$(cell beside "$tree" p99_us)" \
        "$(echo "$(median "$out/beside.p99_us.$tree") $(median "$out/alone.p99_us.$tree")" | awk '{ printf "%.1f", $1 / $2 }')" \
        "$(cell posting-alone "$tree" rate)" "$(cell posting-beside "$tree" rate)" \
        "$(sort -g "$out/posting-beside.max_us.$tree" | tail -1 | awk '{ printf "%.0f", $1 / 1000 }')"
done

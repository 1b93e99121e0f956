#!/bin/sh
# SPDX-License-Identifier: MIT
# What POST /api/ costs through the whole stack, in CPU time by the kernel's accounts:
#
#   new       a photograph of 2000x1333 as the body, another one each time: decoded, sent
#             to the face detection, drawn on, encoded as JPEG and stored. One at a time
#   same      the same photograph again and again: its key, which the cache has
#   url       a URL whose picture the cache has, at 8 connections
#   url-fresh the same, of a picture that was asked for within LOCAL_CACHE_TTL, so that the
#             application's local tier has it
#
# The last two beside two ways of a GET of 1 KB (ways.sh) of the same stack. Rounds take turns; a
# cell is the median of ROUNDS.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-0.5}
NEW_EACH=${NEW_EACH:-3}
PORT=${PORT:-18510}
BUILD=${BUILD:-build/release}
out=build/bench/post-cost
parts='web api cache facebox'
rm -rf "$out"
mkdir -p "$out"
. tests/bench/ways.sh
trap stop_ways EXIT
export EMOJIFY_FORMAT=jpeg

measure() { # row way path options...
    row=$1
    way=$2
    path=$3
    shift 3
    for part in $parts; do set -- -p "$part=$(stack_pids "$way" $part)" "$@"; done
    line=$("$load" "$@" "$(stack_port "$way")" "$path")
    [ "$(echo "$line" | member errors)" = 0 ] || {
        echo "FAILED: $row: $line"
        exit 1
    }
    for part in $parts; do echo "$line" | member "${part}_us" >>"$out/$row.$part"; done
    cost_of "$line" >>"$out/$row.us"
}

post() { # row options...
    row=$1
    shift
    measure "$row" tier /api/ -m POST "$@"
}

ratio_of() { # row row
    echo "$(median "$out/$1.us") $(median "$out/$2.us")" | awk '{ printf "%.2f", $1 / $2 }'
}

start_ways tier asked
"$BUILD/tests/bench/picture" -w "$out/photograph.jpg" httpd-conf/htdocs/samples/two_portraits.jpg
for row in url url-fresh; do
    printf %s "https://www.example.org/$row.jpg" >"$out/$row"
    put_file "$(stack_port tier)" "$(md5sum <"$out/$row" | cut -d' ' -f1)" 1024
done
fresh=$(md5sum <"$out/url-fresh" | cut -d' ' -f1)
# For a picture that the cache has the faces are not known any more.
LC_ALL=C sed "s/################/$(date +%s%6N)/" "$out/photograph.jpg" >"$out/another.jpg"
faces=$(curl -sSf --noproxy '*' -H 'Accept: application/json' -H 'Content-Type: image/jpeg' \
    --data-binary "@$out/another.jpg" "http://127.0.0.1:$(stack_port tier)/api/" | member faces)

for round in $(seq 0 "$ROUNDS"); do
    post new -d "$out/photograph.jpg" -t image/jpeg -u -c 1 -s 600 -n "$NEW_EACH"
    post same -d "$out/photograph.jpg" -t image/jpeg -c 1 -s "$SECONDS_EACH"
    post url -d "$out/url" -s "$SECONDS_EACH"
    curl -sSf --noproxy '*' -o /dev/null "http://127.0.0.1:$(stack_port tier)/api/cache/$fresh"
    post url-fresh -d "$out/url-fresh" -s "$SECONDS_EACH"
    measure get-tier tier /api/cache/bench-1k -s "$SECONDS_EACH"
    measure get-asked asked /api/cache/bench-1k -s "$SECONDS_EACH"
    [ "$round" -gt 0 ] || rm -f "$out"/*.us $(printf "$out/*.%s " $parts) # it was to warm up
done

echo "CPU in us; the photograph has $(wc -c <"$out/photograph.jpg") bytes and $faces faces"
printf '%-10s %10s %16s %9s %9s %9s %12s\n' '' sum '(quartiles)' web api cache 'and facebox'
for row in new same url url-fresh get-tier get-asked; do
    printf '%-10s %10s %16s %9.0f %9.0f %9.0f %12.0f\n' "$row" $(quartiles '%.0f %.0f-%.0f' <"$out/$row.us") \
        "$(median "$out/$row.web")" "$(median "$out/$row.api")" "$(median "$out/$row.cache")" \
        "$(median "$out/$row.facebox")"
done
echo "url: $(ratio_of url get-asked) x get-asked; url-fresh: $(ratio_of url-fresh get-tier) x get-tier"
for row in new same url url-fresh get-tier get-asked; do
    json_quartiles $row us "$out/$row.us"
    for part in $parts; do json_quartiles "$row-$part" us "$out/$row.$part"; done
done | json_object >build/bench/post-cost.json

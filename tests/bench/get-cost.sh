#!/bin/sh
# SPDX-License-Identifier: MIT
# What GET /api/cache/{file} costs, beside what lighttpd alone needs to send the same
# file: CPU time of web server, application and cache together, by the kernel's
# accounts, at 8 connections. One row for each way that a file can take:
#
#   static   a file in the document root of a lighttpd, with an access log
#   direct   lighttpd sends the tier's file itself; beside `same`, a static file with
#            the same headers
#   tier     the application names a fresh file of its local tier (X-Sendfile)
#   asked    the cache is asked over gRPC each time (LOCAL_CACHE_TTL=0), X-Sendfile
#   plain    the same without a tier: the bytes go through FastCGI
#   many     as asked, each connection wanting other files, so that no call is shared
#
# Rounds take turns, so that what else the machine does meets all rows alike; a cell is
# the median of ROUNDS, with the quartiles in build/bench/get-cost/table.json. Then
# throughput and latency at half of it, and whether the cost depends on the number of
# stored files and of idle connections.
set -eu
cd "$(dirname "$0")/../.."
. tests/bench/common.sh

ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-2}
PORT=${PORT:-18510}
BUILD=${BUILD:-build/release}
out=build/bench/get-cost
load=$BUILD/tests/bench/load
sizes='1k:1024 100k:102400 1m:1048576'
rows='static same direct tier asked plain many'
export API_PROCESSES=1 WEB=lighttpd
unset RUN_DIR LOCAL_CACHE_DIR || true
rm -rf "$out"
mkdir -p "$out/htdocs/same"

stack_port() { # row
    case $1 in direct) echo "$PORT" ;; tier) echo $((PORT + 1)) ;; asked | many) echo $((PORT + 2)) ;; plain) echo $((PORT + 3)) ;; esac
}
static_port=$((PORT + 4))
static_pid=

stop_all() {
    for row in direct tier asked plain; do
        PORT=$(stack_port $row) httpd-conf/stack.sh down >/dev/null 2>&1 || true
    done
    [ -z "$static_pid" ] || kill "$static_pid" 2>/dev/null || true
}
trap stop_all EXIT

# --- Servers ---------------------------------------------------------------------

# JPEG's first bytes, for a type that is sent directly.
picture() { # bytes
    printf '\377\330\377\340'
    head -c $(($1 - 4)) /dev/urandom
}

start_static() {
    cat >"$out/static.conf" <<END
server.port = $static_port
server.bind = "127.0.0.1"
server.document-root = "$PWD/$out/htdocs"
server.errorlog = "$PWD/$out/static.log"
server.modules = ( "mod_accesslog", "mod_setenv" )
accesslog.filename = "$PWD/$out/static-access.log"
mimetype.assign = ( ".jpg" => "image/jpeg" )
\$HTTP["url"] =^ "/same/" {
    static-file.etags = "disable"
    setenv.set-response-header = (
        "Cache-Control" => "public, max-age=30",
        "Vary" => "Origin",
        "X-Content-Type-Options" => "nosniff"
    )
}
END
    for size in $sizes; do
        picture "${size#*:}" >"$out/htdocs/${size%:*}.jpg"
        cp "$out/htdocs/${size%:*}.jpg" "$out/htdocs/same/"
    done
    lighttpd -D -f "$out/static.conf" &
    static_pid=$!
}

start_stack() { # row settings...
    row=$1
    shift
    env "$@" PORT="$(stack_port "$row")" httpd-conf/stack.sh up >/dev/null
    for size in $sizes; do
        for number in '' -1 -2 -3 -4 -5 -6 -7 -8; do
            cp "$out/htdocs/${size%:*}.jpg" "$out/entry"
            mv "$out/entry" "build/run/$(stack_port "$row")/cache/$(printf %s "bench-${size%:*}$number" | md5sum | cut -d' ' -f1)"
        done
    done
}

pids_of() { # row name
    sed -n "s/^$2=//p" "build/run/$(stack_port "$1")/pids" | paste -sd,
}

# --- Measuring -------------------------------------------------------------------

# A member of the JSON on standard input.
member() { # name
    sed -n "s/.*\"$1\":\\([0-9.]*\\).*/\\1/p"
}

# One run of the load on a row: a line of JSON with web_us, api_us, cache_us.
run_load() { # row size options...
    row=$1
    name=$2
    shift 2
    case $row in
    static) "$load" "$@" -p web="$static_pid" "$static_port" "/$name.jpg" ;;
    same) "$load" "$@" -p web="$static_pid" "$static_port" "/same/$name.jpg" ;;
    *)
        "$load" "$@" -p web="$(pids_of "$row" web)" -p api="$(pids_of "$row" api)" \
            -p cache="$(pids_of "$row" cache)" "$(stack_port "$row")" "$(path_of "$row" "$name")"
        ;;
    esac
}

path_of() { # row size
    if [ "$1" = many ]; then
        echo "/api/cache/bench-$2-%d" # each connection its own
    else
        echo "/api/cache/bench-$2"
    fi
}

measure() { # row size
    line=$(run_load "$1" "$2" -s "$SECONDS_EACH")
    [ "$(echo "$line" | member errors)" = 0 ] || { echo "FAILED: $1 $2: $line"; exit 1; }
    echo "$line" >>"$out/$1-$2.json"
    sum=0
    for part in web api cache; do
        us=$(echo "$line" | member "${part}_us")
        echo "${us:-0}" >>"$out/$1-$2.$part"
        sum=$(echo "$sum ${us:-0}" | awk '{ print $1 + $2 }')
    done
    echo "$sum" >>"$out/$1-$2.us"
}

median() { # file
    quartiles '%.1f' <"$1" | cut -d' ' -f1
}

# --- Reports ---------------------------------------------------------------------

table() {
    printf '%-8s %6s %9s %22s %9s %8s %8s %8s\n' way size 'us/GET' '(quartiles)' ratio web api cache
    for size in $sizes; do
        name=${size%:*}
        for row in $rows; do
            base=static
            [ "$row" != direct ] || base=same
            set -- $(quartiles '%.1f %.1f %.1f' <"$out/$row-$name.us")
            printf '%-8s %6s %9s %22s %9.2f %8s %8s %8s\n' "$row" "$name" "$1" "$2-$3" \
                "$(echo "$1 $(median "$out/$base-$name.us")" | awk '{ print $1 / $2 }')" \
                "$(median "$out/$row-$name.web")" "$(median "$out/$row-$name.api")" "$(median "$out/$row-$name.cache")"
        done
    done
    echo 'ratio: to `static` of the same size; of `direct` to `same`'
}

json() {
    printf '{'
    separator=
    for size in $sizes; do
        for row in $rows; do
            set -- $(quartiles '%.1f %.1f %.1f' <"$out/$row-${size%:*}.us")
            printf '%s"%s-%s":{"us":%s,"q1":%s,"q3":%s}' "$separator" "$row" "${size%:*}" "$1" "$2" "$3"
            separator=,
        done
    done
    echo '}'
}

latency() {
    echo
    printf '%-8s %6s %10s %28s\n' way size 'most/s' 'at half of it: p50, p99 us'
    for row in static tier asked plain; do
        for name in 1k 100k; do
            most=$(run_load "$row" "$name" -s "$SECONDS_EACH" | member rate)
            line=$(run_load "$row" "$name" -s "$SECONDS_EACH" -r "$(echo "$most" | awk '{ print $1 / 2 }')")
            p50=$(echo "$line" | member p50_us)
            p99=$(echo "$line" | member p99_us)
            printf '%-8s %6s %10.0f %12s %8s (x %.1f)\n' "$row" "$name" "$most" "$p50" "$p99" \
                "$(echo "$p50 $p99" | awk '{ print $2 / $1 }')"
        done
    done
}

# The sum of the parts of one run, in microseconds a GET.
cost_of() { # row size options...
    run_load "$@" -s "$SECONDS_EACH" | tr ',' '\n' | sed -n 's/.*_us":\([0-9.]*\).*/&/p' |
        sed -nE 's/.*"(web|api|cache)_us":([0-9.]+).*/\2/p' | awk '{ sum += $1 } END { printf "%.0f", sum }'
}

flatness() {
    echo
    printf 'us/GET of 1k (asked) with 0, 100, 1000 idle connections:'
    for idle in 0 100 1000; do printf ' %s' "$(cost_of asked 1k -i $idle)"; done
    printf '\nus/GET of 1k (asked) with 27'
    cache=build/run/$(stack_port asked)/cache
    costs=$(cost_of asked 1k)
    for count in 1000 10000 100000; do
        printf ', %s' "$count"
        seq "$count" | while read -r number; do
            printf '%032x\n' "$number"
        done | (cd "$cache" && xargs -n 1000 sh -c 'for name; do : >"$name.t"; done' sh && for f in *.t; do mv "$f" "${f%.t}"; done) 2>/dev/null
        costs="$costs $(cost_of asked 1k)"
    done
    echo " stored files: $costs"
}

start_static
start_stack direct LOCAL_CACHE_TTL=30s
start_stack tier LOCAL_CACHE_TTL=30s DIRECT=off
start_stack asked LOCAL_CACHE_TTL=0 DIRECT=off
start_stack plain LOCAL_CACHE_TTL=0 DIRECT=off LOCAL_CACHE_DIR=
round=0
while [ "$round" -lt "$ROUNDS" ]; do
    round=$((round + 1))
    for size in $sizes; do
        for row in $rows; do measure "$row" "${size%:*}"; done
    done
done
table
json >"$out/table.json"
latency
flatness

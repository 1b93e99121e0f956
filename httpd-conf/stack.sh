#!/bin/sh
# SPDX-License-Identifier: MIT
# Starts and stops the whole stack on this machine: a web server with its emojify-api
# processes, emojify-cache and emojify-facebox. `make run`, `make up` and `make down`
# call it, and so do the integration tests.
#
#   stack.sh up      start in the background, return when /api/health answers 200
#   stack.sh down    stop it
#   stack.sh run     up, emojify one photograph as a demonstration, stay until Ctrl-C
#   stack.sh pids    what runs now, a name=pid a line
#
# From the environment: PORT (8080), WEB (lighttpd, apache-fcgid, apache-proxy or nginx),
# API_PROCESSES (1, with apache-fcgid 8), BUILD (the programs' directory,
# build/release), DIRECT (on: the web server itself sends files of the local tier),
# START_SECONDS (20: how long a start may take), API_STDERR (where the api writes its
# log, api.log); CACHE_ADDRESS or FACEBOX when there is a cache or a FaceBox already;
# and every setting of the three programs.
#
# What a stack leaves behind is in build/run/PORT/: the files pids and *.log, and the
# cache's pictures, which the next start finds again.
#
# All its processes carry EMOJIFY_STACK=<that directory> in their environment. By
# this mark and the program they run they are found again, also those that the web
# server started since, and nobody else's process is ever taken for ours.
#
# stack/ has the parts: processes.sh, places.sh, upstreams.sh and a file for each kind
# of web server. Such a file sets
#   web_program     its name
#   web_processes   API_PROCESSES when it is not given
# and defines
#   web_check       die when something is not installed
#   web_start       configure and start it, and set $web to its pid
#   web_fill_pool   have it start those of its api processes that it has not yet
set -u
umask 077
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/sbin:/sbin

readonly STOP_SECONDS=15

root=$(cd "$(dirname "$0")/.." && pwd -P)
PORT=${PORT:-8080}
WEB=${WEB:-lighttpd}
DIRECT=${DIRECT:-on}
BUILD=${BUILD:-build/release}
START_SECONDS=${START_SECONDS:-20}
base=http://127.0.0.1:$PORT

say() {
    echo "stack: $*"
}

die() {
    echo "stack: $*" >&2
    exit 1
}

case $WEB in
lighttpd) web_file=lighttpd.sh ;;
apache-fcgid | apache-proxy) web_file=apache.sh ;;
nginx) web_file=nginx.sh ;;
*) die "WEB=$WEB: must be lighttpd, apache-fcgid, apache-proxy or nginx" ;;
esac
for part in processes.sh places.sh upstreams.sh "$web_file"; do
    . "$root/httpd-conf/stack/$part"
done
API_PROCESSES=${API_PROCESSES:-$web_processes}

# --- Settings --------------------------------------------------------------------

is_number() { # text least most
    case $1 in
    '' | *[!0-9]* | ??????*) return 1 ;;
    esac
    [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

check_settings() {
    is_number "$PORT" 1 65535 || die "PORT=$PORT: must be a port from 1 to 65535"
    is_number "$API_PROCESSES" 1 64 || die "API_PROCESSES=$API_PROCESSES: must be from 1 to 64"
    is_number "$START_SECONDS" 1 600 || die "START_SECONDS=$START_SECONDS: must be from 1 to 600"
    case $DIRECT in
    on | off) ;;
    *) die "DIRECT=$DIRECT: must be on or off" ;;
    esac
    case $root in
    *[[:space:]\"\$\\]*) die "$root: a web server cannot start a program from a path with blanks, quotes, \$ or \\" ;;
    esac
    case $BUILD in
    /*) ;;
    *) BUILD=$root/$BUILD ;;
    esac
}

# LOCAL_CACHE_TTL in seconds: the max-age of what the web server sends itself must be the
# application's. False when the web server is not to look for files: DIRECT=off, or a time
# that is not written as one number, with which the application goes on answering alone.
direct_max_age() {
    [ "$DIRECT" = on ] || return 1
    max_age=${LOCAL_CACHE_TTL:-30}
    unit=1
    case $max_age in
    *m) unit=60 ;;
    *h) unit=3600 ;;
    esac
    max_age=${max_age%[smh]}
    is_number "$max_age" 1 86400 && echo $((max_age * unit))
}

wanted_programs() {
    echo api
    [ -n "${CACHE_ADDRESS:-}" ] || echo cache
    [ -n "${FACEBOX:-}" ] || echo facebox
}

check_programs() {
    web_check
    for file in emoji.artwork face.network; do
        [ -r "$BUILD/$file" ] || die "$BUILD/$file is missing: make"
    done
    for name in $(wanted_programs); do
        program=$BUILD/emojify-$name
        [ -x "$program" ] || die "$program is missing: make"
        "$program" --check-config >/dev/null || die "emojify-$name refuses its settings"
    done
}

# --- Starting --------------------------------------------------------------------

begin_start() {
    deadline=$(($(date +%s) + START_SECONDS))
}

in_time() {
    [ "$(date +%s)" -lt "$deadline" ]
}

# Ends a start that failed: says why, with the last lines of those logs, and stops
# what was started.
fail() { # "log..." message
    echo "stack: $2" >&2
    for log in $1; do
        log=$state/$log.log
        if [ -s "$log" ]; then
            echo "stack: the end of $log:" >&2
            tail -n 12 "$log" | sed 's/^/    /' >&2
        fi
    done
    stop_all
    exit 1
}

on_signal() {
    trap '' INT TERM HUP
    echo
    stop_all
    say "stopped"
    exit "$1"
}

start_web() {
    ! port_is_taken "$PORT" || fail "" "port $PORT is taken by another program"
    web_start
    wait_for_listening web "$web" "$PORT" || fail "web api" "$web_program ended right after its start"
}

wait_for_health() {
    until web_fill_pool && healthy; do
        alive "$web" || fail "web api" "$web_program ended"
        if ! in_time; then
            echo "stack: $base/api/health answers $status:" >&2
            [ ! -s "$state/health" ] || sed 's/^/    /' "$state/health" >&2
            fail "web api" "not healthy after $START_SECONDS s, with CACHE_ADDRESS=$CACHE_ADDRESS FACEBOX=$FACEBOX"
        fi
        sleep 0.2
    done
}

# With all the siblings there, not only the one that answered.
healthy() {
    status=$(curl -s --noproxy '*' -o "$state/health" -w '%{http_code}' --max-time 5 "$base/api/health")
    [ "$status" = 200 ] && [ "$(pids_of api | wc -l)" -eq "$API_PROCESSES" ]
}

up() {
    check_settings
    choose_directories
    private_directory "$state" 700
    exec 9>"$state/lock"
    flock -n 9 || die "another up or down for port $PORT is under way"
    [ -z "$(list_pids)" ] || die "a stack runs on port $PORT already: make down PORT=$PORT"
    check_programs
    make_directories
    trap 'on_signal 130' INT TERM HUP
    begin_start
    [ -n "${CACHE_ADDRESS:-}" ] || start_cache
    [ -n "${FACEBOX:-}" ] || start_facebox
    start_web
    wait_for_health
    list_pids >"$state/pids"
    exec 9>&-
}

down() {
    check_settings
    choose_directories
    if [ -d "$state" ]; then
        exec 9>"$state/lock"
        flock -w "$START_SECONDS" 9 || die "another up or down for port $PORT is under way"
    fi
    if [ -z "$(list_pids)" ]; then
        remove_directories
        say "nothing runs on port $PORT"
        return
    fi
    stop_all
    say "stopped"
}

# --- The demonstration -----------------------------------------------------------

json_member() { # name, of the JSON object in $answer
    printf '%s\n' "$answer" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"
}

# The photograph is served by our own web server, which the address guard would rightly
# refuse, so `run` opens just that address and port. The query makes it a new picture
# each time: one that the cache has is not looked at again.
emojify_a_photograph() {
    photograph=$base/samples/grace_hopper.jpg
    answer=$(curl -sS --noproxy '*' --max-time 60 -H 'Accept: application/json' \
        --data-binary "$photograph?run=$(date +%s)" "$base/api/") || return 1
    key=$(json_member id)
    faces=$(json_member faces)
    [ -n "$key" ] && is_number "$faces" 0 99999 || return 1
    echo
    echo "  photograph  $photograph"
    echo "  key         $key"
    echo "  faces       $faces"
    echo "  look at     $base/api/cache/$key"
    echo
}

run() {
    export FETCH_ALLOW_CIDR="${FETCH_ALLOW_CIDR:-127.0.0.1/32}"
    export FETCH_ALLOW_PORTS="${FETCH_ALLOW_PORTS:-$PORT}"
    up
    trap 'on_signal 0' INT TERM HUP
    if ! emojify_a_photograph; then
        fail "web api" "the photograph could not be emojified: ${answer:-no answer}"
    fi
    say "running on $base/; logs are in build/run/$PORT/; Ctrl-C ends it"
    wait "$web"
    fail "web api" "$web_program ended"
}

case ${1:-} in
up)
    up
    say "running on $base/; make down PORT=$PORT stops it"
    ;;
down) down ;;
run) run ;;
pids)
    check_settings
    choose_directories
    list_pids
    ;;
*) die "usage: stack.sh up|down|run|pids" ;;
esac

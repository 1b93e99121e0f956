#!/bin/sh
# SPDX-License-Identifier: MIT
# Starts and stops the whole stack on this machine: lighttpd with its emojify-api
# processes, emojify-cache and emojify-facebox. `make run`, `make up` and
# `make down` call it, and so do the integration tests.
#
#   stack.sh up      start in the background, return when /api/health answers 200
#   stack.sh down    stop it
#   stack.sh run     up, emojify one photograph as a demonstration, stay until Ctrl-C
#   stack.sh pids    what runs now, a name=pid a line
#
# From the environment: PORT (8080), WEB (lighttpd), API_PROCESSES (1), DIRECT (on: the
# web server itself sends files of the local tier; or off), BUILD (the
# programs' directory, build/release), START_SECONDS (20: how long a start may take),
# API_STDERR (where lighttpd and the api write their log, api.log);
# CACHE_ADDRESS or FACEBOX when there is a cache or a FaceBox already; and every
# setting of the three programs.
#
# What a stack leaves behind is in build/run/PORT/: the files pids and *.log, and the
# cache's pictures, which the next start finds again.
#
# All its processes carry EMOJIFY_STACK=<that directory> in their environment. By
# this mark and the program they run they are found again, also those that lighttpd
# started since, and nobody else's process is ever taken for ours.
set -u
umask 077
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/sbin:/sbin

readonly STOP_SECONDS=15

root=$(cd "$(dirname "$0")/.." && pwd -P)
PORT=${PORT:-8080}
WEB=${WEB:-lighttpd}
API_PROCESSES=${API_PROCESSES:-1}
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
    [ "$WEB" = lighttpd ] || die "WEB=$WEB: must be lighttpd"
    case $root in
    *[[:space:]\"\$\\]*) die "$root: lighttpd cannot start a program from a path with blanks, quotes, \$ or \\" ;;
    esac
    case $BUILD in
    /*) ;;
    *) BUILD=$root/$BUILD ;;
    esac
}

# Sockets and what is better off in memory: a Unix socket's path has at most 107
# bytes, and the longest of ours ends in "/cache.sock" or "/api.sock-63".
choose_directories() {
    state=$root/build/run/$PORT
    mark=EMOJIFY_STACK=$state
    memory=/dev/shm/emojify-$(id -u)-$PORT
    [ -d /dev/shm ] && [ -w /dev/shm ] || memory=$state/shm
    sockets=$state
    [ ${#state} -le 90 ] || sockets=$memory
    export RUN_DIR="${RUN_DIR:-$memory/run}"
    export LOCAL_CACHE_DIR="${LOCAL_CACHE_DIR:-$memory/tier}"
    export CACHE_FILE_LOCATION="${CACHE_FILE_LOCATION:-$state/cache}"
}

# A directory of ours that nobody else can write to; in /dev/shm anybody may have
# made it before us.
private_directory() { # path
    if ! mkdir -p "$1" || [ -L "$1" ] || [ ! -O "$1" ] || ! chmod 700 "$1"; then
        die "$1: cannot be made, or belongs to somebody else"
    fi
}

make_directories() {
    rm -rf "$memory"
    rm -f "$state"/*.log
    private_directory "$memory"
    mkdir -p "$memory/uploads" "$RUN_DIR" "$LOCAL_CACHE_DIR" "$CACHE_FILE_LOCATION" ||
        die "cannot make the directories"
}

# --- Processes -------------------------------------------------------------------

# The name of the program that a process runs, "" when there is no such process. A
# program that was built anew since is shown as "... (deleted)".
program_of() { # pid
    program=$(readlink "/proc/$1/exe" 2>/dev/null)
    program=${program% (deleted)}
    echo "${program##*/}"
}

# What runs of this stack, a name=pid a line.
list_pids() {
    grep -lszxF "$mark" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do
        program=$(program_of "$pid")
        case $program in
        "$WEB") echo "web=$pid" ;;
        emojify-*) echo "${program#emojify-}=$pid" ;;
        esac
    done
}

pids_of() { # name
    list_pids | sed -n "s/^$1=//p"
}

# Starts a program in a session of its own, so that a Ctrl-C meant for us does not
# reach it, and sets $started to its pid.
start() { # log command...
    log=$state/$1.log
    [ "$1" != api ] || log=${API_STDERR:-$log}
    shift
    env "$mark" setsid "$@" </dev/null >>"$log" 2>&1 9>&- &
    started=$!
}

alive() { # pid, of a child of ours; one that ended has no program
    [ -n "$(program_of "$1")" ]
}

# Whether that very process listens on that port of 127.0.0.1, or of all addresses.
listens() { # pid port
    inodes=$(awk -v "port=$(printf ':%04X' "$2")" \
        '$4 == "0A" && substr($2, length($2) - 4) == port { printf "socket:[%s]\n", $10 }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null)
    [ -n "$inodes" ] || return 1
    for descriptor in "/proc/$1/fd/"*; do
        link=$(readlink "$descriptor") || continue
        case $link in
        socket:*) ! echo "$inodes" | grep -qxF "$link" || return 0 ;;
        esac
    done
    return 1
}

port_is_taken() { # port
    awk -v "port=$(printf ':%04X' "$1")" \
        '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 } END { exit !found }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# With SIGCONT behind it, for one that is stopped takes no signal but SIGKILL.
signal_all() { # signal name
    for pid in $(pids_of "$2"); do
        kill -s "$1" "$pid" 2>/dev/null
        kill -s CONT "$pid" 2>/dev/null
    done
}

# Sends a signal to all of that name and waits; those that stay are killed.
stop() { # name signal
    signal_all "$2" "$1"
    ticks=0
    while [ -n "$(pids_of "$1")" ]; do
        ticks=$((ticks + 1))
        if [ "$ticks" -gt $((STOP_SECONDS * 10)) ]; then
            say "$1 did not stop in $STOP_SECONDS s and was killed" >&2
            signal_all KILL "$1"
            ticks=0
        fi
        sleep 0.1
    done
}

# The web server first, by SIGINT, upon which lighttpd answers what is under way.
# It does not wait for its children.
stop_all() {
    stop web INT
    stop api TERM
    stop facebox TERM
    stop cache TERM
    rm -rf "$memory"
    rm -f "$state"/*.sock* "$state/pids" "$state/health"
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

wanted_programs() {
    echo api
    [ -n "${CACHE_ADDRESS:-}" ] || echo cache
    [ -n "${FACEBOX:-}" ] || echo facebox
}

check_programs() {
    command -v "$WEB" >/dev/null || die "$WEB is missing: make deps"
    for name in $(wanted_programs); do
        program=$BUILD/emojify-$name
        [ -x "$program" ] || die "$program is missing: make"
        "$program" --check-config >/dev/null || die "emojify-$name refuses its settings"
    done
}

# Waits for a process that we started to listen. False when it has ended instead.
wait_for_listening() { # name pid port
    until listens "$2" "$3"; do
        alive "$2" || return 1
        in_time || fail "$1" "$1 does not listen on port $3 after $START_SECONDS s"
        sleep 0.1
    done
}

# The cache's health page and our FaceBox need a TCP port each. Candidates come from
# PORT and lie below the ephemeral range. Two stacks may choose the same one at the
# same time; then one of the programs cannot bind, ends, and is given the next.
start_with_port() { # name first-port variable command...
    name=$1
    port=$2
    variable=$3
    shift 3
    while in_time; do
        while port_is_taken "$port"; do
            port=$((20000 + (port - 20000 + 2) % 12000))
        done
        start "$name" env "$variable=$port" "$@"
        ! wait_for_listening "$name" "$started" "$port" || return 0
        port_is_taken "$port" || break
    done
    fail "$name" "emojify-$name ended right after its start"
}

# On a socket that only we can reach there is nothing to encrypt.
start_cache() {
    unset TLS_CA TLS_CERT TLS_KEY CACHE_TLS_CA CACHE_TLS_CERT CACHE_TLS_KEY
    start_with_port cache $((20000 + PORT * 2 % 12000)) HEALTH_BIND_PORT \
        BIND_ADDRESS="unix:$sockets/cache.sock" HEALTH_BIND_ADDRESS=127.0.0.1 "$BUILD/emojify-cache"
    export CACHE_ADDRESS="unix:$sockets/cache.sock"
    export CACHE_METRICS_ADDRESS="127.0.0.1:$port"
}

start_facebox() {
    start_with_port facebox $((20000 + PORT * 2 % 12000 + 1)) BIND_PORT \
        BIND_ADDRESS=127.0.0.1 "$BUILD/emojify-facebox"
    export FACEBOX="http://127.0.0.1:$port"
}

# LOCAL_CACHE_TTL in seconds, when it is written as one number: max_age must be the
# application's, which goes on answering alone when it is not.
write_direct_conf() {
    max_age=${LOCAL_CACHE_TTL:-30}
    unit=1
    case $max_age in
    *m) unit=60 ;;
    *h) unit=3600 ;;
    esac
    max_age=${max_age%[smh]}
    ! is_number "$max_age" 1 86400 || cat <<END
var.emojify_max_age = "$((max_age * unit))"
include "$root/httpd-conf/lighttpd/direct.conf"
END
}

# The main configuration around httpd-conf/lighttpd/emojify.conf.
write_lighttpd_conf() {
    cat <<END
# Made by httpd-conf/stack.sh at each start.
server.port = $PORT
server.bind = "127.0.0.1"
server.document-root = "$root/httpd-conf/htdocs"
server.errorlog = "$state/web.log"
server.pid-file = "$state/lighttpd.pid"
server.upload-dirs = ( "$memory/uploads" )
server.modules = ( "mod_indexfile", "mod_accesslog" )
server.feature-flags = ( "server.graceful-shutdown-timeout" => 5 )
server.http-parseopts = (
    "url-normalize-unreserved" => "enable",
    "url-normalize-required" => "enable",
    "url-ctrls-reject" => "enable",
    "url-path-2f-decode" => "enable",
    "url-path-dotseg-remove" => "enable"
)
index-file.names = ( "index.html" )
accesslog.filename = "$state/access.log"
var.emojify_api = "$BUILD/emojify-api"
var.emojify_processes = $API_PROCESSES
var.emojify_socket = "$sockets/api.sock"
var.emojify_tier = "$LOCAL_CACHE_DIR/"
var.emojify_connect = "'self'"
include "$root/httpd-conf/lighttpd/mimetypes.conf"
include "$root/httpd-conf/lighttpd/htdocs.conf"
include "$root/httpd-conf/lighttpd/emojify.conf"
END
    [ "$DIRECT" = off ] || write_direct_conf
}

start_web() {
    ! port_is_taken "$PORT" || fail "" "port $PORT is taken by another program"
    write_lighttpd_conf >"$state/lighttpd.conf"
    lighttpd -tt -f "$state/lighttpd.conf" >>"$state/web.log" 2>&1 ||
        fail web "lighttpd refuses its configuration"
    # What the application writes to its standard error comes out at lighttpd's.
    start api lighttpd -D -f "$state/lighttpd.conf"
    web=$started
    wait_for_listening web "$web" "$PORT" || fail "web api" "lighttpd ended right after its start"
}

wait_for_health() {
    until healthy; do
        alive "$web" || fail "web api" "lighttpd ended"
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
    private_directory "$state"
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

# The photograph is served by our own lighttpd, which the address guard would rightly
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
    fail "web api" "lighttpd ended"
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

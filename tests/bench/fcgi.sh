# SPDX-License-Identifier: MIT
# emojify-api without a web server, asked by a FastCGI client of ours (fcgi_main.c), for
# benchmarks that look into the process; sourced after common.sh with BUILD and out set.
# Its ways are those of ways.sh that the application has a part in: tier, asked, plain.
# Files of 1 KB and of 100 KB are asked for, one request at a time.

memory=
api_socket=
api_pid=
cache_pid=

wait_for_socket() { # path
    for _ in $(seq 600); do
        [ ! -S "$1" ] || return 0
        sleep 0.1
    done
    echo "FAILED: nobody listens on $1"
    exit 1
}

start_cache() {
    memory=$(mktemp -d /dev/shm/emojify-bench-XXXXXX)
    mkdir "$memory/files"
    HEALTH_BIND_PORT=0 BIND_ADDRESS=unix:$memory/cache.sock CACHE_FILE_LOCATION=$memory/files \
        LOG_LEVEL=warn "$BUILD/emojify-cache" &
    cache_pid=$!
    wait_for_socket "$memory/cache.sock"
    "$BUILD/tests/bench/store" "$memory/files" 1 1 1024
    "$BUILD/tests/bench/store" "$memory/files" 100 100 102400
}

# Started by a command, such as a profiler; its log is at info, as it comes.
start_api() { # way command...
    way=$1
    shift
    ttl=0
    tier=$memory/tier-$way
    [ "$way" != tier ] || ttl=1h
    [ "$way" != plain ] || tier=
    api_socket=$memory/api-$way.sock
    mkdir "$memory/run-$way"
    chmod 700 "$memory/run-$way"
    API_PATH=/api/ CACHE_ADDRESS=unix:$memory/cache.sock RUN_DIR=$memory/run-$way \
        LOCAL_CACHE_DIR=$tier LOCAL_CACHE_TTL=$ttl "$@" "$BUILD/emojify-api" --listen "$api_socket" \
        2>"$out/$way.log" &
    api_pid=$!
    wait_for_socket "$api_socket"
}

get_often() { # count kilobytes
    "$BUILD/tests/bench/fcgi" -n "$1" -e "EMOJIFY_SENDFILE=$tier" "$api_socket" "/api/cache/stored-$2"
}

stop_api() {
    [ -z "$api_pid" ] || kill "$api_pid" 2>/dev/null || true
    [ -z "$api_pid" ] || wait "$api_pid" || true
    api_pid=
}

stop_all() {
    stop_api
    [ -z "$cache_pid" ] || kill "$cache_pid" 2>/dev/null || true
    rm -rf "$memory"
}

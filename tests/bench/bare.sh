# SPDX-License-Identifier: MIT
# emojify-api without a web server, asked by a FastCGI client of ours (fcgi_main.c), for
# benchmarks that look into the process; sourced after common.sh with BUILD and out set.
# Its ways are those of ways.sh that the application has a part in: tier, asked, plain.
# A file of 1 KB is asked for, one request at a time.

bare_socket=
bare_api=
bare_cache=

wait_for_socket() { # path
    for _ in $(seq 600); do
        [ ! -S "$1" ] || return 0
        sleep 0.1
    done
    echo "FAILED: nobody listens on $1"
    exit 1
}

start_bare_cache() {
    bare_memory=$(mktemp -d /dev/shm/emojify-bench-XXXXXX)
    mkdir "$bare_memory/files"
    HEALTH_BIND_PORT=0 BIND_ADDRESS=unix:$bare_memory/cache.sock CACHE_FILE_LOCATION=$bare_memory/files \
        LOG_LEVEL=warn "$BUILD/emojify-cache" &
    bare_cache=$!
    wait_for_socket "$bare_memory/cache.sock"
    "$BUILD/tests/bench/store" "$bare_memory/files" 1 1 1024
}

# Started by a command, such as a profiler; its log is at info, as it comes.
start_bare_api() { # way command...
    way=$1
    shift
    ttl=0
    tier=$bare_memory/tier-$way
    [ "$way" != tier ] || ttl=1h
    [ "$way" != plain ] || tier=
    bare_socket=$bare_memory/api-$way.sock
    mkdir "$bare_memory/run-$way"
    chmod 700 "$bare_memory/run-$way"
    API_PATH=/api/ CACHE_ADDRESS=unix:$bare_memory/cache.sock RUN_DIR=$bare_memory/run-$way \
        LOCAL_CACHE_DIR=$tier LOCAL_CACHE_TTL=$ttl "$@" "$BUILD/emojify-api" --listen "$bare_socket" \
        2>"$out/$way.log" &
    bare_api=$!
    wait_for_socket "$bare_socket"
}

bare_get() { # count
    "$BUILD/tests/bench/fcgi" -n "$1" -e "EMOJIFY_SENDFILE=$tier" "$bare_socket" /api/cache/stored-1
}

stop_bare_api() {
    [ -z "$bare_api" ] || kill "$bare_api" 2>/dev/null || true
    [ -z "$bare_api" ] || wait "$bare_api" || true
    bare_api=
}

stop_bare() {
    stop_bare_api
    [ -z "$bare_cache" ] || kill "$bare_cache" 2>/dev/null || true
    rm -rf "$bare_memory"
}

# SPDX-License-Identifier: MIT
# Part of stack.sh: emojify-cache and emojify-facebox, when there are none already.

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
    umask 007 # the group of $sockets is the api's
    start_with_port cache $((20000 + PORT * 2 % 12000)) HEALTH_BIND_PORT \
        BIND_ADDRESS="unix:$sockets/cache.sock" HEALTH_BIND_ADDRESS=127.0.0.1 "$BUILD/emojify-cache"
    umask 077
    export CACHE_ADDRESS="unix:$sockets/cache.sock"
    export CACHE_METRICS_ADDRESS="127.0.0.1:$port"
}

start_facebox() {
    start_with_port facebox $((20000 + PORT * 2 % 12000 + 1)) BIND_PORT \
        BIND_ADDRESS=127.0.0.1 "$BUILD/emojify-facebox"
    export FACEBOX="http://127.0.0.1:$port"
}

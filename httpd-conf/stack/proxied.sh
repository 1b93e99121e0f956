# SPDX-License-Identifier: MIT
# Part of stack.sh: api processes for web servers that do not start them.

# What systemd does for an operator: start it again when it has ended. One that cannot
# start (status 1) will not the next time either.
readonly KEEP_RUNNING='
    keep=$1
    shift
    while [ -e "$keep" ]; do
        "$@"
        [ $? -ne 1 ] || exit 1
    done'

start_proxied_api() {
    program=$(api_program)
    touch "$keep"
    export API_PATH=/api/
    for number in $(seq 0 $((API_PROCESSES - 1))); do
        socket=$sockets/api.sock-$number
        # shellcheck disable=SC2086 # $as_user is several words
        start api sh -c "$KEEP_RUNNING" sh "$keep" $as_user "$program" --listen "unix:$socket"
        until [ -S "$socket" ]; do
            alive "$started" || fail api "emojify-api ended right after its start"
            in_time || fail api "emojify-api does not listen after $START_SECONDS s"
            sleep 0.1
        done
    done
}

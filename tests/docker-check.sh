#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the images of docker/Dockerfile and runs each, without a container engine:
# buildah builds them on a base image that debootstrap makes, and unshare runs them in
# namespaces of their own as compose.yaml does: read-only, as their user, without
# capabilities. `make docker-check` calls it, as root.
#
#   docker-check.sh [build|run]     both when nothing is said
#
# What it makes is kept in build/docker/: base.tar (remove it to get a newer Debian),
# the images with the layers that need not be built again, sizes, and the logs.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly WORK=$PWD/build/docker
readonly LIMIT_MB=220 # of the api images' own layers, uncompressed
readonly BASE=docker.io/library/debian:bookworm-slim
readonly TARGETS="api-lighttpd api-apache cache facebox"
readonly PICTURE=build/pictures/grace_hopper.jpg
readonly TOKEN=docker-check-token
readonly API=http://127.0.0.1:8080
readonly PATIENCE=60 # seconds

image_store() {
    buildah --root "$WORK/storage" --runroot "$WORK/runroot" --storage-driver vfs "$@"
}

say() {
    echo "docker-check: $*"
}

die() {
    echo "docker-check: $*" >&2
    exit 1
}

# --- Building ----------------------------------------------------------------------

# The official image has these lines as well; they are a good part of "slim".
slim_rules() {
    echo "path-exclude /usr/share/doc/*"
    echo "path-include /usr/share/doc/*/copyright"
    for name in groff info linda lintian locale man; do
        echo "path-exclude /usr/share/$name/*"
    done
}

# The machine's own mirrors.
apt_sources() {
    apt-get indextargets --format 'deb $(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        grep -E ' bookworm(-updates|-security)? main$' | sort -u
}

mirror() {
    apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Release: bookworm' | head -n 1
}

make_base() {
    [ -s "$WORK/base.tar" ] || {
        say "debootstrap"
        rm -rf "$WORK/base"
        debootstrap --variant=minbase bookworm "$WORK/base" "$(mirror)" >"$WORK/debootstrap.log"
        slim_rules >"$WORK/base/etc/dpkg/dpkg.cfg.d/docker"
        apt_sources >"$WORK/base/etc/apt/sources.list"
        find "$WORK/base/usr/share/doc" -type f ! -name copyright -delete
        rm -rf "$WORK"/base/usr/share/{man,locale,info,groff}/* "$WORK"/base/var/{cache/apt,lib/apt/lists,log}/*
        tar -C "$WORK/base" -cf "$WORK/base.tar.part" --one-file-system .
        mv "$WORK/base.tar.part" "$WORK/base.tar"
        rm -rf "$WORK/base"
    }
    [ "$WORK/base.tar" -nt "$WORK/base.made" ] || return 0
    base=$(image_store from scratch)
    image_store add -q "$base" "$WORK/base.tar" / >/dev/null
    image_store config --cmd bash "$base"
    image_store commit -q --rm --format docker "$base" "$BASE" >/dev/null
    touch "$WORK/base.made"
}

bud() { # Dockerfile target options...
    say "building $2"
    image_store bud --isolation chroot --pull-never --format docker \
        --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
        --build-arg "CREATED=$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
        -f "$1" --target "$2" -t "emojify-check:$2" "${@:3}" . >"$WORK/$2.build.log" 2>&1 ||
        { tail -n 20 "$WORK/$2.build.log" >&2; die "$2 cannot be built: $WORK/$2.build.log"; }
}

# The first stage is built once, step by step so that steps can be left out the next
# time. The targets take it from there, in one step, because vfs copies all of an image
# for each.
build_images() {
    bud docker/Dockerfile build --layers
    awk '/^FROM / { skip = 0 } /AS build$/ { print "FROM localhost/emojify-check:build AS build"; skip = 1 } !skip' \
        docker/Dockerfile >"$WORK/Dockerfile.targets"
    for target in $TARGETS; do
        bud "$WORK/Dockerfile.targets" "$target" --layers=false
    done
}

# Layers as they are stored, so that a file that a later layer has again counts twice.
# What is smaller than 64 KiB is mostly no layer but says which there are.
own_layers() { # image; prints bytes
    rm -rf "$WORK/layers"
    image_store push -q --disable-compression "$1" "dir:$WORK/layers" >/dev/null
    for blob in "$WORK"/layers/*; do
        [ "$(stat -c %s "$blob")" -lt 65536 ] || [ -e "$WORK/base-layers/${blob##*/}" ] || stat -c %s "$blob"
    done | awk '{ sum += $1 } END { print sum + 0 }'
    rm -rf "$WORK/layers"
}

measure() {
    rm -rf "$WORK/base-layers"
    image_store push -q --disable-compression "$BASE" "dir:$WORK/base-layers" >/dev/null
    : >"$WORK/sizes"
    for target in $TARGETS; do
        mb=$(($(own_layers "emojify-check:$target") / 1000000))
        echo "$target $mb MB" | tee -a "$WORK/sizes"
        case $target in
        api-*) [ "$mb" -le "$LIMIT_MB" ] || die "$target: its own layers have $mb MB, allowed are $LIMIT_MB" ;;
        esac
    done
    rm -rf "$WORK/base-layers"
}

# --- Running -----------------------------------------------------------------------

declare -A roots pids containers

mount_images() {
    for target in $TARGETS; do
        containers[$target]=$(image_store from --pull-never "emojify-check:$target")
        roots[$target]=$(image_store mount "${containers[$target]}")
        mkdir -p "${roots[$target]}/run/secrets"
        printf '%s\n' "$TOKEN" >"${roots[$target]}/run/secrets/token"
        chmod 644 "${roots[$target]}/run/secrets/token"
    done
}

image_says() { # target template
    image_store inspect --type image --format "$2" "emojify-check:$1"
}

# Inside the namespaces, as what will be process 1: what an engine does before it
# starts the program. Arguments: root user NAME=value... -- program...
readonly ENTER='
    set -e
    root=$1 user=$2
    shift 2
    mount --bind "$root" "$root"
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    for place in /run/emojify /var/cache/emojify /var/lib/emojify-cache; do
        [ ! -d "$root$place" ] ||
            mount -t tmpfs -o "mode=0700,uid=${user%:*},gid=${user#*:}" tmpfs "$root$place"
    done
    mount -o remount,bind,ro "$root"
    exec chroot "$root" setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups \
        --bounding-set=-all --no-new-privs env -i "$@"'

# Run a program of an image as its user, or what the image starts by itself.
enter() { # target "NAME=value ..." [program...]
    local target=$1 settings=$2
    shift 2
    local variables command
    mapfile -t variables < <(image_says "$target" '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' | sed '/^$/d')
    command=("$@")
    [ $# -gt 0 ] || mapfile -t command < <(image_says "$target" \
        '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}{{range .OCIv1.Config.Cmd}}{{println .}}{{end}}' | sed '/^$/d')
    # shellcheck disable=SC2086 # $settings is several words
    exec unshare --mount --pid --fork sh -c "$ENTER" sh "${roots[$target]}" \
        "$(image_says "$target" '{{.OCIv1.Config.User}}')" "${variables[@]}" $settings "${command[@]}"
}

# The log is opened again by the web server, as an engine's pipe is; it belongs to the user there.
start() { # target "NAME=value ..."
    : >"$WORK/$1.log"
    chmod 666 "$WORK/$1.log"
    enter "$@" </dev/null >>"$WORK/$1.log" 2>&1 &
    pids[$1]=$!
}

# Process 1 of the container, by the number that it has here.
first_process() { # target
    local pid=
    # No line break at its end, which read takes for a failure.
    { read -r pid _ <"/proc/${pids[$1]}/task/${pids[$1]}/children"; } 2>/dev/null || [ -n "$pid" ] && echo "$pid"
}

inside() { # target; the pids of all its processes
    local children child
    children=$(first_process "$1")
    while [ -n "${children// /}" ]; do
        # shellcheck disable=SC2086 # several words
        printf '%s\n' $children
        children=$(for child in $children; do cat "/proc/$child/task/$child/children" 2>/dev/null || true; done)
    done
}

count_inside() { # target name [state]
    local pid
    for pid in $(inside "$1"); do
        awk -v name="($2)" -v state="${3:-}" \
            '($2 == name || name == "()") && (state == "" || $3 == state)' "/proc/$pid/stat" 2>/dev/null || true
    done | wc -l
}

until_true() { # what command...
    local what=$1 end=$((SECONDS + PATIENCE))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || die "not within $PATIENCE s: $what"
        sleep 0.1
    done
}

is_status() { # status curl's arguments...
    [ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 10 "${@:2}")" = "$1" ]
}

has_ended() {
    ! kill -0 "$1" 2>/dev/null
}

stop() { # target
    kill -TERM "$(first_process "$1")"
    until_true "the end of $1 after SIGTERM" has_ended "${pids[$1]}"
    wait "${pids[$1]}" || die "$1 ended with status $? after SIGTERM"
}

is_healthy() { # target: the image's own HEALTHCHECK
    local command
    mapfile -t command < <(image_says "$1" '{{range .Docker.Config.Healthcheck.Test}}{{println .}}{{end}}' | sed '/^$/d;1d')
    (enter "$1" "" "${command[@]}") >/dev/null
}

programs_say_what_they_are() {
    local target program
    for target in $TARGETS; do
        program=emojify-${target%%-*}
        (enter "$target" "" "$program" --version) | grep -q "^$program " || die "$target: no --version"
        (enter "$target" "" "$program" --check-config) >/dev/null || die "$target: its settings are refused"
    done
}

pictures_are_made_and_served() { # target
    local key
    key=$(curl -sf --max-time 60 -H 'Content-Type: image/jpeg' --data-binary "@$PICTURE" "$API/api/") ||
        die "$1: POST fails"
    curl -sf -o "$WORK/$1.jpg" "$API/api/cache/$key" || die "$1: GET of $key fails"
    [ "$(head -c 2 "$WORK/$1.jpg" | od -An -tx1 | tr -d ' ')" = ffd8 ] || die "$1: that is no JPEG"
    ! cmp -s "$WORK/$1.jpg" "$PICTURE" || die "$1: the picture is what it was"
    is_status 200 "$API/" || die "$1: the page is not there"
    is_status 200 --interface 127.0.0.4 "$API/metrics" || die "$1: /metrics is not there for METRICS_ALLOW"
    is_status 403 --interface 127.0.0.2 "$API/metrics" || die "$1: /metrics is there for others"
}

# SIGTERM: what is in hand is finished, then all of the container is gone.
a_stop_waits_for_the_request_in_hand() { # target
    curl -sf -o /dev/null "http://any:$TOKEN@127.0.0.1:8080/debug/pprof/profile?seconds=2" &
    local asking=$!
    sleep 0.5
    stop "$1"
    wait "$asking" || die "$1: the request in hand was cut off by the stop"
}

the_api_is_started_again_and_no_zombie_stays() { # target
    local pid
    for pid in $(inside "$1"); do
        ! grep -qx emojify-api "/proc/$pid/comm" || kill -KILL "$pid"
    done
    until_true "another api" is_status 200 "$API/api/health"
    until_true "no zombies" eval "[ \$(count_inside $1 '' Z) = 0 ]"
    [ "$(count_inside "$1" emojify-api)" = 1 ] || die "$1: not one api"
}

an_orphan_is_reaped() { # target
    (nsenter --target "$(first_process "$1")" --pid --mount sh -c '(sleep 0.2 &) ; exit') || return 1
    sleep 0.5
    [ "$(count_inside "$1" '' Z)" = 0 ] || die "$1: a zombie stays"
}

the_container_ends_when_the_api_does() { # target
    local pid status=0
    for pid in $(inside "$1"); do
        ! grep -qx emojify-api "/proc/$pid/comm" || kill -KILL "$pid"
    done
    until_true "the end of $1" has_ended "${pids[$1]}"
    wait "${pids[$1]}" || status=$?
    [ "$status" -ne 0 ] || die "$1: ended with status 0 though its api was killed"
}

run_stack() {
    local upstreams="CACHE_ADDRESS=127.0.0.1:9090 FACEBOX=http://127.0.0.1:8090"
    upstreams="$upstreams PROFILE=on PROFILE_TOKEN_FILE=/run/secrets/token METRICS_ALLOW=127.0.0.4"
    local target
    start cache ""
    start facebox ""
    until_true "the cache's health" is_healthy cache
    until_true "the face detection's health" is_healthy facebox
    for target in api-lighttpd api-apache; do
        ! is_healthy "$target" || die "$target: healthy before it runs"
        start "$target" "$upstreams"
        until_true "$target's health" is_healthy "$target"
        until_true "$target's upstreams" is_status 200 "$API/api/health"
        pictures_are_made_and_served "$target"
        an_orphan_is_reaped "$target"
        [ $target = api-apache ] || the_api_is_started_again_and_no_zombie_stays "$target"
        a_stop_waits_for_the_request_in_hand "$target"
        say "$target works"
    done
    start api-apache "$upstreams"
    until_true "api-apache's health" is_healthy api-apache
    the_container_ends_when_the_api_does api-apache
    stop cache
    stop facebox
}

clean_up() {
    set +e
    local target pid
    for target in "${!pids[@]}"; do
        # All others in the namespace go with it, and unshare ends as well.
        pid=$(first_process "$target") && kill -KILL "$pid" && wait "${pids[$target]}"
    done
    image_store rm "${containers[@]}" >/dev/null 2>&1
}

# --- The steps ---------------------------------------------------------------------

mkdir -p "$WORK"
[ "$(id -u)" = 0 ] || die "must be root, for buildah's chroot isolation and debootstrap"
case ${1:-all} in
build)
    make_base
    build_images
    measure
    ;;
run)
    # A network of its own: its ports are all free, and nobody else reaches them.
    [ -n "${DOCKER_CHECK_INSIDE:-}" ] || DOCKER_CHECK_INSIDE=1 exec unshare --net "$0" run
    ip link set lo up
    trap clean_up EXIT
    mount_images
    programs_say_what_they_are
    run_stack
    say "all images run"
    ;;
all)
    "$0" build
    "$0" run
    ;;
*) die "usage: docker-check.sh [build|run]" ;;
esac

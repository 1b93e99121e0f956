# SPDX-License-Identifier: MIT
# Part of stack.sh: which user the web server and the api run as, and where what they
# need lies so that this user can reach it.
#
# Started by root, both run as www-data: Apache refuses to serve as root, and neither
# lighttpd nor a decoder of strangers' pictures should. The project's directory may be
# closed to that user, so the program, the pages and the configuration are copied to
# $stage then. Cache and FaceBox stay the user's who started them: their files are in
# build/. Started by anybody else everything runs as that user, from where it is.

choose_directories() {
    state=$root/build/run/$PORT
    mark=EMOJIFY_STACK=$state
    own=emojify-$(id -u)-$PORT
    # A Unix socket's path has at most 107 bytes, so none is below $state.
    memory=/dev/shm/$own
    [ -d /dev/shm ] && [ -w /dev/shm ] || memory=/tmp/$own
    sockets=$memory/sockets
    keep=$memory/keep
    gate=$memory/gate
    user=
    as_user=
    stage=$state/stage
    if [ "$(id -u)" = 0 ]; then
        user=www-data
        as_user="setpriv --reuid $user --regid $user --clear-groups"
        stage=/var/tmp/$own # programs cannot be started from every /dev/shm
    fi
    export RUN_DIR="${RUN_DIR:-$memory/run}"
    export LOCAL_CACHE_DIR="${LOCAL_CACHE_DIR-$memory/tier}" # empty: no local tier
    tier=${LOCAL_CACHE_DIR:-$memory/tier}
    export CACHE_FILE_LOCATION="${CACHE_FILE_LOCATION:-$state/cache}"
}

# A directory of ours that nobody else can write to; in /dev/shm anybody may have
# made it before us.
private_directory() { # path mode
    if ! mkdir -p "$1" || [ -L "$1" ] || [ ! -O "$1" ] || ! chmod "$2" "$1"; then
        die "$1: cannot be made, or belongs to somebody else"
    fi
}

# A directory for web server and api.
users_directory() { # path
    mkdir -p "$1" && give "$1" || die "cannot make $1"
}

give() { # path...
    [ -z "$user" ] || chown "$user:" "$@"
}

make_directories() {
    remove_directories
    rm -f "$state"/*.log
    private_directory "$memory" 711
    private_directory "$stage" 755
    for directory in "$RUN_DIR" "$tier" "$memory/uploads" "$memory/web" "$sockets"; do
        users_directory "$directory"
    done
    # Sockets in it get its group, so that www-data can connect to root's cache.
    chmod g+s "$sockets"
    mkdir -p "$CACHE_FILE_LOCATION" || die "cannot make $CACHE_FILE_LOCATION"
}

remove_directories() {
    rm -rf "$memory" "$stage"
}

# Prints where web server and api find that file or directory of the project.
reachable() { # path
    if [ -z "$user" ]; then
        echo "$1"
    else
        cp -RL "$1" "$stage/" && chmod -R a+rX "$stage/${1##*/}" && echo "$stage/${1##*/}"
    fi
}

# The directory of the api, its emoji and what mod_fcgid starts it by.
api_directory() {
    mkdir -p "$stage/lib" &&
        cp "$BUILD/emojify-api" "$BUILD/emoji.artwork" "$root/httpd-conf/apache/emojify-api.fcgi" "$stage/lib/" &&
        chmod -R a+rX "$stage/lib" && echo "$stage/lib"
}

api_program() {
    if [ -z "$user" ]; then
        echo "$BUILD/emojify-api"
    else
        echo "$(api_directory)/emojify-api"
    fi
}

pages_directory() {
    reachable "$root/httpd-conf/htdocs"
}

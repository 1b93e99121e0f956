#!/bin/sh
# SPDX-License-Identifier: MIT
# In place of systemctl in a root where systemd does not run (tests/deploy-check.sh):
# starts units by what their files say, as their user, with their environment and
# directories. What it does not know, systemctl does or leaves.
set -eu
state=/run/systemctl.sh
mkdir -p "$state"

lines() { # unit
    cat "/lib/systemd/system/$1" "/etc/systemd/system/$1.d/"*.conf 2>/dev/null || true
}

# The values of a key; its last one alone is `value`.
values() { # unit key
    lines "$1" | sed -n "s/^$2=//p"
}

value() { # unit key default
    last=$(values "$1" "$2" | tail -n 1)
    echo "${last:-$3}"
}

environment() { # unit
    values "$1" Environment
    for file in $(values "$1" EnvironmentFile); do
        grep -v '^#' "${file#-}" || true
    done
}

make_directory() { # path mode user
    install -d -m "$2" -o "$3" -g "$3" "$1"
}

start_service() { # unit wrapper...
    unit=$1
    shift
    user=$(value "$unit" User root)
    directory=$(value "$unit" RuntimeDirectory '')
    [ -z "$directory" ] || make_directory "/run/$directory" "$(value "$unit" RuntimeDirectoryMode 755)" "$user"
    directory=$(value "$unit" StateDirectory '')
    [ -z "$directory" ] || make_directory "/var/lib/$directory" "$(value "$unit" StateDirectoryMode 755)" "$user"
    environment "$unit" >"$state/$unit.env"
    # Values have no blanks here, and are no patterns. The command may have arguments.
    set -f
    # shellcheck disable=SC2046,SC2086
    setsid "$@" env $(cat "$state/$unit.env") setpriv --reuid "$user" --regid "$user" --init-groups --no-new-privs \
        $(value "$unit" ExecStart '') >>"/var/log/$unit.log" 2>&1 </dev/null &
    echo $! >"$state/$unit.pid"
    set +f
}

start_socket() { # unit
    path=$(value "$1" ListenStream '')
    mkdir -p "${path%/*}"
    rm -f "$path"
    start_service "${1%.socket}.service" systemd-socket-activate --inetd --listen="$path"
    until [ -S "$path" ]; do sleep 0.1; done
    chgrp "$(value "$1" SocketGroup root)" "$path"
    chmod "$(value "$1" SocketMode 666)" "$path"
}

stop() { # unit
    file=$state/$1.pid
    [ "$1" != apache2.service ] || file=/run/apache2/apache2.pid
    [ -r "$file" ] || return 0
    pid=$(cat "$file")
    kill "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    rm -f "$file"
}

start() { # unit
    case $1 in
    *.socket) start_socket "$1" ;;
    emojify-api.service) start_socket emojify-api.socket ;;
    # It goes into the background by itself.
    apache2.service) apachectl start ;;
    *) start_service "$1" ;;
    esac
}

command=$1
shift
now=
units=
for argument in "$@"; do
    case $argument in
    --now) now=yes ;;
    -*) ;;
    *.*) units="$units $argument" ;;
    *) units="$units $argument.service" ;;
    esac
done
case $command in
enable)
    # shellcheck disable=SC2086
    /bin/systemctl --quiet enable $units
    [ -n "$now" ] || exit 0
    for unit in $units; do start "$unit"; done
    ;;
start | restart)
    for unit in $units; do
        stop "$unit"
        start "$unit"
    done
    ;;
daemon-reload) ;;
*) exec /bin/systemctl "$command" "$@" ;;
esac

# SPDX-License-Identifier: MIT
# Part of stack.sh: its processes, how they are started, found again and stopped.

# The name of the program that a process runs, "" when there is no such process. A
# program that was built anew since is shown as "... (deleted)".
program_of() { # pid
    exe=$(readlink "/proc/$1/exe" 2>/dev/null)
    exe=${exe% (deleted)}
    echo "${exe##*/}"
}

parent_of() { # pid
    while read -r name value; do
        [ "$name" != PPid: ] || echo "$value"
    done 2>/dev/null <"/proc/$1/status"
}

# What runs of this stack, a name=pid a line. Of a web server that has processes of
# its own only the first counts.
list_pids() {
    grep -lszxF "$mark" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do
        program=$(program_of "$pid")
        case $program in
        lighttpd | apache2) [ "$(program_of "$(parent_of "$pid")")" = "$program" ] || echo "web=$pid" ;;
        emojify-*) echo "${program#emojify-}=$pid" ;;
        esac
    done
    # nginx writes its title over its environment.
    pid=$(cat "$state/nginx.pid" 2>/dev/null)
    [ -z "$pid" ] || [ "$(program_of "$pid")" != nginx ] || echo "web=$pid"
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
    for inode in $(awk -v "port=$(printf ':%04X' "$2")" \
        '$4 == "0A" && substr($2, length($2) - 4) == port { print $10 }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null); do
        [ -z "$(find "/proc/$1/fd" -lname "socket:\[$inode\]" 2>/dev/null)" ] || return 0
    done
    return 1
}

port_is_taken() { # port
    awk -v "port=$(printf ':%04X' "$1")" \
        '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 } END { exit !found }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# Waits for a process that we started to listen. False when it has ended instead.
wait_for_listening() { # name pid port
    until listens "$2" "$3"; do
        alive "$2" || return 1
        in_time || fail "$1" "$1 does not listen on port $3 after $START_SECONDS s"
        sleep 0.1
    done
}

# Upon which it answers what is under way and leaves.
stop_signal_of() { # pid
    case $(program_of "$1") in
    lighttpd) echo INT ;;
    apache2) echo WINCH ;;
    nginx) echo QUIT ;;
    *) echo TERM ;;
    esac
}

# With SIGCONT behind it, for one that is stopped takes no signal but SIGKILL.
signal_all() { # name [signal]
    for pid in $(pids_of "$1"); do
        kill -s "${2:-$(stop_signal_of "$pid")}" "$pid" 2>/dev/null
        kill -s CONT "$pid" 2>/dev/null
    done
}

# Tells all of that name to stop and waits; those that stay are killed.
stop() { # name
    signal_all "$1"
    ticks=0
    while [ -n "$(pids_of "$1")" ]; do
        ticks=$((ticks + 1))
        if [ "$ticks" -gt $((STOP_SECONDS * 10)) ]; then
            say "$1 did not stop in $STOP_SECONDS s and was killed" >&2
            signal_all "$1" KILL
            ticks=0
        fi
        sleep 0.1
    done
}

# The web server first; it does not wait for its children. Without $keep nothing is
# started again.
stop_all() {
    rm -f "$keep"
    stop web
    stop api
    stop facebox
    stop cache
    remove_directories
    rm -f "$state"/*.pid "$state/pids" "$state/health"
}

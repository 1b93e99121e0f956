#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the system calls in a trace (strace -f -o TRACE) that a unit's SystemCallFilter=
# would not let through: syscalls.sh UNIT TRACE. Sets such as @file-system are those of
# this machine's systemd.
set -eu
{
    systemd-analyze syscall-filter 2>/dev/null
    echo =unit
    cat "$1"
    echo =trace
    cat "$2"
} | awk '
    function apply(name, value,    names, i, count) {
        if (name !~ /^@/) {
            allowed[name] = value
            return
        }
        count = split(sets[name], names, " ")
        if (count == 0) {
            print "unknown set " name
            exit
        }
        for (i = 1; i <= count; i++)
            apply(names[i], value)
    }
    /^=(unit|trace)$/ { part = $0; next }

    part == "" && /^@/ { set = $1; next }
    part == "" && /^ +[@a-z_]/ { sets[set] = sets[set] " " $1; next }

    part == "=unit" && sub(/^SystemCallFilter=/, "") {
        value = !sub(/^~/, "")
        for (i = 1; i <= NF; i++)
            apply($i, value)
        next
    }

    # "123 openat(...", and "123 <... openat resumed>", which repeats one.
    part == "=trace" && match($0, /^[0-9]+ +[a-z_0-9]+\(/) {
        name = $2
        sub(/\(.*/, "", name)
        total++
        if (!allowed[name] && !told[name]++)
            print name
    }
    END {
        if (part == "=trace" && total < 100)
            print "no trace"
    }'

# SPDX-License-Identifier: MIT
# What the benchmarks have in common; sourced from the root of the project.

# CPU time of all emojify-api processes of the stack on port $1 so far, in clock ticks.
# The kernel scales user and system time to what it has accounted to the nanosecond,
# so their sum is right to a tick of 10 ms.
api_ticks() {
    for pid in $(sed -n 's/^api=//p' "build/run/$1/pids"); do
        cut -d')' -f2- "/proc/$pid/stat"
    done | awk '{ ticks += $12 + $13 } END { print ticks }'
}

# The same in nanoseconds of the processes called $2, but without the threads that have ended.
cpu_ns() { # port name
    for pid in $(sed -n "s/^$2=//p" "build/run/$1/pids"); do
        cat "/proc/$pid/task/"*/schedstat
    done | awk '{ ns += $1 } END { printf "%.0f\n", ns }'
}

# Have the cache of the stack on port $1 hold a file of $3 bytes under the id $2.
put_file() {
    head -c "$3" /dev/urandom >"build/run/$1/cache/$(printf %s "$2" | md5sum | cut -d' ' -f1)"
}

# For benchmarks that compare several stacks: one for each of $states, at the port that the
# benchmark's port_of gives it, with a file of 100 KB in its cache.
up() { # state settings...
    port=$(port_of "$1")
    shift
    env "$@" PORT="$port" httpd-conf/stack.sh up >/dev/null
    put_file "$port" bench-100k 100000
}

down() {
    for state in $states; do
        PORT=$(port_of "$state") httpd-conf/stack.sh down >/dev/null 2>&1 || true
    done
}

# Requests that wrk has made, from its output; fails when any was not answered with 2xx.
wrk_requests() { # file
    ! grep -E 'Non-2xx|Socket errors' "$1" >&2 || return 1
    awk '/requests in/ { print $1 }' "$1"
}

# Median, lower and upper quartile of the numbers on standard input, with the format $1.
quartiles() {
    sort -g | awk -v format="$1" '{ n[NR] = $1 } END {
        printf format, n[int((NR + 1) / 2)], n[int((NR + 3) / 4)], n[NR + 1 - int((NR + 3) / 4)] }'
}

# The first of them.
median() { # file
    quartiles '%.1f' <"$1" | cut -d' ' -f1
}

# A member of the JSON object on standard input that is a number.
member() { # name
    sed -n "s/.*\"$1\":\\([0-9.]*\\).*/\\1/p"
}

# A member of a result: median and quartiles of the numbers in a file.
json_quartiles() { # name unit file
    quartiles "\"$1\":{\"$2\":%.2f,\"q1\":%.2f,\"q3\":%.2f}\n" <"$3"
}

# The object of which the lines on standard input are the members.
json_object() {
    echo '{'
    sed '$!s/$/,/'
    echo '}'
}

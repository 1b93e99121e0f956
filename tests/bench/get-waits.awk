# SPDX-License-Identifier: MIT
# For get-waits.sh: whether requests are late when threads wait for a core.
#
# Reads the times of requests (load -w), sorted, then what `perf sched timehist` prints, and
# wants late_us, wait_us and pids, those of the service with commas between.
#
# Late requests that overlap are an episode: a stall, and the queue that it leaves. A wait is
# what a thread of the service or of the load spent ready to run, before it ran; waits that
# overlap are one.
#
# Prints: percent of the requests that are late; how many episodes there are; percent of the
# late requests whose episode has a wait in it; percent of the time in episodes, and of the
# time outside, that is within a wait.

# name[pid] or name[tid/pid]
function is_wanted(task,    pid) {
    pid = task
    sub(/.*[[\/]/, "", pid)
    return task ~ /^load\[/ || (pid + 0) in is_ours
}

BEGIN {
    count = split(pids, list, ",")
    for (i = 1; i <= count; i++)
        is_ours[list[i] + 0] = 1
}

FNR == NR {
    requests++
    if (requests == 1) first = $1
    if ($2 > last) last = $2
    if (($2 - $1) * 1e6 <= late_us) next
    late++
    if (!episodes || $1 > episode_to[episodes]) {
        episodes++
        episode_from[episodes] = $1
        episode_to[episodes] = $2
    } else if ($2 > episode_to[episodes]) {
        episode_to[episodes] = $2
    }
    episode_late[episodes]++
    next
}

# time [cpu] task[pid or tid/pid] wait delay run, in milliseconds; time is when it ceased to run.
$2 ~ /^\[[0-9]+\]$/ && NF >= 6 {
    begun = $1 - $NF / 1000
    delay_ms = $(NF - 1)
    if (delay_ms * 1000 >= wait_us && is_wanted($3)) {
        waits++
        wait_from[waits] = begun - delay_ms / 1000
        wait_to[waits] = begun
    }
}

# By their beginning; there are few.
function sort_waits(    i, k, from, to) {
    for (i = 2; i <= waits; i++) {
        from = wait_from[i]
        to = wait_to[i]
        for (k = i - 1; k > 0 && wait_from[k] > from; k--) {
            wait_from[k + 1] = wait_from[k]
            wait_to[k + 1] = wait_to[k]
        }
        wait_from[k + 1] = from
        wait_to[k + 1] = to
    }
}

function merge_waits(    i, kept) {
    for (i = 1; i <= waits; i++) {
        if (kept && wait_from[i] <= wait_to[kept]) {
            if (wait_to[i] > wait_to[kept]) wait_to[kept] = wait_to[i]
        } else {
            kept++
            wait_from[kept] = wait_from[i]
            wait_to[kept] = wait_to[i]
        }
    }
    waits = kept + 0
}

function overlap(from, to, other_from, other_to) {
    if (other_from > from) from = other_from
    if (other_to < to) to = other_to
    return to > from ? to - from : 0
}

END {
    sort_waits()
    merge_waits()
    for (i = 1; i <= waits; i++) {
        all += overlap(wait_from[i], wait_to[i], first, last)
    }
    for (e = 1; e <= episodes; e++) {
        length_of_all += episode_to[e] - episode_from[e]
        within = 0
        for (i = 1; i <= waits; i++)
            within += overlap(wait_from[i], wait_to[i], episode_from[e], episode_to[e])
        inside += within
        if (within) explained += episode_late[e]
    }
    printf "%.2f %d %.1f %.1f %.2f\n", 100 * late / requests, episodes, late ? 100 * explained / late : 0,
        length_of_all ? 100 * inside / length_of_all : 0, 100 * (all - inside) / (last - first - length_of_all)
}

/* SPDX-License-Identifier: MIT */
/* stat has all but the descriptors in one read. */
#include "lib/telemetry/process_stats.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { PATH_LEN = 64, STAT_LEN = 1024 };

static bool read_stat(int64_t pid, char text[STAT_LEN])
{
    char path[PATH_LEN];
    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, text, STAT_LEN - 1);
    (void)close(fd);
    text[len > 0 ? len : 0] = '\0';
    return len > 0;
}

static uint64_t count_descriptors(int64_t pid)
{
    char path[PATH_LEN];
    uint64_t count = 0;
    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/fd", pid);
    DIR *directory = opendir(path);
    if (!directory)
        return 0;
    while (readdir(directory))
        count++;
    (void)closedir(directory);
    return count > 2 ? count - 2 : 0; /* "." and ".." */
}

static uint64_t find_descriptor_limit(int64_t pid)
{
    struct rlimit limit;
    return prlimit((pid_t)pid, RLIMIT_NOFILE, NULL, &limit) == 0 ? limit.rlim_cur : 0;
}

static double start_time(uint64_t start_ticks, double ticks_per_second)
{
    struct timespec now, since_boot;
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    return (double)(now.tv_sec - since_boot.tv_sec) +
           (double)(now.tv_nsec - since_boot.tv_nsec) / (double)NS_PER_S +
           (double)start_ticks / ticks_per_second;
}

/* The fields of stat by their numbers in proc(5); those before FIRST have the name in them. */
enum { FIRST = 3, USER = 14, SYSTEM = 15, THREADS = 20, START = 22, PAGES = 24, FIELDS };

static bool split_stat(const char *text, uint64_t fields[FIELDS])
{
    /* The name of the program, in brackets, may have anything in it. */
    const char *at = strrchr(text, ')');
    if (!at || at[1] != ' ')
        return false;
    at += 2;
    for (int field = FIRST; field < FIELDS; field++) {
        fields[field] = strtoull(at, NULL, 10);
        at += strcspn(at, " ");
        if (*at++ != ' ')
            return false;
    }
    return true;
}

bool process_stats_read(int64_t pid, struct process_stats *stats)
{
    char text[STAT_LEN];
    uint64_t fields[FIELDS];
    if (!read_stat(pid, text) || !split_stat(text, fields))
        return false;
    uint64_t ticks_per_second = (uint64_t)sysconf(_SC_CLK_TCK);
    *stats = (struct process_stats){
        .cpu_ns = (fields[USER] + fields[SYSTEM]) * ((uint64_t)NS_PER_S / ticks_per_second),
        .resident_bytes = fields[PAGES] * (uint64_t)sysconf(_SC_PAGESIZE),
        .threads = fields[THREADS],
        .descriptors = count_descriptors(pid),
        .descriptor_limit = find_descriptor_limit(pid),
        .start_ticks = fields[START],
        .start_unix_time = start_time(fields[START], (double)ticks_per_second),
    };
    return true;
}

/* SPDX-License-Identifier: MIT */
#include "support/process_memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/cmocka.h"

enum { PATH_LEN = 64, LINE_LEN = 512 };

static size_t find_in(int fd, uint64_t from, uint64_t to, const char *text, uint64_t *at)
{
    size_t len = (size_t)(to - from), found = 0;
    char *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t done = 0; done < len;) {
        ssize_t got = pread(fd, bytes + done, len - done, (off_t)(from + done));
        if (got <= 0)
            fail_msg("the memory at %" PRIx64 " cannot be read", from + done);
        done += (size_t)got;
    }
    const char *next = bytes;
    size_t left = len;
    const char *hit;
    while ((hit = memmem(next, left, text, strlen(text)))) {
        *at = from + (uint64_t)(hit - bytes);
        found++;
        left -= (size_t)(hit + 1 - next);
        next = hit + 1;
    }
    free(bytes);
    return found;
}

size_t process_memory_find(pid_t pid, const char *text, char *where, size_t size)
{
    char path[PATH_LEN], line[LINE_LEN];
    size_t found = 0, read_maps = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    (void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    assert_true(fd >= 0);
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        uint64_t from, to, at = 0;
        char mode[5];
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &from, &to, mode) != 3 ||
            strncmp(mode, "rw", 2) != 0)
            continue;
        read_maps++;
        size_t here = find_in(fd, from, to, text, &at);
        if (here > 0)
            (void)snprintf(where, size, "%" PRIx64 " in %.200s", at, line);
        found += here;
    }
    assert_true(read_maps > 0);
    (void)fclose(maps);
    (void)close(fd);
    return found;
}

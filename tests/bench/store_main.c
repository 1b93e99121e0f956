/* SPDX-License-Identifier: MIT */
/*
 * Fills a directory of emojify-cache, as if pictures had been put:
 *
 *     store DIRECTORY FIRST LAST BYTES
 *
 * writes the files of the ids stored-FIRST to stored-LAST, each with so many bytes,
 * which begin like a JPEG's and differ from one to the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/digest.h"

enum { BYTES_MAX = 1024 * 1024, FILE_MODE = 0640 };

static void die(const char *what)
{
    fprintf(stderr, "store: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void write_entry(int directory, const char *id, const char *bytes, size_t len)
{
    char name[MD5_HEX_LEN + 1];
    if (md5_hex(id, strlen(id), name))
        die("no digest");
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || close(fd) != 0)
        die(name);
}

int main(int argc, char **argv)
{
    static char bytes[BYTES_MAX] = "\377\330\377\340";
    char id[32];
    if (argc != 5 || strtoul(argv[4], NULL, 10) > BYTES_MAX || strtoul(argv[4], NULL, 10) < 64) {
        errno = EINVAL;
        die("usage: store DIRECTORY FIRST LAST BYTES");
    }
    int directory = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        die(argv[1]);
    unsigned long last = strtoul(argv[3], NULL, 10);
    for (unsigned long number = strtoul(argv[2], NULL, 10); number <= last; number++) {
        (void)snprintf(id, sizeof(id), "stored-%lu", number);
        memcpy(bytes + 4, id, sizeof(id));
        write_entry(directory, id, bytes, strtoul(argv[4], NULL, 10));
    }
    (void)close(directory);
    return EXIT_SUCCESS;
}

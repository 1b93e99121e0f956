/* SPDX-License-Identifier: MIT */
/* The checksum reads the whole file once at start, which also brings it into memory. */
#include "api/image/artwork.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "api/image/artwork_file.h"

struct artwork {
    const struct artwork_file_header *header; /* at the start of the mapping */
    void *mapping;
    size_t len;
};

/* Where to look below the program's directory, in this order. */
static const char *const places[] = {
    ARTWORK_FILE_NAME,
    "../share/emojify-api/" ARTWORK_FILE_NAME,
};
enum { PLACE_COUNT = sizeof(places) / sizeof(places[0]) };

static const struct artwork_file_emoji *emoji_at(const struct artwork *artwork, size_t index)
{
    assert(index < artwork->header->count);
    return (const struct artwork_file_emoji *)(artwork->header + 1) + index;
}

/* Map the file if its size can be that of an artwork file; sets errno. */
static bool map_file(int fd, struct artwork *artwork)
{
    struct stat status;
    if (fstat(fd, &status))
        return false;
    if (!S_ISREG(status.st_mode) || status.st_size < (off_t)sizeof(struct artwork_file_header)) {
        errno = EINVAL;
        return false;
    }
    void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        return false;
    artwork->mapping = data;
    artwork->header = data;
    artwork->len = (size_t)status.st_size;
    return true;
}

static bool is_whole(const struct artwork *artwork)
{
    const struct artwork_file_header *header = artwork->header;
    if (header->magic != ARTWORK_FILE_MAGIC ||
        artwork_file_checksum(header, artwork->len) != header->checksum)
        return false;
    if (header->count < 1 || header->count > ARTWORK_FILE_MAX_COUNT ||
        artwork->len < sizeof(*header) + header->count * sizeof(struct artwork_file_emoji))
        return false;
    for (size_t i = 0; i < header->count; i++) {
        const struct artwork_file_emoji *emoji = emoji_at(artwork, i);
        if (emoji->packed_start > artwork->len ||
            emoji->packed_len > artwork->len - emoji->packed_start)
            return false;
    }
    return true;
}

static enum app_err open_file(const char *path, struct artwork **artwork, struct err_buf *why)
{
    struct artwork *opened = calloc(1, sizeof(*opened));
    if (!opened)
        return APP_NO_MEMORY;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool mapped = fd >= 0 && map_file(fd, opened);
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (!mapped) {
        free(opened);
        return err_set(why, APP_CONFIG, "the emoji file %s: %s", path, strerror(reason));
    }
    if (!is_whole(opened)) {
        artwork_close(&opened);
        return err_set(why, APP_CONFIG,
                       "the emoji file %s is damaged or of another version; `make` renders it anew",
                       path);
    }
    *artwork = opened;
    return APP_OK;
}

/* The first place that holds the file. */
static enum app_err find_file(char path[PATH_MAX], struct err_buf *why)
{
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (len < 0)
        return err_set(why, APP_CONFIG, "the emoji file: /proc/self/exe: %s", strerror(errno));
    program[len] = '\0';
    char *slash = strrchr(program, '/');
    if (slash)
        slash[1] = '\0';
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        int written = snprintf(path, PATH_MAX, "%s%s", program, places[i]);
        if (written >= PATH_MAX)
            return err_set(why, APP_CONFIG, "the emoji file: the program's path is too long");
        if (access(path, F_OK) == 0)
            return APP_OK;
    }
    return err_set(why, APP_CONFIG, "the emoji file %s is neither in %s nor in %s../share/%s",
                   ARTWORK_FILE_NAME, program, program, "emojify-api/");
}

enum app_err artwork_open(const char *path, struct artwork **artwork, struct err_buf *why)
{
    if (path)
        return open_file(path, artwork, why);
    char found[PATH_MAX];
    enum app_err err = find_file(found, why);
    return err ? err : open_file(found, artwork, why);
}

void artwork_close(struct artwork **artwork)
{
    if (!*artwork)
        return;
    munmap((*artwork)->mapping, (*artwork)->len);
    free(*artwork);
    *artwork = NULL;
}

size_t artwork_count(const struct artwork *artwork)
{
    return artwork->header->count;
}

const unsigned char (*artwork_palette(const struct artwork *artwork, size_t index))[4]
{
    return emoji_at(artwork, index)->palette;
}

const unsigned char *artwork_level(const struct artwork *artwork, size_t index, int level)
{
    static const size_t starts[ARTWORK_LEVELS] = {
        [1] = ARTWORK_FILE_LEVEL_1, [2] = ARTWORK_FILE_LEVEL_2, [3] = ARTWORK_FILE_LEVEL_3,
        [4] = ARTWORK_FILE_LEVEL_4, [5] = ARTWORK_FILE_LEVEL_5,
    };
    assert(level >= 1 && level < ARTWORK_LEVELS);
    return emoji_at(artwork, index)->levels + starts[level];
}

enum app_err artwork_unpack(const struct artwork *artwork, size_t index, unsigned char *pixels)
{
    const struct artwork_file_emoji *emoji = emoji_at(artwork, index);
    const unsigned char *packed = (const unsigned char *)artwork->mapping + emoji->packed_start;
    uLongf len = ARTWORK_LEVEL_SIZE(0);
    int status = uncompress(pixels, &len, packed, emoji->packed_len);
    if (status == Z_MEM_ERROR)
        return APP_NO_MEMORY;
    return status == Z_OK && len == ARTWORK_LEVEL_SIZE(0) ? APP_OK : APP_INTERNAL;
}

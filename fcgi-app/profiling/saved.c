/* SPDX-License-Identifier: MIT */
/*
 * Names begin with the time, so that their order is that of their ages. A file is
 * written under a name that begins with a dot and then renamed; one that a killed
 * process left is removed by who saves next.
 */
#include "profiling/saved.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

#include "lib/base/clock.h"
#include "profiling/profile_proto.h"

enum {
    TIME_LEN = 20, /* 20261122T102334.152Z */
    REASON_MAX = 48,
    LISTED_MAX = 64,       /* in the directory, before the oldest are removed */
    LEFT_OVER_S = 60,      /* nobody takes so long to write one */
    GZIP_WINDOW = 15 + 16, /* zlib: the largest window, in gzip's format */
    MAX_FILE = 16 * 1024 * 1024,
};

static const char suffix[] = ".pb.gz";

/* --- Names ---------------------------------------------------------------------- */

static bool is_time(const char *name)
{
    static const char shape[] = "00000000T000000.000Z";
    for (size_t i = 0; i < TIME_LEN; i++) {
        if (shape[i] == '0' ? !isdigit((unsigned char)name[i]) : name[i] != shape[i])
            return false;
    }
    return true;
}

bool saved_name_is_valid(const char *name)
{
    size_t len = strlen(name);
    size_t end = len - (sizeof(suffix) - 1);
    if (len <= TIME_LEN + sizeof(suffix) || len >= SAVED_NAME_MAX || !is_time(name) ||
        name[TIME_LEN] != '-' || strcmp(name + end, suffix) != 0)
        return false;
    for (size_t i = TIME_LEN; i < end; i++) {
        if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '-')
            return false;
    }
    return true;
}

static void make_name(const char *reason, char name[SAVED_NAME_MAX])
{
    struct timespec now;
    struct tm utc;
    char time_text[TIME_LEN];
    char word[REASON_MAX];
    size_t i = 0;
    clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(time_text, sizeof(time_text), "%Y%m%dT%H%M%S", &utc);
    for (; reason[i] && i < sizeof(word) - 1; i++)
        word[i] = (char)(isalnum((unsigned char)reason[i]) || reason[i] == '-' ? reason[i] : '_');
    word[i] = '\0';
    (void)snprintf(name, SAVED_NAME_MAX, "%s.%03dZ-%s%s", time_text, (int)(now.tv_nsec / NS_PER_MS),
                   word, suffix);
}

/* --- The directory ---------------------------------------------------------------- */

static enum app_err fail(struct err_buf *why, const char *what)
{
    err_detail(why, "%s: %s", what, strerrordesc_np(errno));
    return APP_UNAVAILABLE;
}

/* -1 with errno: it is not there, or not ours alone. */
static int open_directory(const char *run_dir, bool make)
{
    struct stat status;
    int parent = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return -1;
    if (make)
        (void)mkdirat(parent, "profiles", 0700);
    int fd = openat(parent, "profiles", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    (void)close(parent);
    if (fd < 0 || fstat(fd, &status) != 0)
        return fd;
    if (status.st_uid == geteuid() && (status.st_mode & 077) == 0)
        return fd;
    (void)close(fd);
    errno = EPERM;
    return -1;
}

struct listing {
    char names[LISTED_MAX][SAVED_NAME_MAX];
    size_t count;
};

static int newer_first(const void *a, const void *b)
{
    return strcmp(b, a);
}

static void remove_left_over(int dir_fd, const char *name)
{
    struct stat status;
    if (fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode) &&
        status.st_mtime + LEFT_OVER_S < time(NULL))
        (void)unlinkat(dir_fd, name, 0);
}

/* Takes dir_fd. */
static void list(int dir_fd, struct listing *listing)
{
    DIR *directory = fdopendir(dir_fd);
    const struct dirent *entry;
    listing->count = 0;
    if (!directory) {
        (void)close(dir_fd);
        return;
    }
    while (listing->count < LISTED_MAX && (entry = readdir(directory))) {
        if (entry->d_name[0] == '.')
            remove_left_over(dir_fd, entry->d_name);
        else if (saved_name_is_valid(entry->d_name))
            memcpy(listing->names[listing->count++], entry->d_name, strlen(entry->d_name) + 1);
    }
    (void)closedir(directory);
    qsort(listing->names, listing->count, sizeof(listing->names[0]), newer_first);
}

static void remove_oldest(int dir_fd)
{
    struct listing listing = {.count = 0};
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    list(fd, &listing);
    while (listing.count > SAVED_KEPT)
        (void)unlinkat(dir_fd, listing.names[--listing.count], 0);
}

/* --- Writing ------------------------------------------------------------------------ */

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, data, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        data += written;
        len -= (size_t)written;
    }
    return true;
}

static enum app_err write_file(int dir_fd, const char *name, const struct buf *bytes,
                               struct err_buf *why)
{
    char draft[SAVED_NAME_MAX + 1];
    (void)snprintf(draft, sizeof(draft), ".%s", name);
    int fd = openat(dir_fd, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(why, "the file cannot be made");
    enum app_err err = APP_OK;
    if (!write_all(fd, bytes->data, bytes->len))
        err = fail(why, "the file cannot be written");
    if (close(fd) != 0 && !err)
        err = fail(why, "the file cannot be written");
    if (!err && renameat(dir_fd, draft, dir_fd, name) != 0)
        err = fail(why, "the file cannot be named");
    if (err)
        (void)unlinkat(dir_fd, draft, 0);
    return err;
}

enum app_err saved_write(const char *run_dir, const char *reason, const struct profile *profile,
                         char name[SAVED_NAME_MAX], struct err_buf *why)
{
    struct buf bytes;
    int dir_fd = open_directory(run_dir, true);
    if (dir_fd < 0)
        return fail(why, "the directory cannot be used");
    buf_init(&bytes, MAX_FILE);
    enum app_err err = profile_proto_write(profile, true, &bytes);
    make_name(reason, name);
    if (!err)
        err = write_file(dir_fd, name, &bytes, why);
    if (!err)
        remove_oldest(dir_fd);
    buf_release(&bytes);
    (void)close(dir_fd);
    return err;
}

/* --- Reading ------------------------------------------------------------------------ */

size_t saved_list(const char *run_dir, struct saved_profile saved[SAVED_KEPT])
{
    struct listing listing = {.count = 0};
    int dir_fd = open_directory(run_dir, false);
    if (dir_fd >= 0)
        list(fcntl(dir_fd, F_DUPFD_CLOEXEC, 0), &listing);
    size_t count = 0;
    for (size_t i = 0; i < listing.count && count < SAVED_KEPT; i++) {
        struct stat status;
        if (fstatat(dir_fd, listing.names[i], &status, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        (void)snprintf(saved[count].name, SAVED_NAME_MAX, "%s", listing.names[i]);
        saved[count++].bytes = status.st_size;
    }
    if (dir_fd >= 0)
        (void)close(dir_fd);
    return count;
}

int64_t saved_newest(const char *run_dir, const char *reason)
{
    struct saved_profile saved[SAVED_KEPT];
    size_t count = saved_list(run_dir, saved);
    for (size_t i = 0; i < count; i++) {
        struct tm utc = {0};
        if (strncmp(saved[i].name + TIME_LEN + 1, reason, strlen(reason)) == 0 &&
            strptime(saved[i].name, "%Y%m%dT%H%M%S", &utc))
            return timegm(&utc);
    }
    return 0;
}

static enum app_err read_file(int fd, struct buf *out)
{
    char chunk[16 * 1024];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? APP_NOT_FOUND : APP_OK;
        enum app_err err = buf_append(out, chunk, (size_t)got);
        if (err)
            return err;
    }
}

enum app_err saved_read(const char *run_dir, const char *name, struct buf *out)
{
    int dir_fd = saved_name_is_valid(name) ? open_directory(run_dir, false) : -1;
    if (dir_fd < 0)
        return APP_NOT_FOUND;
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    (void)close(dir_fd);
    if (fd < 0)
        return APP_NOT_FOUND;
    enum app_err err = read_file(fd, out);
    (void)close(fd);
    return err;
}

static enum app_err inflate_all(z_stream *stream, struct buf *out)
{
    char chunk[16 * 1024];
    int status = Z_OK;
    while (status == Z_OK) {
        stream->next_out = (Bytef *)chunk;
        stream->avail_out = sizeof(chunk);
        status = inflate(stream, Z_NO_FLUSH);
        enum app_err err = buf_append(out, chunk, sizeof(chunk) - stream->avail_out);
        if (err)
            return err;
    }
    return status == Z_STREAM_END ? APP_OK : APP_BAD_REQUEST;
}

static enum app_err decompress(struct buf *packed, struct buf *out)
{
    z_stream stream = {.next_in = (Bytef *)packed->data, .avail_in = (uInt)packed->len};
    if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
        return APP_NO_MEMORY;
    enum app_err err = inflate_all(&stream, out);
    (void)inflateEnd(&stream);
    return err;
}

enum app_err saved_profile(const char *run_dir, const char *name, struct profile **profile)
{
    struct buf packed, plain;
    buf_init(&packed, MAX_FILE);
    buf_init(&plain, PROFILE_MAX_ENCODED);
    enum app_err err = saved_read(run_dir, name, &packed);
    if (!err)
        err = decompress(&packed, &plain);
    if (!err)
        err = profile_proto_read(&profile_kind_cpu, plain.data, plain.len, profile, NULL);
    buf_release(&packed);
    buf_release(&plain);
    return err;
}

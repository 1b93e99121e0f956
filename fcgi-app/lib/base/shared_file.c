/* SPDX-License-Identifier: MIT */
/* The lock on the whole file is taken to make it only; a process that dies with it loses it. */
#include "lib/base/shared_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { LOCK_TRIES = 200, LOCK_PAUSE_MS = 10, OPEN_TRIES = 3, NAME_MAX_LEN = 96 };

static const char magic[8] = "shared1";

static enum app_err fail(struct err_buf *why, const char *what)
{
    err_detail(why, "%s: %s", what, strerrordesc_np(errno));
    return APP_CONFIG;
}

/* --- The file -------------------------------------------------------------------- */

/* The directory must be ours, and closed to others, who could cut the file short. */
static enum app_err open_directory(const char *path, int *dir_fd, struct err_buf *why)
{
    struct stat status;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return fail(why, "the directory cannot be made");
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fail(why, "the directory cannot be opened");
    enum app_err err = APP_OK;
    if (fstat(fd, &status) != 0) {
        err = fail(why, "the directory cannot be looked at");
    } else if (status.st_uid != geteuid()) {
        err_detail(why, "the directory belongs to another user");
        err = APP_CONFIG;
    } else if ((status.st_mode & 022) != 0) {
        err_detail(why, "others can write to the directory");
        err = APP_CONFIG;
    }
    if (err)
        (void)close(fd);
    else
        *dir_fd = fd;
    return err;
}

/* Whoever holds it for longer than some milliseconds hangs, and we do not wait for that. */
static bool lock_file(int fd)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        (void)nanosleep(&(struct timespec){0, LOCK_PAUSE_MS * NS_PER_MS}, NULL);
    }
    return false;
}

enum file_state { FILE_READY, FILE_NEW, FILE_WRONG };

static enum file_state judge_file(const struct shared_file_options *options, int fd)
{
    struct stat status;
    struct shared_file_header header;
    if (fstat(fd, &status) != 0 || status.st_nlink == 0)
        return FILE_WRONG;
    if (status.st_size == 0)
        return FILE_NEW;
    if ((size_t)status.st_size != options->size ||
        pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
        return FILE_WRONG;
    if (header.magic[0] == '\0') /* whoever made it died before it was done */
        return FILE_NEW;
    bool is_ours = memcmp(header.magic, magic, sizeof(magic)) == 0 &&
                   memcmp(header.layout, options->layout, MD5_HEX_LEN) == 0 &&
                   header.size == options->size;
    return is_ours ? FILE_READY : FILE_WRONG;
}

static void *map_file(int fd, size_t size)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return map == MAP_FAILED ? NULL : map;
}

static enum app_err prepare_file(const struct shared_file_options *options, int fd,
                                 struct err_buf *why)
{
    if (!options->prepare)
        return APP_OK;
    void *map = map_file(fd, options->size);
    if (!map)
        return fail(why, "the file cannot be mapped");
    memset(map, 0, options->size); /* of one who began with it and died */
    bool prepared = options->prepare(map);
    (void)munmap(map, options->size);
    return prepared ? APP_OK : fail(why, "the file cannot be prepared");
}

/* All of its memory now. The magic comes last: without it nobody maps the file. */
static enum app_err make_file(const struct shared_file_options *options, int fd,
                              struct err_buf *why)
{
    struct shared_file_header header = {.size = options->size};
    memcpy(header.magic, magic, sizeof(magic));
    memcpy(header.layout, options->layout, MD5_HEX_LEN);
    errno = posix_fallocate(fd, 0, (off_t)options->size);
    if (errno != 0)
        return fail(why, "there is no room for the file");
    enum app_err err = prepare_file(options, fd, why);
    if (!err && pwrite(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
        err = fail(why, "the file cannot be written");
    return err;
}

/* Open the file, made if need be; one that is not ours is removed, not written to. */
static enum app_err open_file(const struct shared_file_options *options, int dir_fd, int *opened,
                              struct err_buf *why)
{
    char name[NAME_MAX_LEN];
    (void)snprintf(name, sizeof(name), "%s-%s", options->name, options->layout);
    for (int i = 0; i < OPEN_TRIES; i++) {
        enum app_err err = APP_OK;
        enum file_state state = FILE_WRONG;
        int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
            return fail(why, "the file cannot be opened");
        if (!lock_file(fd))
            err = fail(why, "the file cannot be locked");
        else
            state = judge_file(options, fd);
        if (state == FILE_NEW)
            err = make_file(options, fd, why);
        if (!err && state == FILE_WRONG)
            (void)unlinkat(dir_fd, name, 0);
        (void)flock(fd, LOCK_UN);
        if (!err && state != FILE_WRONG) {
            *opened = fd;
            return APP_OK;
        }
        (void)close(fd);
        if (err)
            return err;
    }
    err_detail(why, "the file is not what it should be");
    return APP_CONFIG;
}

/* --- Slots ----------------------------------------------------------------------- */

static struct flock slot_lock(size_t slot)
{
    return (struct flock){
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)slot, .l_len = 1};
}

enum app_err shared_file_take_slot(const struct shared_file *file, size_t count, size_t *slot,
                                   struct err_buf *why)
{
    for (size_t i = 0; i < count; i++) {
        struct flock lock = slot_lock(i);
        if (fcntl(file->fd, F_OFD_SETLK, &lock) == 0) {
            *slot = i;
            return APP_OK;
        }
        if (errno != EAGAIN && errno != EACCES)
            return fail(why, "the file cannot be locked");
    }
    err_detail(why, "there are %zu processes already", count);
    return APP_CONFIG;
}

bool shared_file_is_held(const struct shared_file *file, size_t slot)
{
    struct flock lock = slot_lock(slot);
    return file->fd >= 0 && fcntl(file->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* --- Life ------------------------------------------------------------------------ */

enum app_err shared_file_open(struct shared_file *file, const struct shared_file_options *options,
                              struct err_buf *why)
{
    int dir_fd = -1;
    *file = (struct shared_file){.fd = -1, .size = options->size};
    enum app_err err = open_directory(options->directory, &dir_fd, why);
    if (err)
        return err;
    err = open_file(options, dir_fd, &file->fd, why);
    if (!err) {
        file->map = map_file(file->fd, file->size);
        if (!file->map)
            err = fail(why, "the file cannot be mapped");
    }
    if (err)
        shared_file_release(file);
    (void)close(dir_fd);
    return err;
}

enum app_err shared_file_private(struct shared_file *file, size_t size)
{
    *file = (struct shared_file){.fd = -1, .size = size};
    file->map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (file->map != MAP_FAILED)
        return APP_OK;
    file->map = NULL;
    return APP_NO_MEMORY;
}

void shared_file_release(struct shared_file *file)
{
    if (file->map)
        (void)munmap(file->map, file->size);
    if (file->fd >= 0)
        (void)close(file->fd);
    file->map = NULL;
    file->fd = -1;
}

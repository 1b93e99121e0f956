/* SPDX-License-Identifier: MIT */
/*
 * The only lock here is taken at start, to make the file; a process that dies
 * with it loses it. Nobody may shorten a file that another may have mapped.
 */
#include "lib/telemetry/metrics_memory.h"

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
#include "lib/telemetry/process_stats.h"

enum { LOCK_TRIES = 200, LOCK_PAUSE_MS = 10, OPEN_TRIES = 3, NAME_MAX_LEN = 64 };

static const char magic[8] = "metrics1";

static enum app_err fail(struct err_buf *why, const char *what)
{
    err_detail(why, "%s: %s", what, strerrordesc_np(errno));
    return APP_CONFIG;
}

/* --- Layout ---------------------------------------------------------------------- */

static size_t slots_at(void)
{
    return (sizeof(struct metrics_header) + 63) / 64 * 64;
}

static void lay_out(struct metrics_memory *memory)
{
    char *at = (char *)memory->map;
    memory->header = memory->map;
    at += slots_at();
    memory->slots = (void *)at;
    at += sizeof(struct metrics_slot) * LIMIT_METRICS_PROCESSES;
    memory->gauges = (void *)at;
    at += sizeof(*memory->gauges) * memory->gauge_count * LIMIT_METRICS_PROCESSES;
    memory->cells = (void *)at;
}

static size_t size_of(const struct metrics_memory *memory)
{
    return slots_at() +
           (sizeof(struct metrics_slot) + sizeof(*memory->gauges) * memory->gauge_count) *
               LIMIT_METRICS_PROCESSES +
           sizeof(*memory->cells) * memory->cell_count;
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

static enum file_state judge_file(const struct metrics_memory *memory, int fd, const char *layout)
{
    struct stat status;
    struct metrics_header header;
    if (fstat(fd, &status) != 0 || status.st_nlink == 0)
        return FILE_WRONG;
    if (status.st_size == 0)
        return FILE_NEW;
    if ((size_t)status.st_size != memory->size ||
        pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
        return FILE_WRONG;
    if (header.magic[0] == '\0') /* whoever made it died before it was done */
        return FILE_NEW;
    bool is_ours = memcmp(header.magic, magic, sizeof(magic)) == 0 &&
                   memcmp(header.layout, layout, MD5_HEX_LEN) == 0 && header.size == memory->size;
    return is_ours ? FILE_READY : FILE_WRONG;
}

/* All of its memory now: a write to a page that a full file system lacks would be a SIGBUS. */
static enum app_err make_file(const struct metrics_memory *memory, int fd, const char *layout,
                              struct err_buf *why)
{
    struct metrics_header header = {.size = memory->size};
    memcpy(header.magic, magic, sizeof(magic));
    memcpy(header.layout, layout, MD5_HEX_LEN);
    errno = posix_fallocate(fd, 0, (off_t)memory->size);
    if (errno != 0)
        return fail(why, "there is no room for the file");
    if (pwrite(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
        return fail(why, "the file cannot be written");
    return APP_OK;
}

/* Open the file, made if need be; one that is not ours is removed, not written to. */
static enum app_err open_file(struct metrics_memory *memory, int dir_fd, const char *layout,
                              struct err_buf *why)
{
    char name[NAME_MAX_LEN];
    (void)snprintf(name, sizeof(name), "metrics-%s", layout);
    for (int i = 0; i < OPEN_TRIES; i++) {
        enum app_err err = APP_OK;
        enum file_state state = FILE_WRONG;
        int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
            return fail(why, "the file cannot be opened");
        if (!lock_file(fd))
            err = fail(why, "the file cannot be locked");
        else
            state = judge_file(memory, fd, layout);
        if (state == FILE_NEW)
            err = make_file(memory, fd, layout, why);
        if (!err && state == FILE_WRONG)
            (void)unlinkat(dir_fd, name, 0);
        (void)flock(fd, LOCK_UN);
        if (!err && state != FILE_WRONG) {
            memory->fd = fd;
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

/* Ours now: forget whose it was. The pid comes last, for a scrape may be looking. */
static void enter_slot(struct metrics_memory *memory, size_t number)
{
    struct metrics_slot *slot = &memory->slots[number];
    struct process_stats stats = {.start_ticks = 0};
    (void)process_stats_read(getpid(), &stats);
    atomic_store(&slot->pid, 0);
    for (size_t i = 0; i < memory->gauge_count; i++)
        atomic_store(&metrics_memory_gauges(memory, number)[i], 0);
    atomic_store(&slot->cpu_ns, 0);
    atomic_store(&slot->start_ticks, stats.start_ticks);
    atomic_store(&slot->pid, getpid());
    memory->slot = number;
}

static enum app_err take_slot(struct metrics_memory *memory, struct err_buf *why)
{
    for (size_t i = 0; i < LIMIT_METRICS_PROCESSES; i++) {
        struct flock lock = slot_lock(i);
        if (fcntl(memory->fd, F_OFD_SETLK, &lock) == 0) {
            enter_slot(memory, i);
            return APP_OK;
        }
        if (errno != EAGAIN && errno != EACCES)
            return fail(why, "the file cannot be locked");
    }
    err_detail(why, "there are %d processes already", LIMIT_METRICS_PROCESSES);
    return APP_CONFIG;
}

bool metrics_memory_alive(const struct metrics_memory *memory, size_t slot)
{
    if (slot == memory->slot)
        return true;
    if (memory->fd < 0 || atomic_load(&memory->slots[slot].pid) == 0)
        return false;
    struct flock lock = slot_lock(slot);
    return fcntl(memory->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void metrics_memory_account(const struct metrics_memory *memory, size_t slot, uint64_t cpu_ns)
{
    _Atomic uint64_t *known = &memory->slots[slot].cpu_ns;
    uint64_t before = atomic_load(known);
    while (cpu_ns > before) {
        if (atomic_compare_exchange_weak(known, &before, cpu_ns)) {
            atomic_fetch_add(&memory->header->cpu_ns, cpu_ns - before);
            return;
        }
    }
}

/* --- Life ------------------------------------------------------------------------ */

static bool map(struct metrics_memory *memory, int flags)
{
    memory->map =
        mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED | flags, memory->fd, 0);
    if (memory->map == MAP_FAILED) {
        memory->map = NULL;
        return false;
    }
    lay_out(memory);
    return true;
}

enum app_err metrics_memory_share(struct metrics_memory *memory, const char *directory,
                                  const char layout[MD5_HEX_LEN + 1], struct err_buf *why)
{
    int dir_fd = -1;
    memory->fd = -1;
    memory->map = NULL;
    memory->size = size_of(memory);
    enum app_err err = open_directory(directory, &dir_fd, why);
    if (err)
        return err;
    err = open_file(memory, dir_fd, layout, why);
    if (!err && !map(memory, 0))
        err = fail(why, "the file cannot be mapped");
    if (!err)
        err = take_slot(memory, why);
    if (err)
        metrics_memory_release(memory);
    (void)close(dir_fd);
    return err;
}

enum app_err metrics_memory_private(struct metrics_memory *memory)
{
    memory->fd = -1;
    memory->size = size_of(memory);
    if (!map(memory, MAP_ANONYMOUS))
        return APP_NO_MEMORY;
    enter_slot(memory, 0);
    return APP_OK;
}

void metrics_memory_release(struct metrics_memory *memory)
{
    if (memory->map)
        (void)munmap(memory->map, memory->size);
    if (memory->fd >= 0)
        (void)close(memory->fd);
    memory->map = NULL;
    memory->fd = -1;
}

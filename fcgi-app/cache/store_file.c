/* SPDX-License-Identifier: MIT */
/*
 * O_TMPFILE and linkat would need no clean-up after a crash, but cannot replace
 * a name that exists, so an entry is written under a name that is none.
 */
#include "cache/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "cache/hot_files.h"
#include "cache/store_sweep.h"
#include "lib/base/clock.h"
#include "lib/base/condition.h"
#include "lib/base/digest.h"
#include "lib/base/limits.h"
#include "lib/wire/cache_item.h"

enum {
    SWEEP_INTERVAL_S = 300,
    ASIDE_NAME_MAX = 80,
    ENTRY_MODE = 0640,
    MARK_MODE = 0440, /* see store_is_mark */
    DIRECTORY_MODE = 0750,
};

/*
 * Uses closer together than this leave one stamp only. A stamp is a change of the
 * file, so that what is kept of it in memory must be read anew.
 */
static const int64_t USE_RESOLUTION_NS = 10 * NS_PER_S;

struct store_file {
    struct store base; /* first, so that a struct store is one of these */
    struct store_directory directory;
    struct hot_files *hot; /* NULL: nothing is kept in memory */
    _Atomic uint64_t hot_gets;
    const struct log *log;
    _Atomic uint64_t next_aside;

    pthread_t sweeper;
    pthread_mutex_t wake_lock; /* guards `wanted` and, for the sweeper's wait, `stopping` */
    pthread_cond_t wake;
    bool wanted; /* a sweep, at once */
};

static struct store_file *self_of(struct store *store)
{
    return (struct store_file *)(void *)store;
}

static enum app_err broken(struct err_buf *why, const char *what, int error)
{
    err_detail(why, "%s: %s", what, strerror(error));
    return err_set(why, APP_INTERNAL, "the store cannot be used");
}

/* The reason why writing failed. */
static enum app_err write_failed(struct err_buf *why, const char *what, int error)
{
    if (error != ENOSPC && error != EDQUOT && error != EFBIG)
        return broken(why, what, error);
    err_detail(why, "%s: %s", what, strerror(error));
    return err_set(why, APP_TOO_LARGE, "no room is left in the store");
}

/* An empty file is a mark, or has lost its bytes; what is no plain file is no entry. */
static bool is_entry(const struct stat *status)
{
    return S_ISREG(status->st_mode) && status->st_size > 0;
}

/* Whether it is found, given its status; removes it when it is too old. */
static bool is_found(struct store_file *self, const char *name, const struct stat *status)
{
    if (!is_entry(status))
        return false;
    if (!store_is_expired(&self->directory, status))
        return true;
    (void)store_remove(&self->directory, name, STORE_REMOVAL_EXPIRED, store_stamp_written(status));
    return false;
}

/*
 * Stamp the use of `name`; false when it is stamped already, or cannot be. By
 * hand, because most file systems are mounted so that reading does not, and it
 * must not touch mtime. Another user's file refuses, which only makes it look older.
 * The record about the entry, if there is one, is kept for as long as the entry is used.
 */
static bool stamp_use(const struct store_file *self, const char *id, size_t id_len,
                      const char *name, const struct stat *status)
{
    static const size_t prefix_len = sizeof(CACHE_RECORD_PREFIX) - 1;
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    char record[sizeof(CACHE_RECORD_PREFIX) + LIMIT_CACHE_ID], record_name[MD5_HEX_LEN + 1];
    if (store_now_ns() - store_stamp_used(status) < USE_RESOLUTION_NS ||
        utimensat(self->directory.fd, name, times, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    if (id_len > LIMIT_CACHE_ID)
        return true;
    memcpy(record, CACHE_RECORD_PREFIX, prefix_len);
    memcpy(record + prefix_len, id, id_len);
    if (md5_hex(record, prefix_len + id_len, record_name) == APP_OK)
        (void)utimensat(self->directory.fd, record_name, times, AT_SYMLINK_NOFOLLOW);
    return true;
}

/*
 * Up to `*len` bytes; *len is then what there was. What is in memory is read at
 * once; a file system that cannot tell (EOPNOTSUPP) is taken for one that waits.
 */
static enum app_err read_all(struct store_file *self, int fd, char *data, size_t *len,
                             struct err_buf *why)
{
    size_t done = 0;
    int flags = RWF_NOWAIT;
    while (done < *len) {
        struct iovec rest = {data + done, *len - done};
        ssize_t step = preadv2(fd, &rest, 1, (off_t)done, flags);
        if (step == 0)
            break;
        if (step < 0 && flags != 0 && (errno == EAGAIN || errno == EOPNOTSUPP)) {
            store_before_wait(&self->base);
            flags = 0;
        } else if (step < 0 && errno != EINTR) {
            return broken(why, "read", errno);
        }
        done += step > 0 ? (size_t)step : 0;
    }
    *len = done;
    return APP_OK;
}

/* The content of an entry that was opened, and its status before that. */
static enum app_err read_entry(struct store_file *self, int fd, const char *name,
                               struct stat *status, struct content **content, struct err_buf *why)
{
    if (fstat(fd, status) != 0)
        return broken(why, "fstat", errno);
    if (!is_found(self, name, status))
        return APP_NOT_FOUND;
    if (status->st_size > LIMIT_RESULT_BYTES)
        return err_set(why, APP_TOO_LARGE, "the entry is larger than an answer may be");

    size_t size = (size_t)status->st_size;
    char *data = malloc(size);
    if (!data)
        return APP_NO_MEMORY;
    enum app_err err = read_all(self, fd, data, &size, why);
    if (!err && size == 0) /* whoever put it there has just cut it */
        err = APP_NOT_FOUND;
    struct content *made = err ? NULL : content_new(data, size);
    if (!made) {
        free(data);
        return err ? err : APP_NO_MEMORY;
    }
    *content = made;
    return APP_OK;
}

/*
 * Open an entry, without waiting when its name is in memory (openat2(2),
 * RESOLVE_CACHED). O_NONBLOCK: somebody may have put a FIFO there.
 */
static int open_entry(const struct store_file *self, const char *name)
{
    static _Atomic bool unknown; /* to this kernel, or to what filters its calls */
    const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                                 .resolve = RESOLVE_CACHED};
    if (!atomic_load_explicit(&unknown, memory_order_relaxed)) {
        long fd = syscall(SYS_openat2, self->directory.fd, name, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != ENOSYS && errno != EPERM && errno != EINVAL))
            return (int)fd;
        if (errno != EAGAIN)
            atomic_store_explicit(&unknown, true, memory_order_relaxed);
    }
    store_before_wait(&self->base);
    return openat(self->directory.fd, name, (int)how.flags);
}

/* Open, read and close. */
static enum app_err get_from_disk(struct store_file *self, const char *id, size_t id_len,
                                  struct content **content, struct err_buf *why)
{
    char name[MD5_HEX_LEN + 1];
    struct stat status;
    int64_t now_ns = store_now_ns();
    enum app_err err = md5_hex(id, id_len, name);
    if (err)
        return err;
    int fd = open_entry(self, name);
    if (fd < 0)
        return errno == ENOENT || errno == ELOOP ? APP_NOT_FOUND : broken(why, "open", errno);
    err = read_entry(self, fd, name, &status, content, why);
    close(fd);
    if (!err && !stamp_use(self, id, id_len, name, &status))
        hot_files_put(self->hot, id, id_len, name, &status, now_ns, *content);
    return err;
}

/*
 * What is kept in memory, if its file is still there and the same; NULL if not.
 * The file's name was looked up lately, so that fstatat hardly ever waits.
 */
static struct content *get_from_memory(struct store_file *self, const char *id, size_t id_len)
{
    struct hot_file file;
    struct stat status;
    struct content *content = hot_files_get(self->hot, id, id_len, &file);
    if (!content)
        return NULL;
    if (fstatat(self->directory.fd, file.name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        hot_file_is(&file, &status) && !store_is_expired(&self->directory, &status)) {
        (void)stamp_use(self, id, id_len, file.name, &status);
        atomic_fetch_add_explicit(&self->hot_gets, 1, memory_order_relaxed);
        return content;
    }
    hot_files_drop(self->hot, id, id_len);
    content_put(content);
    return NULL;
}

static enum app_err file_get(struct store *store, const char *id, size_t id_len,
                             struct content **content, struct err_buf *why)
{
    struct store_file *self = self_of(store);
    struct content *kept = get_from_memory(self, id, id_len);
    if (!kept)
        return get_from_disk(self, id, id_len, content, why);
    *content = kept;
    return APP_OK;
}

static enum app_err file_exists(struct store *store, const char *id, size_t id_len, bool *exists,
                                struct err_buf *why)
{
    struct store_file *self = self_of(store);
    char name[MD5_HEX_LEN + 1];
    enum app_err err = md5_hex(id, id_len, name);
    if (err)
        return err;
    struct stat status;
    if (fstatat(self->directory.fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT)
            return broken(why, "stat", errno);
        *exists = false;
        return APP_OK;
    }
    if (store_is_mark(&status))
        return APP_GONE;
    *exists = is_found(self, name, &status);
    if (*exists) /* who asks is likely to come for it */
        (void)stamp_use(self, id, id_len, name, &status);
    return APP_OK;
}

/* Create a file aside; `name` has ASIDE_NAME_MAX bytes. */
static enum app_err open_aside(struct store_file *self, mode_t mode, char *name, int *fd,
                               struct err_buf *why)
{
    (void)snprintf(name, ASIDE_NAME_MAX, STORE_ASIDE_PREFIX "%d-%" PRIu64 "-%" PRId64,
                   (int)getpid(), atomic_fetch_add(&self->next_aside, 1), clock_now_ns());
    *fd = openat(self->directory.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    return *fd < 0 ? write_failed(why, "create", errno) : APP_OK;
}

/* Write and close. A mark, which has no bytes, is synced. */
static enum app_err fill_aside(int fd, const char *data, size_t len, struct err_buf *why)
{
    int error = len == 0 && fsync(fd) != 0 ? errno : 0;
    while (len > 0 && !error) {
        ssize_t step = write(fd, data, len);
        if (step < 0) {
            error = errno == EINTR ? 0 : errno;
            continue;
        }
        data += step;
        len -= (size_t)step;
    }
    if (close(fd) != 0 && !error)
        error = errno;
    return error ? write_failed(why, "write", error) : APP_OK;
}

/* Give the file written aside its name; only a mark may replace a mark. */
static enum app_err rename_aside(struct store_file *self, const char *aside, const char *name,
                                 size_t len, struct err_buf *why)
{
    struct store_directory *directory = &self->directory;
    struct stat old;
    enum app_err err = APP_OK;
    store_directory_lock(directory);
    bool replaces = fstatat(directory->fd, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
    if (replaces && len > 0 && store_is_mark(&old))
        err = APP_GONE;
    else if (renameat(directory->fd, aside, directory->fd, name) != 0)
        err = write_failed(why, "rename", errno);
    else
        directory->bytes += (int64_t)len - (replaces ? old.st_size : 0);
    bool over = directory->max_bytes > 0 && directory->bytes > directory->max_bytes;
    store_directory_unlock(directory);

    if (over) {
        pthread_mutex_lock(&self->wake_lock);
        self->wanted = true;
        pthread_cond_signal(&self->wake);
        pthread_mutex_unlock(&self->wake_lock);
    }
    return err;
}

static enum app_err file_put(struct store *store, const char *id, size_t id_len, const void *data,
                             size_t len, struct err_buf *why)
{
    struct store_file *self = self_of(store);
    if (self->directory.max_bytes > 0 && (int64_t)len > self->directory.max_bytes)
        return err_set(why, APP_TOO_LARGE, "the entry is larger than the store may be");
    char name[MD5_HEX_LEN + 1];
    char aside[ASIDE_NAME_MAX];
    int fd;
    store_before_wait(store);
    enum app_err err = md5_hex(id, id_len, name);
    if (!err)
        err = open_aside(self, len > 0 ? ENTRY_MODE : MARK_MODE, aside, &fd, why);
    if (err)
        return err;
    err = fill_aside(fd, data, len, why);
    if (!err)
        err = rename_aside(self, aside, name, len, why);
    hot_files_drop(self->hot, id, id_len);
    if (err)
        (void)unlinkat(self->directory.fd, aside, 0);
    else if (len == 0 && fsync(self->directory.fd) != 0)
        err = write_failed(why, "fsync", errno);
    return err;
}

/* A full disk passes: what is stored can still be read. */
static enum app_err file_check(struct store *store, struct err_buf *why)
{
    struct store_file *self = self_of(store);
    char aside[ASIDE_NAME_MAX];
    int fd;
    store_before_wait(store);
    enum app_err err = open_aside(self, ENTRY_MODE, aside, &fd, why);
    if (err)
        return err;
    close(fd);
    if (unlinkat(self->directory.fd, aside, 0) != 0)
        return broken(why, "unlink", errno);
    return APP_OK;
}

static void file_look(struct store *store, struct store_state *state)
{
    struct store_directory *directory = &self_of(store)->directory;
    state->entries = atomic_load(&directory->entries);
    pthread_mutex_lock(&directory->lock);
    state->bytes = directory->bytes;
    pthread_mutex_unlock(&directory->lock);
    for (size_t i = 0; i < STORE_REMOVAL__MAX; i++)
        state->removed[i] = atomic_load(&directory->removed[i]);
    state->memory_bytes = (int64_t)hot_files_bytes(self_of(store)->hot);
    state->memory_gets = atomic_load(&self_of(store)->hot_gets);
}

static void sweep(struct store_file *self)
{
    struct store_sweep_result result = {0};
    struct err_buf why = {.text = ""};
    int64_t started = clock_now_ns();
    enum app_err err = store_sweep(&self->directory, &result, &why);
    if (err)
        log_warn(self->log, "Sweep of the store failed",
                 LOG_FIELDS(LOG_STR("error", app_strerror(err)), LOG_STR("detail", why.detail)));
    else
        log_debug(self->log, "Store swept",
                  LOG_FIELDS(LOG_INT("entries", result.entries), LOG_INT("removed", result.removed),
                             LOG_MS("ms", clock_now_ns() - started)));
}

/* Wait until it is time for a sweep. False: the store is being closed. */
static bool wait_for_sweep(struct store_file *self)
{
    int64_t until_ns = deadline_in_ms(SWEEP_INTERVAL_S * 1000);
    pthread_mutex_lock(&self->wake_lock);
    while (!self->wanted && !atomic_load(&self->directory.stopping) &&
           condition_wait(&self->wake, &self->wake_lock, until_ns))
        continue;
    self->wanted = false;
    pthread_mutex_unlock(&self->wake_lock);
    return !atomic_load(&self->directory.stopping);
}

static void *run_sweeper(void *argument)
{
    struct store_file *self = argument;
    while (wait_for_sweep(self))
        sweep(self);
    return NULL;
}

/* Whatever stays when there is no sweeper. */
static void release(struct store_file *self)
{
    if (self->directory.fd >= 0)
        close(self->directory.fd);
    hot_files_free(&self->hot);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->wake_lock);
    pthread_mutex_destroy(&self->directory.lock);
    free(self);
}

static void file_free(struct store *store)
{
    struct store_file *self = self_of(store);
    pthread_mutex_lock(&self->wake_lock);
    atomic_store(&self->directory.stopping, true);
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->wake_lock);
    pthread_join(self->sweeper, NULL);
    release(self);
}

static const struct store_operations operations = {
    .get = file_get,
    .put = file_put,
    .exists = file_exists,
    .check = file_check,
    .look = file_look,
    .free = file_free,
};

static struct store_file *allocate(const struct store_file_options *options)
{
    struct store_file *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->base.operations = &operations;
    self->log = options->log;
    self->directory.fd = -1;
    self->directory.max_life_ms = options->max_life_ms;
    self->directory.max_bytes = options->max_bytes;
    pthread_mutex_init(&self->directory.lock, NULL);
    pthread_mutex_init(&self->wake_lock, NULL);
    pthread_cond_init(&self->wake, NULL);
    return self;
}

static enum app_err open_directory(struct store_file *self, const char *path, struct err_buf *why)
{
    if (mkdir(path, DIRECTORY_MODE) != 0 && errno != EEXIST)
        return err_set(why, APP_CONFIG, "%s: cannot be made: %s", path, strerror(errno));
    self->directory.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->directory.fd < 0)
        return err_set(why, APP_CONFIG, "%s: cannot be opened: %s", path, strerror(errno));
    struct err_buf reason = {.text = ""};
    if (file_check(&self->base, &reason))
        return err_set(why, APP_CONFIG, "%s: cannot be written: %s", path, reason.detail);
    self->directory.has_flock =
        flock(self->directory.fd, LOCK_SH) == 0 && flock(self->directory.fd, LOCK_UN) == 0;
    if (!self->directory.has_flock)
        log_warn(self->log, "No locks here, only one process may use this directory",
                 LOG_FIELDS(LOG_STR("directory", path), LOG_STR("error", strerror(errno))));
    return APP_OK;
}

enum app_err store_file_new(const struct store_file_options *options, struct store **store,
                            struct err_buf *why)
{
    struct store_file *self = allocate(options);
    if (!self)
        return APP_NO_MEMORY;
    enum app_err err = open_directory(self, options->directory, why);
    if (!err && options->memory_bytes > 0)
        err = hot_files_new((size_t)options->memory_bytes, &self->hot);
    if (err) {
        release(self);
        return err;
    }
    sweep(self); /* now, so that what the directory holds is known from the first put on */
    if (pthread_create(&self->sweeper, NULL, run_sweeper, self) != 0) {
        release(self);
        return err_set(why, APP_INTERNAL, "cannot start the thread that sweeps the store");
    }
    *store = &self->base;
    return APP_OK;
}

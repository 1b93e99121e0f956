/* SPDX-License-Identifier: MIT */
/*
 * Registration and the control thread. A lock tells the living from the dead
 * without pids that may have been given again, and goes away with the process
 * however it dies.
 */
#include "profiling/pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "profiling/pool_private.h"

enum { TICK_MS = 1000, BACKLOG = 64 };

void pool_path(int dir_fd, const char *name, char out[POOL_PATH_MAX])
{
    (void)snprintf(out, POOL_PATH_MAX, "/proc/self/fd/%d/%s", dir_fd, name);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void own_name(const char *suffix, char out[POOL_NAME_MAX])
{
    (void)snprintf(out, POOL_NAME_MAX, "%ld.%s", (long)getpid(), suffix);
}

/* --- Registration ---------------------------------------------------------------- */

/* RUN_DIR as an O_PATH descriptor: ours, and nobody else's to enter. -1 with errno. */
static int open_run_dir(const char *path)
{
    struct stat status;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return -1;
    int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        goto failed;
    if (status.st_uid != geteuid()) {
        errno = EPERM;
        goto failed;
    }
    if ((status.st_mode & 077) && chmod(path, 0700) != 0)
        goto failed;
    return fd;
failed:
    if (fd >= 0) {
        int error = errno;
        close(fd);
        errno = error;
    }
    return -1;
}

/*
 * Our lock file, locked. Another process may take a fresh file for a dead one's
 * and remove it before we hold the lock; then the name is made again.
 */
static int open_lock(int dir_fd)
{
    char name[POOL_NAME_MAX];
    own_name("lock", name);
    for (int attempt = 0; attempt < 10; attempt++) {
        struct stat ours, named;
        int fd = openat(dir_fd, name, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &ours) == 0 &&
            fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == named.st_ino)
            return fd;
        close(fd);
    }
    errno = EAGAIN;
    return -1;
}

static int open_socket(int dir_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[POOL_NAME_MAX];
    own_name("sock", name);
    (void)unlinkat(dir_fd, name, 0);
    pool_path(dir_fd, name, address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* On Linux the file takes its mode from the socket, so it is never wider. */
    if (fd >= 0 && fchmod(fd, 0600) == 0 &&
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    close_fd(&fd);
    return -1;
}

/* Called with the lock held. */
static void unregister(struct pool *pool)
{
    char name[POOL_NAME_MAX];
    if (pool->dir_fd >= 0) {
        own_name("sock", name);
        (void)unlinkat(pool->dir_fd, name, 0);
        own_name("lock", name);
        (void)unlinkat(pool->dir_fd, name, 0);
    }
    close_fd(&pool->listen_fd);
    close_fd(&pool->lock_fd);
    close_fd(&pool->dir_fd);
}

/* Called with the lock held. */
static bool register_self(struct pool *pool)
{
    pool->dir_fd = open_run_dir(pool->run_dir);
    if (pool->dir_fd >= 0)
        pool->lock_fd = open_lock(pool->dir_fd);
    if (pool->lock_fd >= 0)
        pool->listen_fd = open_socket(pool->dir_fd);
    if (pool->listen_fd >= 0)
        return true;
    int error = errno;
    unregister(pool);
    errno = error;
    return false;
}

/* Whether our files are still there under their names. Called with the lock held. */
static bool is_registered(const struct pool *pool)
{
    struct stat lock, socket_file;
    char name[POOL_NAME_MAX];
    if (pool->listen_fd < 0 || fstat(pool->lock_fd, &lock) != 0 || lock.st_nlink == 0)
        return false;
    own_name("sock", name);
    return fstatat(pool->dir_fd, name, &socket_file, AT_SYMLINK_NOFOLLOW) == 0;
}

static void renew_registration(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    if (!is_registered(pool)) {
        bool was = pool->listen_fd >= 0;
        unregister(pool);
        bool now = register_self(pool);
        if (was && !now)
            log_warn(
                pool->options.log, "This process left its pool",
                LOG_FIELDS(LOG_STR("run_dir", pool->run_dir), LOG_STR("error", strerror(errno))));
        if (now)
            log_info(pool->options.log, "This process joined its pool",
                     LOG_FIELDS(LOG_STR("run_dir", pool->run_dir)));
    }
    pthread_mutex_unlock(&pool->lock);
}

/* --- Siblings ---------------------------------------------------------------------- */

/* The pid of a "<pid>.lock"; 0 for other names. */
static pid_t pid_of_lock(const char *name)
{
    char *end;
    long pid = strtol(name, &end, 10);
    return end != name && pid > 0 && strcmp(end, ".lock") == 0 ? (pid_t)pid : 0;
}

/* Whether its owner lives; a dead one's files are removed. */
static bool is_alive(int dir_fd, const char *lock_name, pid_t pid)
{
    int fd = openat(dir_fd, lock_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    bool alive = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (!alive) {
        char socket_name[POOL_NAME_MAX];
        (void)snprintf(socket_name, sizeof(socket_name), "%ld.sock", (long)pid);
        (void)unlinkat(dir_fd, socket_name, 0);
        (void)unlinkat(dir_fd, lock_name, 0);
    }
    close(fd);
    return alive;
}

static int compare_pids(const void *a, const void *b)
{
    pid_t first = *(const pid_t *)a, second = *(const pid_t *)b;
    return (first > second) - (first < second);
}

size_t pool_siblings(struct pool *pool, pid_t pids[POOL_MAX_SIBLINGS])
{
    size_t count = 0;
    pthread_mutex_lock(&pool->lock);
    int fd = pool->dir_fd < 0 ? -1 : openat(pool->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory) {
        struct dirent *entry;
        while (count < POOL_MAX_SIBLINGS && (entry = readdir(directory)) != NULL) {
            pid_t pid = pid_of_lock(entry->d_name);
            if (pid > 0 && is_alive(fd, entry->d_name, pid))
                pids[count++] = pid;
        }
        closedir(directory);
    } else if (fd >= 0) {
        close(fd);
    }
    pthread_mutex_unlock(&pool->lock);
    qsort(pids, count, sizeof(pids[0]), compare_pids);
    return count;
}

int pool_open_file(struct pool *pool, const char *name)
{
    pthread_mutex_lock(&pool->lock);
    int fd = pool->dir_fd < 0
                 ? -1
                 : openat(pool->dir_fd, name, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    pthread_mutex_unlock(&pool->lock);
    return fd;
}

/* --- The control thread --------------------------------------------------------------- */

static void accept_sibling(struct pool *pool, int listen_fd)
{
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (pool_peer_is_ours(fd))
        pool_serve_connection(pool, fd);
    else
        close(fd);
}

static void *control_thread(void *argument)
{
    struct pool *pool = argument;
    int64_t next_tick_ns = deadline_in_ms(TICK_MS);
    for (;;) {
        pthread_mutex_lock(&pool->lock);
        int listen_fd = pool->listen_fd; /* only this thread changes it */
        pthread_mutex_unlock(&pool->lock);

        struct pollfd fds[] = {{pool->stop_fd, POLLIN, 0}, {listen_fd, POLLIN, 0}};
        (void)poll(fds, 2, (int)deadline_left_ms(next_tick_ns));
        if (fds[0].revents)
            return NULL;
        if (fds[1].revents)
            accept_sibling(pool, listen_fd);
        if (deadline_left_ms(next_tick_ns) == 0) {
            renew_registration(pool);
            if (pool->options.tick)
                pool->options.tick(pool->options.context);
            next_tick_ns = deadline_in_ms(TICK_MS);
        }
    }
}

static void release(struct pool *pool)
{
    unregister(pool);
    close_fd(&pool->stop_fd);
    pthread_cond_destroy(&pool->idle);
    pthread_mutex_destroy(&pool->lock);
    free(pool->run_dir);
    free(pool);
}

enum app_err pool_new(const struct pool_options *options, struct pool **out, struct err_buf *why)
{
    struct pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return APP_NO_MEMORY;
    pool->options = *options;
    pool->dir_fd = pool->lock_fd = pool->listen_fd = -1;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->idle, NULL);
    pool->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pool->run_dir = strdup(options->run_dir);
    if (!pool->run_dir || pool->stop_fd < 0) {
        release(pool);
        return APP_NO_MEMORY;
    }
    if (!register_self(pool))
        log_warn(
            options->log, "This process is not in a pool: RUN_DIR cannot be used",
            LOG_FIELDS(LOG_STR("run_dir", options->run_dir), LOG_STR("error", strerror(errno))));
    if (pthread_create(&pool->thread, NULL, control_thread, pool) != 0) {
        release(pool);
        return err_set(why, APP_INTERNAL, "the control thread cannot be started");
    }
    *out = pool;
    return APP_OK;
}

void pool_stop(struct pool *pool)
{
    (void)eventfd_write(pool->stop_fd, 1);
}

void pool_free(struct pool **freed)
{
    struct pool *pool = *freed;
    if (!pool)
        return;
    *freed = NULL;
    pool_stop(pool);
    pthread_join(pool->thread, NULL);

    pthread_mutex_lock(&pool->lock);
    unregister(pool);
    while (pool->commands > 0)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    release(pool);
}

/* SPDX-License-Identifier: MIT */
#include "api/localcache/tier_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { DIR_MODE = 0750, FILE_MODE = 0640, HASH_LEN = 16, PIECES_AT_ONCE = 64, PROC_PATH_MAX = 32 };

static const char *const place_names[TIER_PLACE__MAX] = {[TIER_JPEG] = "jpeg",
                                                         [TIER_PNG] = "png",
                                                         [TIER_GIF] = "gif",
                                                         [TIER_WEBP] = "webp",
                                                         [TIER_OTHER] = "other"};

static void file_name(const struct tier_file *file, char name[TIER_FILE_NAME_MAX + 1])
{
    (void)snprintf(name, TIER_FILE_NAME_MAX + 1, "%s.%016" PRIx64, file->name, file->hash);
}

/* --- Directories ----------------------------------------------------------------- */

static int open_dir(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The parent's group and setgid bit go down to it. */
static int make_dir(int parent, const char *name)
{
    struct stat status;
    if (mkdirat(parent, name, DIR_MODE) != 0 && errno != EEXIST)
        return -1;
    int fd = open_dir(parent, name);
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) == 0 && (status.st_mode & 0777) != DIR_MODE)
        (void)fchmod(fd, DIR_MODE | (status.st_mode & S_ISGID));
    return fd;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void close_all(struct tier_dir *dir)
{
    close_fd(&dir->root);
    for (size_t i = 0; i < TIER_PLACE__MAX; i++)
        close_fd(&dir->files[i]);
    for (size_t i = 0; i < TIER_OTHER; i++)
        close_fd(&dir->direct[i]);
}

enum app_err tier_dir_init(struct tier_dir *dir, const char *path, int64_t direct_seconds)
{
    *dir = (struct tier_dir){.path = path,
                             .direct_seconds = direct_seconds,
                             .root = -1,
                             .files = {-1, -1, -1, -1, -1},
                             .direct = {-1, -1, -1, -1}};
    return pthread_rwlock_init(&dir->lock, NULL) == 0 ? APP_OK : APP_NO_MEMORY;
}

void tier_dir_close(struct tier_dir *dir)
{
    close_all(dir);
    (void)pthread_rwlock_destroy(&dir->lock);
}

static bool is_linked(int fd)
{
    struct stat status;
    return fd >= 0 && fstat(fd, &status) == 0 && status.st_nlink > 0;
}

/* Called by the one thread that also reopens, so it needs no lock. */
bool tier_dir_is_intact(struct tier_dir *dir)
{
    struct stat ours, found;
    bool intact = dir->root >= 0 && fstat(dir->root, &ours) == 0 && lstat(dir->path, &found) == 0 &&
                  ours.st_dev == found.st_dev && ours.st_ino == found.st_ino;
    for (size_t i = 0; i < TIER_PLACE__MAX && intact; i++)
        intact = is_linked(dir->files[i]);
    for (size_t i = 0; i < TIER_OTHER && intact && dir->direct_seconds > 0; i++)
        intact = is_linked(dir->direct[i]);
    return intact;
}

/* `fds` of the first `count` places below `name`. */
static bool open_places(struct tier_dir *dir, const char *name, int *fds, size_t count)
{
    int parent = make_dir(dir->root, name);
    bool opened = parent >= 0;
    for (size_t i = 0; i < count && opened; i++) {
        fds[i] = make_dir(parent, place_names[i]);
        opened = fds[i] >= 0;
    }
    int saved = errno;
    close_fd(&parent);
    errno = saved;
    return opened;
}

static void direct_name(const struct tier_dir *dir, char *name, size_t size)
{
    (void)snprintf(name, size, "direct-%" PRId64, dir->direct_seconds);
}

static DIR *list(int fd)
{
    int own = open_dir(fd, ".");
    DIR *directory = own < 0 ? NULL : fdopendir(own);
    if (!directory)
        close_fd(&own);
    return directory;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* All that is in it, down to the second level, and itself. */
static void remove_tree(int parent, const char *name, int depth)
{
    int fd = open_dir(parent, name);
    DIR *directory = fd < 0 ? NULL : list(fd);
    const struct dirent *found;
    while (directory && (found = readdir(directory))) {
        if (is_dots(found->d_name))
            continue;
        if (unlinkat(fd, found->d_name, 0) != 0 && depth > 0)
            remove_tree(fd, found->d_name, depth - 1);
    }
    if (directory)
        (void)closedir(directory);
    close_fd(&fd);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

/* Of a configuration that is not ours. */
static void remove_other_direct(struct tier_dir *dir)
{
    char ours[NAME_MAX];
    DIR *directory = list(dir->root);
    const struct dirent *found;
    direct_name(dir, ours, sizeof(ours));
    while (directory && (found = readdir(directory))) {
        if (strncmp(found->d_name, "direct-", 7) == 0 &&
            (dir->direct_seconds == 0 || strcmp(found->d_name, ours) != 0))
            remove_tree(dir->root, found->d_name, 1);
    }
    if (directory)
        (void)closedir(directory);
}

static bool open_all(struct tier_dir *dir)
{
    char name[NAME_MAX];
    if (mkdir(dir->path, DIR_MODE) != 0 && errno != EEXIST)
        return false;
    dir->root = open_dir(AT_FDCWD, dir->path);
    if (dir->root < 0 || !open_places(dir, "files", dir->files, TIER_PLACE__MAX))
        return false;
    remove_other_direct(dir);
    direct_name(dir, name, sizeof(name));
    return dir->direct_seconds == 0 || open_places(dir, name, dir->direct, TIER_OTHER);
}

/* Whoever else could write there could have the web server send what they like. */
static bool is_ours(struct tier_dir *dir, struct err_buf *why)
{
    struct stat status;
    if (fstat(dir->root, &status) == 0 && status.st_uid == geteuid() && (status.st_mode & 022) == 0)
        return true;
    err_detail(why, "the directory belongs to another user, or others can write to it");
    return false;
}

enum app_err tier_dir_reopen(struct tier_dir *dir, struct err_buf *why)
{
    (void)pthread_rwlock_wrlock(&dir->lock);
    close_all(dir);
    bool opened = open_all(dir);
    if (!opened)
        err_detail(why, "the directory cannot be used: %s", strerrordesc_np(errno));
    else
        opened = is_ours(dir, why);
    if (!opened)
        close_all(dir);
    (void)pthread_rwlock_unlock(&dir->lock);
    return opened ? APP_OK : APP_CONFIG;
}

/* --- Files ----------------------------------------------------------------------- */

void tier_dir_path(const struct tier_dir *dir, const struct tier_file *file, char path[PATH_MAX])
{
    char name[TIER_FILE_NAME_MAX + 1];
    file_name(file, name);
    (void)snprintf(path, PATH_MAX, "%s/files/%s/%s", dir->path, place_names[file->place], name);
}

/* By its whole path, as the web server does: the directory may be another one by now. */
bool tier_dir_has(struct tier_dir *dir, const struct tier_file *file)
{
    char path[PATH_MAX];
    struct stat status;
    tier_dir_path(dir, file, path);
    return lstat(path, &status) == 0 && S_ISREG(status.st_mode) &&
           (uint64_t)status.st_size == file->len;
}

static bool write_all(int fd, const struct iovec *pieces, size_t count)
{
    off_t at = 0;
    size_t skip = 0; /* of the first piece */
    while (count > 0) {
        struct iovec some[PIECES_AT_ONCE];
        size_t used = count < PIECES_AT_ONCE ? count : PIECES_AT_ONCE;
        memcpy(some, pieces, used * sizeof(*some));
        some[0].iov_base = (char *)some[0].iov_base + skip;
        some[0].iov_len -= skip;
        ssize_t written = pwritev(fd, some, (int)used, at);
        if (written <= 0) {
            if (written < 0 && errno == EINTR)
                continue;
            if (written == 0)
                errno = ENOSPC;
            return false;
        }
        at += written;
        skip += (size_t)written;
        while (count > 0 && skip >= pieces->iov_len) {
            skip -= pieces->iov_len;
            pieces++;
            count--;
        }
    }
    return true;
}

int tier_dir_write(struct tier_dir *dir, enum tier_place place, const struct iovec *pieces,
                   size_t count)
{
    errno = ENOENT;
    (void)pthread_rwlock_rdlock(&dir->lock);
    int fd = dir->files[place] < 0
                 ? -1
                 : openat(dir->files[place], ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, FILE_MODE);
    int saved = errno;
    (void)pthread_rwlock_unlock(&dir->lock);
    errno = saved;
    if (fd >= 0 && (fchmod(fd, FILE_MODE) != 0 || !write_all(fd, pieces, count))) {
        saved = errno;
        close_fd(&fd);
        errno = saved;
    }
    return fd;
}

bool tier_dir_link(struct tier_dir *dir, int fd, const struct tier_file *file)
{
    char name[TIER_FILE_NAME_MAX + 1];
    char proc_path[PROC_PATH_MAX];
    file_name(file, name);
    (void)snprintf(proc_path, sizeof(proc_path), "/proc/self/fd/%d", fd);
    (void)pthread_rwlock_rdlock(&dir->lock);
    bool linked =
        linkat(AT_FDCWD, proc_path, dir->files[file->place], name, AT_SYMLINK_FOLLOW) == 0;
    int saved = errno;
    (void)pthread_rwlock_unlock(&dir->lock);
    errno = saved;
    return linked || (saved == EEXIST && tier_dir_has(dir, file));
}

static bool has_direct(const struct tier_dir *dir, const struct tier_file *file)
{
    return file->place < TIER_OTHER && dir->direct[file->place] >= 0;
}

/* Without a link in between: a rename would do nothing when both are one file. */
bool tier_dir_link_direct(struct tier_dir *dir, const struct tier_file *file)
{
    char name[TIER_FILE_NAME_MAX + 1];
    bool linked = false;
    file_name(file, name);
    (void)pthread_rwlock_rdlock(&dir->lock);
    if (has_direct(dir, file)) {
        int to = dir->direct[file->place];
        (void)unlinkat(to, file->name, 0);
        linked = linkat(dir->files[file->place], name, to, file->name, 0) == 0;
    }
    (void)pthread_rwlock_unlock(&dir->lock);
    return linked;
}

void tier_dir_unlink(struct tier_dir *dir, const struct tier_file *file)
{
    char name[TIER_FILE_NAME_MAX + 1];
    file_name(file, name);
    (void)pthread_rwlock_rdlock(&dir->lock);
    if (dir->files[file->place] >= 0)
        (void)unlinkat(dir->files[file->place], name, 0);
    (void)pthread_rwlock_unlock(&dir->lock);
}

void tier_dir_unlink_direct(struct tier_dir *dir, const struct tier_file *file)
{
    (void)pthread_rwlock_rdlock(&dir->lock);
    if (has_direct(dir, file))
        (void)unlinkat(dir->direct[file->place], file->name, 0);
    (void)pthread_rwlock_unlock(&dir->lock);
}

/* --- Looking through them -------------------------------------------------------- */

/* NAME.HASH in its two parts; `name` has room for LIMIT_CACHE_ID characters. */
static bool split_name(const char *text, char *name, uint64_t *hash)
{
    size_t len = strlen(text);
    if (len <= HASH_LEN + 1 || len > TIER_FILE_NAME_MAX || text[len - HASH_LEN - 1] != '.')
        return false;
    const char *digits = text + len - HASH_LEN;
    if (digits[strspn(digits, "0123456789abcdef")] != '\0')
        return false;
    *hash = strtoull(digits, NULL, 16);
    memcpy(name, text, len - HASH_LEN - 1);
    name[len - HASH_LEN - 1] = '\0';
    return true;
}

static void visit_file(const struct tier_dir_visitor *visitor, int fd, enum tier_place place,
                       const struct dirent *found)
{
    char name[LIMIT_CACHE_ID + 1];
    struct tier_file file = {.place = place, .name = name};
    struct stat status;
    if (fstatat(fd, found->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    file.len = (uint64_t)status.st_size;
    if (S_ISREG(status.st_mode) && split_name(found->d_name, name, &file.hash))
        visitor->file(visitor->context, &file,
                      status.st_ctim.tv_sec * NS_PER_S + status.st_ctim.tv_nsec);
    else
        (void)unlinkat(fd, found->d_name, 0);
}

static void visit_direct(const struct tier_dir_visitor *visitor, int fd, enum tier_place place,
                         const struct dirent *found)
{
    const struct tier_file file = {.place = place, .name = found->d_name};
    if (found->d_type == DT_REG && strlen(found->d_name) <= LIMIT_CACHE_ID)
        visitor->direct(visitor->context, &file);
    else
        (void)unlinkat(fd, found->d_name, 0);
}

/* The directory of that number: first those of files, then the direct ones. -1: none. */
static int walk_fd(const struct tier_dir *dir, size_t number)
{
    if (number < TIER_PLACE__MAX)
        return dir->files[number];
    number -= TIER_PLACE__MAX;
    return number < TIER_OTHER ? dir->direct[number] : -1;
}

/* The next name of any directory but dots; NULL after the last. */
static const struct dirent *next_name(const struct tier_dir *dir, struct tier_walk *walk)
{
    while (walk->number < TIER_PLACE__MAX + TIER_OTHER) {
        const struct dirent *found;
        if (!walk->directory && walk_fd(dir, walk->number) >= 0)
            walk->directory = list(walk_fd(dir, walk->number));
        while (walk->directory && (found = readdir(walk->directory))) {
            if (!is_dots(found->d_name))
                return found;
        }
        if (walk->directory)
            (void)closedir(walk->directory);
        walk->directory = NULL;
        walk->number++;
    }
    return NULL;
}

/* Called by the thread that reopens, so the descriptors stay without the lock. */
bool tier_dir_walk(struct tier_dir *dir, struct tier_walk *walk,
                   const struct tier_dir_visitor *visitor, size_t count)
{
    const struct dirent *found = NULL;
    while (count-- > 0 && (found = next_name(dir, walk))) {
        int fd = dirfd(walk->directory);
        if (walk->number < TIER_PLACE__MAX)
            visit_file(visitor, fd, (enum tier_place)walk->number, found);
        else
            visit_direct(visitor, fd, (enum tier_place)(walk->number - TIER_PLACE__MAX), found);
    }
    if (!found)
        tier_walk_end(walk);
    return found != NULL;
}

void tier_walk_end(struct tier_walk *walk)
{
    if (walk->directory)
        (void)closedir(walk->directory);
    *walk = (struct tier_walk){.directory = NULL};
}

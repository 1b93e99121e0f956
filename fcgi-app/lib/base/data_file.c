/* SPDX-License-Identifier: MIT */
#include "lib/base/data_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define INSTALLED "../share/emojify-api/"

/* The program's directory with a slash at its end; false when it cannot be told. */
static bool find_program_directory(char directory[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", directory, PATH_MAX - 1);
    if (len < 0)
        return false;
    directory[len] = '\0';
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[1] = '\0';
    return slash != NULL;
}

static enum app_err find(const char *name, const char *what, char path[PATH_MAX],
                         struct err_buf *why)
{
    static const char *const places[] = {"", INSTALLED};
    char directory[PATH_MAX];
    if (!find_program_directory(directory))
        return err_set(why, APP_CONFIG, "%s: /proc/self/exe: %s", what, strerror(errno));
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (snprintf(path, PATH_MAX, "%s%s%s", directory, places[i], name) >= PATH_MAX)
            return err_set(why, APP_CONFIG, "%s: the program's path is too long", what);
        if (access(path, F_OK) == 0)
            return APP_OK;
    }
    return err_set(why, APP_CONFIG, "%s %s is neither in %s nor in %s%s", what, name, directory,
                   directory, INSTALLED);
}

/* False with errno set. */
static bool map(int fd, struct data_file *file)
{
    struct stat status;
    if (fstat(fd, &status))
        return false;
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        errno = EINVAL;
        return false;
    }
    void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        return false;
    file->data = data;
    file->len = (size_t)status.st_size;
    return true;
}

enum app_err data_file_open(const char *path, const char *name, const char *what,
                            struct data_file *file, struct err_buf *why)
{
    struct data_file opened = {.data = NULL};
    if (!path) {
        enum app_err err = find(name, what, opened.path, why);
        if (err)
            return err;
    } else if (snprintf(opened.path, sizeof(opened.path), "%s", path) >= (int)sizeof(opened.path)) {
        return err_set(why, APP_CONFIG, "%s: the path is too long", what);
    }
    int fd = open(opened.path, O_RDONLY | O_CLOEXEC);
    bool mapped = fd >= 0 && map(fd, &opened);
    int reason = errno;
    if (fd >= 0)
        close(fd);
    if (!mapped)
        return err_set(why, APP_CONFIG, "%s %s: %s", what, opened.path, strerror(reason));
    *file = opened;
    return APP_OK;
}

void data_file_close(struct data_file *file)
{
    if (file->data)
        munmap(file->data, file->len);
    file->data = NULL;
    file->len = 0;
}

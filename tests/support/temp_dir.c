/* SPDX-License-Identifier: MIT */
/* Plain system calls; a failed one ends the test through cmocka's asserts. */
#include "support/temp_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

void temp_dir_init(struct temp_dir *dir)
{
    (void)snprintf(dir->path, sizeof(dir->path), "/tmp/emojify-test-XXXXXX");
    assert_non_null(mkdtemp(dir->path));
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void temp_dir_release(struct temp_dir *dir)
{
    (void)nftw(dir->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void temp_dir_path(const struct temp_dir *dir, const char *name, char out[PATH_MAX])
{
    int len = snprintf(out, PATH_MAX, "%s/%s", dir->path, name);
    assert_in_range(len, 1, PATH_MAX - 1);
}

void temp_dir_write(const struct temp_dir *dir, const char *name, const void *data, size_t len)
{
    char path[PATH_MAX];
    temp_dir_path(dir, name, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

void temp_dir_set_times(const struct temp_dir *dir, const char *name, long read_ago,
                        long written_ago)
{
    char path[PATH_MAX];
    temp_dir_path(dir, name, path);
    time_t now = time(NULL);
    const struct timespec times[2] = {{.tv_sec = now - read_ago}, {.tv_sec = now - written_ago}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

bool temp_dir_has(const struct temp_dir *dir, const char *name)
{
    char path[PATH_MAX];
    temp_dir_path(dir, name, path);
    return access(path, F_OK) == 0;
}

size_t temp_dir_count(const struct temp_dir *dir)
{
    DIR *stream = opendir(dir->path);
    assert_non_null(stream);
    size_t count = 0;
    for (const struct dirent *entry; (entry = readdir(stream));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(stream);
    return count;
}

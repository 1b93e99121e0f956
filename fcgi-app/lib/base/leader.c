/* SPDX-License-Identifier: MIT */
#include "lib/base/leader.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_still_there(int fd, const char *path)
{
    struct stat ours, found;
    return fstat(fd, &ours) == 0 && stat(path, &found) == 0 && ours.st_dev == found.st_dev &&
           ours.st_ino == found.st_ino;
}

bool leader_is_us(struct leader *leader, const char *path)
{
    if (leader->fd >= 0 && is_still_there(leader->fd, path))
        return true;
    leader_release(leader);
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_still_there(fd, path))
        leader->fd = fd;
    else if (fd >= 0)
        (void)close(fd);
    return leader->fd >= 0;
}

void leader_release(struct leader *leader)
{
    if (leader->fd >= 0)
        (void)close(leader->fd);
    leader->fd = -1;
}

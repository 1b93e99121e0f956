/* SPDX-License-Identifier: MIT */
/*
 * The file has FILE_PLACES numbers, the deadlines of those that hold the locks on them:
 * more than PLACE_MAX, for those that are overdue. Each place is locked by a descriptor of
 * its own, since such a lock belongs to the open file.
 */
#include "profiling/place.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { FILE_PLACES = 16 };

static const char file_name[] = "profiles.places";

static bool try_lock(int fd, int64_t offset)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = sizeof(int64_t)};
    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* 0, which is what a place has before its deadline was written, is never overdue. */
static bool is_overdue(int fd, int64_t offset)
{
    int64_t deadline_ns = 0;
    return pread(fd, &deadline_ns, sizeof(deadline_ns), offset) == sizeof(deadline_ns) &&
           deadline_ns > 0 && clock_now_ns() - PLACE_OVERDUE_MS * NS_PER_MS > deadline_ns;
}

static void set_deadline(int fd, int64_t offset, int64_t deadline_ns)
{
    /* On a full disk there is no deadline, and the place is never overdue. */
    ssize_t written = pwrite(fd, &deadline_ns, sizeof(deadline_ns), offset);
    (void)written;
}

enum app_err place_take(struct pool *pool, int64_t deadline_ns, struct place *place,
                        struct err_buf *why)
{
    unsigned taken = 0;
    *place = (struct place){.fd = -1};
    int fd = pool_open_file(pool, file_name);
    if (fd < 0)
        return APP_OK;
    for (int64_t offset = 0; taken < PLACE_MAX && offset < FILE_PLACES * (int64_t)sizeof(int64_t);
         offset += (int64_t)sizeof(int64_t)) {
        if (try_lock(fd, offset)) {
            set_deadline(fd, offset, deadline_ns);
            *place = (struct place){fd, offset};
            return APP_OK;
        }
        if (errno != EAGAIN && errno != EACCES) { /* locks cannot be had there */
            close(fd);
            return APP_OK;
        }
        taken += !is_overdue(fd, offset);
    }
    close(fd);
    return err_set(why, APP_BUSY, "%d profiles are being taken already", PLACE_MAX);
}

void place_leave(struct place *place)
{
    if (place->fd < 0)
        return;
    set_deadline(place->fd, place->offset, 0);
    close(place->fd);
    place->fd = -1;
}

/* SPDX-License-Identifier: MIT */
#include "lib/base/background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A session is the process's own only if it leads it; others may have a shell in theirs. */
static void lower_autogroup(void)
{
    char text[16];
    if (getsid(0) != getpid())
        return;
    int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)snprintf(text, sizeof(text), "%d", BACKGROUND_NICE);
    ssize_t written = write(fd, text, strlen(text));
    (void)written; /* in vain where there are no autogroups, which is as good */
    close(fd);
}

void background_enter(void)
{
    errno = 0;
    int nice_now = getpriority(PRIO_PROCESS, 0);
    if (errno == 0 && nice_now < BACKGROUND_NICE)
        (void)setpriority(PRIO_PROCESS, 0, BACKGROUND_NICE);
    lower_autogroup();
}

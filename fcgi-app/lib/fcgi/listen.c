/* SPDX-License-Identifier: MIT */
/*
 * Not FCGX_OpenSocket: that one removes whatever is at the path, gives the
 * socket whatever mode the umask leaves, knows IPv4 only and ends the process
 * on an error.
 */
#include "lib/base/host_port.h"
#include "lib/fcgi/worker.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 1024, /* a full one makes lighttpd answer 500 at once */
    INHERITED_FD = 0,
    /* A request's beginning is checked in the socket's buffer, so it must fit there. */
    TCP_RECEIVE_BUFFER = 512 * 1024,
};

/* The path that `address` names, or NULL when it names a host and port. */
static const char *socket_path(const char *address)
{
    if (strncmp(address, "unix:", 5) == 0)
        return address + 5;
    return address[0] == '/' ? address : NULL;
}

/* --- Unix sockets --- */

static bool is_listening(const struct sockaddr_un *sun)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true;
    /* Only this error says that nobody does; a full backlog is EAGAIN. */
    bool refused = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) != 0 &&
                   (errno == ECONNREFUSED || errno == ENOENT);
    (void)close(fd);
    return !refused;
}

static enum app_err remove_stale(const struct sockaddr_un *sun, struct err_buf *why)
{
    struct stat status;
    if (lstat(sun->sun_path, &status) != 0)
        return APP_OK; /* bind says what else is wrong */
    if (!S_ISSOCK(status.st_mode))
        return err_set(why, APP_CONFIG, "%.200s exists and is not a socket", sun->sun_path);
    if (is_listening(sun))
        return err_set(why, APP_CONFIG, "another process listens on %.200s", sun->sun_path);
    if (unlink(sun->sun_path) != 0 && errno != ENOENT)
        return err_set(why, APP_CONFIG, "cannot remove the stale socket %.200s: %s", sun->sun_path,
                       strerrordesc_np(errno));
    return APP_OK;
}

static enum app_err listen_unix(const char *path, int *result, struct err_buf *why)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(sun.sun_path))
        return err_set(why, APP_CONFIG, "the socket's path must have 1 to %zu characters",
                       sizeof(sun.sun_path) - 1);
    memcpy(sun.sun_path, path, len + 1);
    enum app_err err = remove_stale(&sun, why);
    if (err)
        return err;

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* bind gives the file the socket's own mode, so it never has a wider one. */
    if (fd < 0 || fchmod(fd, 0600) != 0 ||
        bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) != 0 || listen(fd, BACKLOG) != 0) {
        err = err_set(why, APP_CONFIG, "cannot listen on %.200s: %s", path, strerrordesc_np(errno));
        if (fd >= 0)
            (void)close(fd);
        return err;
    }
    *result = fd;
    return APP_OK;
}

/* --- TCP --- */

static int open_tcp(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1, size = TCP_RECEIVE_BUFFER;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static enum app_err listen_tcp(const char *address, int *result, struct err_buf *why)
{
    struct host_port place;
    if (!host_port_read(address, strlen(address), &place))
        return err_set(why, APP_CONFIG, "%.200s is neither a path that begins with / nor host:port",
                       address);
    struct addrinfo *list = NULL;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int status = getaddrinfo(place.host[0] ? place.host : NULL, place.port, &hints, &list);
    if (status != 0)
        return err_set(why, APP_CONFIG, "cannot listen on %.200s: %s", address,
                       gai_strerror(status));
    int fd = -1;
    for (const struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
        fd = open_tcp(info);
    freeaddrinfo(list);
    if (fd < 0)
        return err_set(why, APP_CONFIG, "cannot listen on %.200s: %s", address,
                       strerrordesc_np(errno));
    *result = fd;
    return APP_OK;
}

/* --- Inherited --- */

/*
 * Who may connect can make us do anything, so nobody beyond the owner may. A
 * group that may write was given that on purpose (SocketGroup= of systemd, -M of
 * spawn-fcgi) and keeps it.
 */
static enum app_err tighten_mode(int fd, struct err_buf *why)
{
    struct sockaddr_un sun = {0};
    socklen_t len = sizeof(sun) - 1; /* the path need not end in a NUL */
    struct stat status;
    if (getsockname(fd, (struct sockaddr *)&sun, &len) != 0 || sun.sun_family != AF_UNIX ||
        sun.sun_path[0] == '\0' || lstat(sun.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode) ||
        status.st_uid != geteuid())
        return APP_OK;
    mode_t mode = status.st_mode & S_IWGRP ? 0660 : 0600;
    if ((status.st_mode & 0777 & ~mode) != 0 && chmod(sun.sun_path, mode) != 0)
        return err_set(why, APP_CONFIG, "cannot set the mode of %.200s: %s", sun.sun_path,
                       strerrordesc_np(errno));
    return APP_OK;
}

static enum app_err inherit(int *result, struct err_buf *why)
{
    int listening = 0;
    socklen_t len = sizeof(listening);
    if (getsockopt(INHERITED_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || !listening)
        return err_set(why, APP_CONFIG,
                       "standard input is not a listening socket: start me from a web server or "
                       "give --listen");
    enum app_err err = tighten_mode(INHERITED_FD, why);
    if (err == APP_OK)
        *result = INHERITED_FD;
    return err;
}

enum app_err fcgi_listen(const char *address, int *fd, struct err_buf *why)
{
    if (!address)
        return inherit(fd, why);
    const char *path = socket_path(address);
    return path ? listen_unix(path, fd, why) : listen_tcp(address, fd, why);
}

void fcgi_listen_release(const char *address, int fd)
{
    /* While it still listens nobody else can have put a socket of his own there. */
    const char *path = address ? socket_path(address) : NULL;
    if (path)
        (void)unlink(path);
    (void)close(fd);
}

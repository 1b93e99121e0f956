/* SPDX-License-Identifier: MIT */
/* Done here and not by libmicrohttpd, which cannot say why it failed. */
#include "lib/httpd/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 128 };

/* The socket, or -1 with errno set. */
static int listen_on(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    int off = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (info->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Try the addresses of one family, or of every other one. */
static int listen_on_family(const struct addrinfo *found, int family, bool is_family)
{
    int fd = -1;
    for (const struct addrinfo *info = found; info && fd < 0; info = info->ai_next) {
        if ((info->ai_family == family) == is_family)
            fd = listen_on(info);
    }
    return fd;
}

/* The socket, or -1 with the reason in `why`. */
static int listen_at(const char *address, uint16_t port, struct err_buf *why)
{
    char service[8];
    (void)snprintf(service, sizeof(service), "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(address, service, &hints, &found);
    if (failure) {
        (void)err_set(why, APP_CONFIG, "cannot listen on %s: %s", address, gai_strerror(failure));
        return -1;
    }
    errno = EADDRNOTAVAIL;
    int fd = listen_on_family(found, AF_INET, true);
    if (fd < 0)
        fd = listen_on_family(found, AF_INET, false);
    if (fd < 0)
        (void)err_set(why, APP_CONFIG, "cannot listen on %s port %u: %s", address, port,
                      strerror(errno));
    freeaddrinfo(found);
    return fd;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t len = sizeof(address);
    if (getsockname(fd, &address.any, &len) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

enum app_err listener_open(const char *address, uint16_t port, int *listener, uint16_t *bound_port,
                           struct err_buf *why)
{
    bool everywhere = *address == '\0';
    int fd = listen_at(everywhere ? "::" : address, port, why);
    if (fd < 0 && everywhere) /* there may be no IPv6 */
        fd = listen_at("0.0.0.0", port, why);
    if (fd < 0)
        return APP_CONFIG;
    *listener = fd;
    *bound_port = port_of(fd);
    return APP_OK;
}

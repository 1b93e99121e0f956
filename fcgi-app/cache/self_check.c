/* SPDX-License-Identifier: MIT */
/* Plain sockets with time limits: a gRPC channel would be a second client to keep. */
#include "cache/self_check.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/condition.h"

enum { FAILURES_MAX = 3, ADDRESS_MAX = 300 };

struct self_check {
    char address[ADDRESS_MAX];
    struct self_check_options options; /* its address is the one above */
    pthread_t thread;
    pthread_mutex_t lock; /* guards `stopping` and `failed` */
    pthread_cond_t wake;
    bool stopping;
    bool failed;
};

/*
 * RFC 5246 7.4.1.2: TLS 1.2, with the curves and ciphers that go with each kind
 * of certificate, so that there is an answer other than an alert and a line in
 * the log. The same each time, since nothing follows that would need a secret.
 */
static const unsigned char client_hello[] = {
    0x16, 0x03, 0x01, 0x00, 0x5b,       /* a record of 91 bytes */
    0x01, 0x00, 0x00, 0x57, 0x03, 0x03, /* ClientHello, TLS 1.2, random: */
    'e',  'm',  'o',  'j',  'i',  'f',  'y',  '-',  'c',  'a',  'c',  'h',
    'e',  ' ',  'a',  's',  'k',  's',  ' ',  'i',  't',  's',  'e',  'l',
    'f',  '.',  '.',  '.',  '.',  '.',  '.',  '.',  0x00,                   /* no session */
    0x00, 0x0a, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0x00, 0xff, /* ECDHE, AES-GCM */
    0x01, 0x00,                                                             /* no compression */
    0x00, 0x24,                                                             /* extensions: */
    0x00, 0x0a, 0x00, 0x08, 0x00, 0x06, 0x00, 0x1d, 0x00, 0x17, 0x00, 0x18, /* curves */
    0x00, 0x0d, 0x00, 0x14, 0x00, 0x12, 0x04, 0x03, 0x05, 0x03, 0x06, 0x03, /* signatures */
    0x08, 0x04, 0x08, 0x05, 0x08, 0x06, 0x04, 0x01, 0x05, 0x01, 0x06, 0x01,
};

static bool socket_answers(int family, const struct sockaddr *name, socklen_t len,
                           const struct self_check_options *options)
{
    const int64_t timeout_ms = options->interval_ms;
    const struct timeval limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* of connect */
    char byte;
    bool answers = connect(fd, name, len) == 0;
    if (answers && options->tls)
        answers = send(fd, client_hello, sizeof(client_hello), MSG_NOSIGNAL) ==
                  (ssize_t)sizeof(client_hello);
    answers = answers && recv(fd, &byte, 1, 0) == 1;
    close(fd);
    return answers;
}

/* The address is host:port, the host perhaps in brackets. */
static bool host_answers(const struct self_check_options *options)
{
    const char *address = options->address;
    char host[ADDRESS_MAX];
    (void)snprintf(host, sizeof(host), "%s", address[0] == '[' ? address + 1 : address);
    char *colon = strrchr(host, ':');
    if (!colon)
        return false;
    *colon = '\0';
    size_t host_len = strlen(host);
    if (host_len > 0 && host[host_len - 1] == ']')
        host[host_len - 1] = '\0';

    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    if (getaddrinfo(host, colon + 1, &hints, &list) != 0)
        return false;
    bool answers = socket_answers(list->ai_family, list->ai_addr, list->ai_addrlen, options);
    freeaddrinfo(list);
    return answers;
}

bool self_check_answers(const struct self_check_options *options)
{
    static const char prefix[] = "unix:";
    if (strncmp(options->address, prefix, strlen(prefix)) != 0)
        return host_answers(options);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", options->address + strlen(prefix));
    return socket_answers(AF_UNIX, (const struct sockaddr *)&name, sizeof(name), options);
}

/* Sleep for an interval. False: stop. */
static bool wait_interval(struct self_check *check)
{
    int64_t until_ns = deadline_in_ms(check->options.interval_ms);
    pthread_mutex_lock(&check->lock);
    while (!check->stopping && condition_wait(&check->wake, &check->lock, until_ns))
        continue;
    bool go_on = !check->stopping;
    pthread_mutex_unlock(&check->lock);
    return go_on;
}

static void give_up(struct self_check *check)
{
    log_error(check->options.log, "The listener does not answer any more, stopping",
              LOG_FIELDS(LOG_STR("address", check->address)));
    pthread_mutex_lock(&check->lock);
    check->failed = true;
    pthread_mutex_unlock(&check->lock);
    (void)kill(getpid(), SIGTERM);
}

static void *run(void *argument)
{
    struct self_check *check = argument;
    int failures = 0;
    while (failures < FAILURES_MAX && wait_interval(check)) {
        bool answers = self_check_answers(&check->options);
        failures = answers ? 0 : failures + 1;
    }
    if (failures == FAILURES_MAX)
        give_up(check);
    return NULL;
}

static void release(struct self_check *check)
{
    pthread_cond_destroy(&check->wake);
    pthread_mutex_destroy(&check->lock);
    free(check);
}

enum app_err self_check_start(const struct self_check_options *options, struct self_check **check,
                              struct err_buf *why)
{
    struct self_check *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    (void)snprintf(made->address, sizeof(made->address), "%s", options->address);
    made->options = *options;
    made->options.address = made->address;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->wake, NULL);
    if (pthread_create(&made->thread, NULL, run, made) != 0) {
        release(made);
        return err_set(why, APP_INTERNAL, "cannot start the thread that checks the listener");
    }
    *check = made;
    return APP_OK;
}

bool self_check_stop(struct self_check **check)
{
    struct self_check *self = *check;
    if (!self)
        return false;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    bool failed = self->failed;
    release(self);
    *check = NULL;
    return failed;
}

/* SPDX-License-Identifier: MIT */
/*
 * Who fills a datagram sends it; the thread is there so that the last lines of
 * a quiet time go out as well.
 */
#include "lib/telemetry/statsd.h"

#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/condition.h"
#include "lib/base/host_port.h"
#include "lib/telemetry/lock.h"

enum { LINE_MAX_LEN = 512 };

struct statsd {
    struct host_port server;
    char *prefix;
    char *tags;
    struct log log;
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t stop;  /* `stopping` was set */
    bool stopping;
    int fd; /* -1: the server's name is not known yet */
    char datagram[STATSD_DATAGRAM_MAX];
    size_t len;
};

/* --- The server ------------------------------------------------------------------ */

static enum app_err read_server(const char *server, struct host_port *found, struct err_buf *why)
{
    if (!host_port_read(server, strlen(server), found) || !found->host[0] || found->number == 0)
        return err_set(why, APP_CONFIG, "must be host:port");
    return APP_OK;
}

enum app_err statsd_check_server(const char *server, struct err_buf *why)
{
    struct host_port found;
    return server[0] ? read_server(server, &found, why) : APP_OK;
}

enum app_err statsd_check_tags(const char *tags, struct err_buf *why)
{
    if (strlen(tags) > STATSD_TAGS_MAX)
        return err_set(why, APP_CONFIG, "must have at most %d bytes", STATSD_TAGS_MAX);
    for (const char *at = tags; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f || *at == '|' || *at == '#')
            return err_set(why, APP_CONFIG, "must have no control characters, | or #");
    }
    return APP_OK;
}

/* A connected socket, so that sending needs no address; -1 with a reason. */
static int open_socket(const struct statsd *statsd, int flags, const char **reason)
{
    const struct addrinfo hints = {.ai_flags = flags, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    int fd = -1;
    int error = getaddrinfo(statsd->server.host, statsd->server.port, &hints, &found);
    *reason = error ? gai_strerror(error) : "no address can be sent to";
    for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            (void)close(fd);
            fd = -1;
        }
    }
    if (found)
        freeaddrinfo(found);
    return fd;
}

/* --- Datagrams: the caller holds the lock ---------------------------------------- */

/* A dead server's refusals come back here as errors; they are not our business. */
static void send_datagram(struct statsd *statsd)
{
    if (statsd->len > 0 && statsd->fd >= 0)
        (void)!send(statsd->fd, statsd->datagram, statsd->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    statsd->len = 0;
}

static void add_line(struct statsd *statsd, const char *line, size_t len)
{
    bool fits = statsd->len == 0 ? len <= sizeof(statsd->datagram)
                                 : len < sizeof(statsd->datagram) - statsd->len;
    if (!fits)
        send_datagram(statsd);
    if (statsd->len > 0)
        statsd->datagram[statsd->len++] = '\n';
    memcpy(statsd->datagram + statsd->len, line, len);
    statsd->len += len;
}

static void put_line(struct statsd *statsd, const char *line, int len)
{
    if (len <= 0 || len >= LINE_MAX_LEN)
        return;
    lock_mutex(&statsd->lock);
    add_line(statsd, line, (size_t)len);
    pthread_mutex_unlock(&statsd->lock);
}

void statsd_count(struct statsd *statsd, const char *name)
{
    char line[LINE_MAX_LEN];
    if (statsd)
        put_line(statsd, line,
                 snprintf(line, sizeof(line), "%s%s:1|c|#%s", statsd->prefix, name, statsd->tags));
}

void statsd_timing(struct statsd *statsd, const char *name, int64_t ns, int status)
{
    char line[LINE_MAX_LEN];
    char tag[32] = "";
    if (!statsd)
        return;
    if (status != 0)
        (void)snprintf(tag, sizeof(tag), "%sstatus:%d", statsd->tags[0] ? "," : "", status);
    put_line(statsd, line,
             snprintf(line, sizeof(line), "%s%s:%.3f|ms|#%s%s", statsd->prefix, name,
                      (double)ns / (double)NS_PER_MS, statsd->tags, tag));
}

/* --- The thread ------------------------------------------------------------------ */

/* Look the server up without the lock, for it may take long. */
static void find_server(struct statsd *statsd, bool warn)
{
    const char *reason = "";
    int fd = open_socket(statsd, 0, &reason);
    if (fd < 0 && warn)
        log_warn(&statsd->log, "The statsd server cannot be found",
                 LOG_FIELDS(LOG_STR("host", statsd->server.host), LOG_STR("reason", reason)));
    lock_mutex(&statsd->lock);
    statsd->fd = fd;
    pthread_mutex_unlock(&statsd->lock);
}

/* Sleep for so long, or until the end, which is told. */
static bool wait_for_stop(struct statsd *statsd, int64_t ms)
{
    int64_t until_ns = deadline_in_ms(ms);
    pthread_mutex_lock(&statsd->lock);
    while (!statsd->stopping && condition_wait(&statsd->stop, &statsd->lock, until_ns))
        continue;
    bool stopping = statsd->stopping;
    send_datagram(statsd);
    pthread_mutex_unlock(&statsd->lock);
    return stopping;
}

static void *run(void *argument)
{
    struct statsd *statsd = argument;
    (void)pthread_setname_np(pthread_self(), "statsd");
    if (statsd->fd < 0)
        find_server(statsd, true);
    for (;;) {
        bool found = statsd->fd >= 0; /* only this thread writes it */
        if (wait_for_stop(statsd, found ? STATSD_FLUSH_MS : STATSD_RETRY_MS))
            return NULL;
        if (!found)
            find_server(statsd, false);
    }
}

/* --- Life ------------------------------------------------------------------------ */

static void release(struct statsd *statsd)
{
    if (statsd->fd >= 0)
        (void)close(statsd->fd);
    pthread_cond_destroy(&statsd->stop);
    pthread_mutex_destroy(&statsd->lock);
    free(statsd->prefix);
    free(statsd->tags);
    free(statsd);
}

enum app_err statsd_new(const struct statsd_options *options, struct statsd **statsd,
                        struct err_buf *why)
{
    *statsd = NULL;
    if (options->server[0] == '\0')
        return APP_OK;
    struct statsd *made = calloc(1, sizeof(*made));
    if (!made)
        return APP_NO_MEMORY;
    made->fd = -1;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->stop, NULL);
    made->log = *options->log;
    enum app_err err = read_server(options->server, &made->server, why);
    made->prefix = strdup(options->prefix);
    const char *comma = options->tags[0] && options->more_tags[0] ? "," : "";
    if (asprintf(&made->tags, "%s%s%s", options->tags, comma, options->more_tags) < 0)
        made->tags = NULL;
    if (!err && (!made->prefix || !made->tags))
        err = APP_NO_MEMORY;
    const char *reason;
    if (!err) /* a number needs no look-up, so not even the first lines are lost */
        made->fd = open_socket(made, AI_NUMERICHOST, &reason);
    if (!err && pthread_create(&made->thread, NULL, run, made) != 0)
        err = APP_NO_MEMORY;
    if (err) {
        release(made);
        return err;
    }
    *statsd = made;
    return APP_OK;
}

void statsd_free(struct statsd **statsd)
{
    struct statsd *freed = *statsd;
    if (!freed)
        return;
    *statsd = NULL;
    pthread_mutex_lock(&freed->lock);
    freed->stopping = true;
    pthread_cond_signal(&freed->stop);
    pthread_mutex_unlock(&freed->lock);
    pthread_join(freed->thread, NULL);
    send_datagram(freed);
    release(freed);
}

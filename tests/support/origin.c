/* SPDX-License-Identifier: MIT */
/* Plain sockets, a thread a connection: what is sent must not pass through a library that mends it.
 */
#include "support/origin.h"

#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 256 * 1024, BODY_MAX = 64 * 1024 * 1024 };

struct route {
    struct route *next;
    char *target;
    char *response; /* NULL: nothing was said about it */
    size_t response_len;
    struct origin_options options;
    unsigned requests;
    unsigned drops;
    char *last_head; /* request line and headers */
    char *last_body;
    size_t last_body_len;
};

struct connection {
    struct connection *next;
    struct origin *origin;
    pthread_t thread;
    int fd;
    unsigned requests;
};

/* `lock` guards everything but `fd`, `port` and `acceptor`. */
struct origin {
    int fd;
    uint16_t port;
    pthread_t acceptor;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stopping;
    struct route *routes;
    struct connection *connections;
    unsigned connection_count;
};

struct request {
    char head[HEAD_MAX];
    size_t head_len; /* up to and with the empty line */
    char *body;
    size_t body_len;
    char target[HEAD_MAX];
};

static void *must(void *pointer)
{
    assert(pointer);
    return pointer;
}

static struct route *find_route(struct origin *origin, const char *target)
{
    for (struct route *route = origin->routes; route; route = route->next) {
        if (strcmp(route->target, target) == 0)
            return route;
    }
    struct route *route = must(calloc(1, sizeof(*route)));
    route->target = must(strdup(target));
    route->next = origin->routes;
    origin->routes = route;
    return route;
}

/* Sleeps, but no longer than the origin lives. False when it ends. */
static bool pause_ms(struct origin *origin, unsigned ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += ms / 1000;
    end.tv_nsec += (long)(ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&origin->lock);
    while (!origin->stopping && pthread_cond_timedwait(&origin->stopped, &origin->lock, &end) == 0)
        continue;
    bool go_on = !origin->stopping;
    pthread_mutex_unlock(&origin->lock);
    return go_on;
}

static bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool send_dripping(struct connection *connection, const char *data, size_t len,
                          const struct origin_options *options)
{
    size_t piece = options->drip_bytes ? options->drip_bytes : len;
    while (len > 0) {
        size_t now = piece < len ? piece : len;
        if (!send_all(connection->fd, data, now))
            return false;
        data += now;
        len -= now;
        if (len > 0 && !pause_ms(connection->origin, options->drip_ms))
            return false;
    }
    return true;
}

static void send_without_end(int fd)
{
    char block[4096];
    memset(block, 'x', sizeof(block));
    while (send_all(fd, block, sizeof(block)))
        continue;
}

static bool header_of(const char *head, const char *name, char *value, size_t size)
{
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        size_t name_len = strlen(name);
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *text = line + name_len + 1;
            text += strspn(text, " \t");
            (void)snprintf(value, size, "%.*s", (int)strcspn(text, "\r\n"), text);
            return true;
        }
    }
    value[0] = '\0';
    return false;
}

static bool read_head(int fd, struct request *request, size_t *have)
{
    char *end = NULL;
    while (!(end = strstr(request->head, "\r\n\r\n"))) {
        size_t room = sizeof(request->head) - 1 - *have;
        ssize_t got = room > 0 ? recv(fd, request->head + *have, room, 0) : 0;
        if (got <= 0)
            return false;
        *have += (size_t)got;
        request->head[*have] = '\0';
    }
    request->head_len = (size_t)(end - request->head) + 4;
    return sscanf(request->head, "%*s %262143s", request->target) == 1;
}

/* Only bodies with a Content-Length. What follows them is dropped: clients here do not pipeline. */
static bool read_body(int fd, struct request *request, size_t have)
{
    char text[32];
    unsigned long long len = 0;
    if (header_of(request->head, "Content-Length", text, sizeof(text)))
        len = strtoull(text, NULL, 10);
    assert(len <= BODY_MAX);
    size_t early = have - request->head_len;
    request->body = must(malloc((size_t)len + 1));
    request->body_len = early < len ? early : (size_t)len;
    memcpy(request->body, request->head + request->head_len, request->body_len);
    while (request->body_len < len) {
        ssize_t got = recv(fd, request->body + request->body_len, len - request->body_len, 0);
        if (got <= 0)
            return false;
        request->body_len += (size_t)got;
    }
    request->body[len] = '\0';
    request->head[request->head_len] = '\0';
    return true;
}

/* Whether this request is to be dropped; counts it when it is. */
static bool take_drop(struct connection *connection, const char *target, bool before_body)
{
    struct origin *origin = connection->origin;
    pthread_mutex_lock(&origin->lock);
    struct route *route = find_route(origin, target);
    bool drop = connection->requests > 1 && route->drops < route->options.drop_reused &&
                route->options.drop_before_body == before_body;
    route->drops += drop;
    pthread_mutex_unlock(&origin->lock);
    return drop;
}

static void remember(struct route *route, struct request *request)
{
    free(route->last_head);
    free(route->last_body);
    route->requests++;
    route->last_head = must(strdup(request->head));
    route->last_body = request->body;
    route->last_body_len = request->body_len;
    request->body = NULL;
}

/* False: the connection is done. */
static bool answer(struct connection *connection, struct request *request)
{
    static const char unknown[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    struct origin *origin = connection->origin;
    pthread_mutex_lock(&origin->lock);
    struct route *route = find_route(origin, request->target);
    remember(route, request);
    struct origin_options options = route->options;
    size_t len = route->response ? route->response_len : sizeof(unknown) - 1;
    char *response = must(malloc(len + 1));
    memcpy(response, route->response ? route->response : unknown, len);
    pthread_mutex_unlock(&origin->lock);

    bool go_on =
        pause_ms(origin, options.delay_ms) && send_dripping(connection, response, len, &options);
    free(response);
    if (go_on && options.endless)
        send_without_end(connection->fd);
    if (options.reset) {
        struct linger at_once = {.l_onoff = 1};
        (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    return go_on && !options.endless && !options.close && !options.reset;
}

static bool serve_one(struct connection *connection, struct request *request)
{
    size_t have = 0;
    request->head[0] = '\0';
    if (!read_head(connection->fd, request, &have))
        return false;
    connection->requests++;
    if (take_drop(connection, request->target, true) || !read_body(connection->fd, request, have) ||
        take_drop(connection, request->target, false))
        return false;
    return answer(connection, request);
}

static void *serve_connection(void *object)
{
    struct connection *connection = object;
    struct request *request = must(calloc(1, sizeof(*request)));
    bool go_on = true;
    while (go_on) {
        go_on = serve_one(connection, request);
        free(request->body);
        request->body = NULL;
    }
    free(request);

    /* The number stays in use until then, so that origin_stop cannot shut somebody else's down. */
    pthread_mutex_lock(&connection->origin->lock);
    close(connection->fd);
    connection->fd = -1;
    pthread_mutex_unlock(&connection->origin->lock);
    return NULL;
}

static void *accept_connections(void *object)
{
    struct origin *origin = object;
    for (;;) {
        int fd = accept4(origin->fd, NULL, NULL, SOCK_CLOEXEC);
        pthread_mutex_lock(&origin->lock);
        if (fd < 0 || origin->stopping) {
            pthread_mutex_unlock(&origin->lock);
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        struct connection *connection = must(calloc(1, sizeof(*connection)));
        *connection = (struct connection){origin->connections, origin, 0, fd, 0};
        origin->connections = connection;
        origin->connection_count++;
        int failed = pthread_create(&connection->thread, NULL, serve_connection, connection);
        assert(!failed);
        pthread_mutex_unlock(&origin->lock);
    }
}

struct origin *origin_start(void)
{
    struct origin *origin = must(calloc(1, sizeof(*origin)));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    origin->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = origin->fd < 0 || bind(origin->fd, (struct sockaddr *)&address, len) != 0 ||
                 listen(origin->fd, 64) != 0 ||
                 getsockname(origin->fd, (struct sockaddr *)&address, &len) != 0;
    assert(!failed);
    origin->port = ntohs(address.sin_port);

    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&origin->lock, NULL);
    pthread_cond_init(&origin->stopped, &monotonic);
    pthread_condattr_destroy(&monotonic);
    failed = pthread_create(&origin->acceptor, NULL, accept_connections, origin);
    assert(!failed);
    return origin;
}

static void free_routes(struct origin *origin)
{
    while (origin->routes) {
        struct route *route = origin->routes;
        origin->routes = route->next;
        free(route->target);
        free(route->response);
        free(route->last_head);
        free(route->last_body);
        free(route);
    }
}

void origin_stop(struct origin **stopped)
{
    struct origin *origin = *stopped;
    *stopped = NULL;
    if (!origin)
        return;
    pthread_mutex_lock(&origin->lock);
    origin->stopping = true;
    pthread_cond_broadcast(&origin->stopped);
    (void)shutdown(origin->fd, SHUT_RDWR); /* wakes accept4 */
    for (struct connection *at = origin->connections; at; at = at->next) {
        if (at->fd >= 0)
            (void)shutdown(at->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&origin->lock);

    pthread_join(origin->acceptor, NULL);
    while (origin->connections) {
        struct connection *connection = origin->connections;
        origin->connections = connection->next;
        pthread_join(connection->thread, NULL);
        free(connection);
    }
    close(origin->fd);
    free_routes(origin);
    pthread_mutex_destroy(&origin->lock);
    pthread_cond_destroy(&origin->stopped);
    free(origin);
}

uint16_t origin_port(const struct origin *origin)
{
    return origin->port;
}

void origin_on(struct origin *origin, const char *target, const void *response, size_t len,
               const struct origin_options *options)
{
    char *copy = must(malloc(len + 1));
    memcpy(copy, response, len);
    pthread_mutex_lock(&origin->lock);
    struct route *route = find_route(origin, target);
    free(route->response);
    route->response = copy;
    route->response_len = len;
    route->drops = 0;
    route->options = options ? *options : (struct origin_options){.delay_ms = 0};
    pthread_mutex_unlock(&origin->lock);
}

void origin_answer(struct origin *origin, const char *target, const char *status,
                   const char *headers, const char *body)
{
    char *response;
    int len = asprintf(&response, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
                       strlen(body), body);
    assert(len > 0);
    origin_on(origin, target, response, (size_t)len, NULL);
    free(response);
}

unsigned origin_requests(struct origin *origin, const char *target)
{
    unsigned count = 0;
    pthread_mutex_lock(&origin->lock);
    for (const struct route *route = origin->routes; route; route = route->next) {
        if (!target || strcmp(route->target, target) == 0)
            count += route->requests;
    }
    pthread_mutex_unlock(&origin->lock);
    return count;
}

unsigned origin_connections(struct origin *origin)
{
    pthread_mutex_lock(&origin->lock);
    unsigned count = origin->connection_count;
    pthread_mutex_unlock(&origin->lock);
    return count;
}

void origin_last_header(struct origin *origin, const char *target, const char *name, char *value,
                        size_t size)
{
    pthread_mutex_lock(&origin->lock);
    const char *head = find_route(origin, target)->last_head;
    value[0] = '\0';
    if (head && name[0] == '\0')
        (void)snprintf(value, size, "%.*s", (int)strcspn(head, "\r\n"), head);
    else if (head)
        (void)header_of(head, name, value, size);
    pthread_mutex_unlock(&origin->lock);
}

char *origin_last_body(struct origin *origin, const char *target, size_t *len)
{
    char *copy = NULL;
    pthread_mutex_lock(&origin->lock);
    const struct route *route = find_route(origin, target);
    if (route->last_body) {
        copy = must(malloc(route->last_body_len + 1));
        memcpy(copy, route->last_body, route->last_body_len + 1);
        *len = route->last_body_len;
    }
    pthread_mutex_unlock(&origin->lock);
    return copy;
}

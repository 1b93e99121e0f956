/* SPDX-License-Identifier: MIT */
/*
 * Loads one URL of a server on 127.0.0.1 for some seconds and says what it cost:
 *
 *     load [options] PORT PATH
 *       -c N          connections (8), kept alive as long as the server keeps them
 *       -s SECONDS    (2)
 *       -n N          no more requests than that
 *       -r RATE       requests a second; 0, the default: as many as there can be
 *       -i N          further connections that stay idle
 *       -p NAME=PID[,PID...]   a group of processes whose CPU time is counted; repeatable
 *       -m METHOD, -d FILE, -t TYPE   another request: its method, body and content type
 *       -u            the body's first 16 '#' in a row are another number for each request
 *
 *       -f FILES      (8) see below
 *       -w FILE       writes of each request there when it was due and when its answer was
 *                     whole: two numbers a line, in seconds of CLOCK_MONOTONIC
 *
 * A %d in PATH stands for a number from 1 to FILES. The connections take turns through
 * all of them; with as many connections as files each stays with its own.
 *
 * Prints one line of JSON: requests, errors (no answer, or a status of 400 and
 * above), bytes of bodies, rate, latencies in microseconds, CPU microseconds a
 * request for each group. With a rate, a request's latency counts from when it
 * was due and not from when it could be sent, so that a server which stalls is
 * seen to (what Gil Tene calls coordinated omission); how much later than due they
 * were sent is told, too. With connections to spare that is this program's own, or
 * the machine's, lateness.
 *
 * wrk is faster at this but takes no rate, and says nothing of CPU time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/process_cpu.h"
#include "lib/base/clock.h"

enum {
    CONNECTIONS_MAX = 4096,
    FILES_MAX = 1000 * 1000,
    GROUPS_MAX = 8,
    EVENTS = 64,
    HEAD_MAX = 16 * 1024,
    READ_SIZE = 256 * 1024,
    NUMBER_LEN = 16,
    SAMPLES_MAX = 4 * 1000 * 1000
};

struct group {
    const char *name;
    const char *pids; /* with commas between */
    int64_t before_ns;
};

struct options {
    long connections;
    long idle;
    double seconds;
    double rate;
    unsigned long long requests;
    long files;
    long port;
    const char *path;
    const char *method;
    const char *type;
    const char *body_file;
    bool unique;
    const char *times_file;
    struct group groups[GROUPS_MAX];
    size_t group_count;
};

struct connection {
    int fd;
    bool busy;
    size_t turn; /* of the requests, which one is next */
    int64_t since_ns;
    size_t head_len; /* of the answer so far, when its head is not complete */
    char head[HEAD_MAX + 1];
    bool in_body;
    bool closes; /* the server will close it after this answer */
    int status;
    long long left; /* of the body */
};

static struct options options = {.connections = 8,
                                 .seconds = 2,
                                 .requests = ULLONG_MAX,
                                 .files = 8,
                                 .path = "/",
                                 .method = "GET",
                                 .type = "text/plain"};
static struct connection *connections;
static struct request {
    char *text;
    size_t len;
} * made_requests;
static size_t made_count;  /* one, or one for each file */
static char *number_place; /* of -u, in the one request's text */
static int epoll_fd;

/* Of which those that come when there are SAMPLES_MAX are not kept. */
struct samples {
    uint32_t *us;
    size_t count;
};
static struct samples latencies, lateness;
static int64_t *times_due; /* of -w: when each of `latencies` began, in ns */
static unsigned long long requests, errors, body_bytes;

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

/* --- CPU time --------------------------------------------------------------------- */

static int64_t cpu_of_group(const struct group *group)
{
    int64_t sum = 0;
    for (const char *at = group->pids; *at;) {
        char *end;
        long pid = strtol(at, &end, 10);
        if (end == at)
            die("-p wants NAME=PID[,PID...]");
        int64_t ns = process_cpu_ns((pid_t)pid);
        if (ns < 0)
            die("there is no such process");
        sum += ns;
        at = *end ? end + 1 : end;
    }
    return sum;
}

/* --- Samples ---------------------------------------------------------------------- */

static void prepare(struct samples *samples)
{
    samples->us = malloc(SAMPLES_MAX * sizeof(*samples->us));
    if (!samples->us)
        die("no memory");
}

static void add_sample(struct samples *samples, int64_t since_ns)
{
    int64_t us = (clock_now_ns() - since_ns) / 1000;
    if (samples->count < SAMPLES_MAX)
        samples->us[samples->count++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static int by_size(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static uint32_t percentile(const struct samples *samples, double share)
{
    return samples->count ? samples->us[(size_t)(share * (double)(samples->count - 1))] : 0;
}

/* --- Connections ------------------------------------------------------------------ */

static int open_connection(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)options.port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        die("cannot connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void watch(struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    connection->fd = open_connection();
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        die("epoll_ctl");
}

static void reopen(struct connection *connection)
{
    (void)close(connection->fd);
    watch(connection);
}

/* The time makes it another one than any of an earlier run. */
static void write_number(void)
{
    char number[NUMBER_LEN + 1];
    (void)snprintf(number, sizeof(number), "%0*llx", NUMBER_LEN,
                   (unsigned long long)clock_now_ns());
    memcpy(number_place, number, NUMBER_LEN);
}

static bool send_request(struct connection *connection)
{
    const struct request *request = &made_requests[connection->turn];
    for (size_t sent = 0; sent < request->len;) {
        ssize_t part =
            send(connection->fd, request->text + sent, request->len - sent, MSG_NOSIGNAL);
        if (part <= 0)
            return false;
        sent += (size_t)part;
    }
    return true;
}

/* One that the server has closed meanwhile is opened again, once. */
static void begin(struct connection *connection, int64_t since_ns)
{
    connection->since_ns = since_ns;
    connection->head_len = 0;
    connection->in_body = false;
    connection->busy = true;
    add_sample(&lateness, since_ns);
    if (number_place)
        write_number();
    if (!send_request(connection)) {
        reopen(connection);
        if (!send_request(connection))
            die("cannot send");
    }
    connection->turn = (connection->turn + (size_t)options.connections) % made_count;
}

static void end(struct connection *connection, bool ok)
{
    connection->busy = false;
    requests++;
    if (!ok || connection->status >= 400)
        errors++;
    if (times_due && latencies.count < SAMPLES_MAX)
        times_due[latencies.count] = connection->since_ns;
    add_sample(&latencies, connection->since_ns);
    if (!ok || connection->closes)
        reopen(connection);
}

/* --- Answers ---------------------------------------------------------------------- */

/* True once the head is complete; *used says how much of the bytes it took. */
static bool take_head(struct connection *connection, const char *bytes, size_t len, size_t *used)
{
    size_t before = connection->head_len;
    size_t room = HEAD_MAX - before;
    size_t part = len < room ? len : room;
    memcpy(connection->head + before, bytes, part);
    connection->head_len += part;
    connection->head[connection->head_len] = '\0';
    const char *head_end = strstr(connection->head, "\r\n\r\n");
    if (!head_end) {
        *used = part;
        return false;
    }
    *used = (size_t)(head_end + 4 - connection->head) - before;
    connection->head[head_end + 2 - connection->head] = '\0';
    return true;
}

static bool read_head(struct connection *connection)
{
    const char *length = strcasestr(connection->head, "\r\nContent-Length:");
    connection->closes = strcasestr(connection->head, "\r\nConnection: close") != NULL;
    connection->status = (int)strtol(connection->head + strcspn(connection->head, " "), NULL, 10);
    connection->left = length ? strtoll(length + strlen("\r\nContent-Length:"), NULL, 10) : 0;
    connection->in_body = true;
    return connection->status >= 100 && (length || connection->status == 304);
}

static void take(struct connection *connection, const char *bytes, size_t len)
{
    if (!connection->in_body) {
        size_t used;
        if (!take_head(connection, bytes, len, &used)) {
            if (connection->head_len == HEAD_MAX)
                end(connection, false);
            return;
        }
        if (!read_head(connection)) {
            end(connection, false);
            return;
        }
        len -= used;
    }
    connection->left -= (long long)len;
    body_bytes += len;
    if (connection->left <= 0)
        end(connection, connection->left == 0);
}

static void receive(struct connection *connection)
{
    static char bytes[READ_SIZE];
    ssize_t len = recv(connection->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (len > 0 && connection->busy)
        take(connection, bytes, (size_t)len);
    else if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    else if (connection->busy)
        end(connection, false);
    else
        reopen(connection);
}

/* --- The run ---------------------------------------------------------------------- */

/* Send what is due on connections that are free; returns when the next one is. */
static int64_t send_due(int64_t started_ns, int64_t now_ns, unsigned long long *begun)
{
    double interval_ns = options.rate > 0 ? (double)NS_PER_S / options.rate : 0;
    for (long i = 0; i < options.connections; i++) {
        struct connection *connection = &connections[i];
        int64_t due_ns = started_ns + (int64_t)(interval_ns * (double)*begun);
        if (options.rate > 0 && due_ns > now_ns)
            return due_ns;
        if (connection->busy || *begun == options.requests)
            continue;
        begin(connection, options.rate > 0 ? due_ns : clock_now_ns());
        (*begun)++;
    }
    return now_ns + NS_PER_S;
}

static void run(void)
{
    int64_t started_ns = clock_now_ns();
    int64_t until_ns = started_ns + (int64_t)(options.seconds * (double)NS_PER_S);
    unsigned long long begun = 0;
    struct epoll_event events[EVENTS];
    for (;;) {
        int64_t now_ns = clock_now_ns();
        if (now_ns >= until_ns || requests == options.requests)
            return;
        int64_t next_ns = deadline_min(send_due(started_ns, now_ns, &begun), until_ns);
        int64_t wait_ns = next_ns - clock_now_ns();
        const struct timespec patience = {wait_ns > 0 ? wait_ns / NS_PER_S : 0,
                                          wait_ns > 0 ? wait_ns % NS_PER_S : 0};
        int count = epoll_pwait2(epoll_fd, events, EVENTS, &patience, NULL);
        for (int i = 0; i < count; i++)
            receive(events[i].data.ptr);
    }
}

/* Before report, which sorts them. */
static void write_times(void)
{
    FILE *file = fopen(options.times_file, "we");
    if (!file)
        die(options.times_file);
    for (size_t i = 0; i < latencies.count; i++) {
        double due = (double)times_due[i] / (double)NS_PER_S;
        fprintf(file, "%.6f %.6f\n", due, due + (double)latencies.us[i] / 1e6);
    }
    if (fclose(file) != 0)
        die(options.times_file);
}

static void report(double seconds)
{
    qsort(latencies.us, latencies.count, sizeof(*latencies.us), by_size);
    qsort(lateness.us, lateness.count, sizeof(*lateness.us), by_size);
    printf("{\"requests\":%llu,\"errors\":%llu,\"bytes\":%llu,\"rate\":%.1f,"
           "\"p50_us\":%u,\"p90_us\":%u,\"p99_us\":%u,\"max_us\":%u,\"late_p99_us\":%u",
           requests, errors, body_bytes, (double)requests / seconds, percentile(&latencies, 0.5),
           percentile(&latencies, 0.9), percentile(&latencies, 0.99), percentile(&latencies, 1),
           percentile(&lateness, 0.99));
    for (size_t i = 0; i < options.group_count; i++) {
        const struct group *group = &options.groups[i];
        double us = (double)(cpu_of_group(group) - group->before_ns) / 1000;
        printf(",\"%s_us\":%.2f", group->name, requests ? us / (double)requests : 0);
    }
    printf("}\n");
}

/* --- Arguments -------------------------------------------------------------------- */

static void read_body(char **body, size_t *len)
{
    FILE *file = fopen(options.body_file, "re");
    FILE *copy = open_memstream(body, len);
    int byte;
    if (!file || !copy)
        die(options.body_file);
    while ((byte = fgetc(file)) != EOF)
        fputc(byte, copy);
    (void)fclose(file);
    (void)fclose(copy);
}

static void make_request(struct request *request, size_t file, const char *body, size_t body_len)
{
    const char *number = strstr(options.path, "%d");
    int before = (int)(number ? number - options.path : (ptrdiff_t)strlen(options.path));
    FILE *made = open_memstream(&request->text, &request->len);
    if (!made)
        die("no memory");
    fprintf(made, "%s %.*s", options.method, before, options.path);
    if (number)
        fprintf(made, "%zu%s", file, number + 2);
    fprintf(made, " HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    if (body)
        fprintf(made, "Content-Type: %s\r\nContent-Length: %zu\r\n", options.type, body_len);
    fprintf(made, "\r\n");
    if (body)
        fwrite(body, 1, body_len, made);
    (void)fclose(made);
}

static void make_requests(void)
{
    char *body = NULL;
    size_t body_len = 0;
    if (options.body_file)
        read_body(&body, &body_len);
    made_count = strstr(options.path, "%d") ? (size_t)options.files : 1;
    made_requests = calloc(made_count, sizeof(*made_requests));
    if (!made_requests)
        die("no memory");
    for (size_t i = 0; i < made_count; i++)
        make_request(&made_requests[i], i + 1, body, body_len);
    free(body);
    if (options.unique)
        number_place =
            memmem(made_requests[0].text, made_requests[0].len, "################", NUMBER_LEN);
    errno = EINVAL;
    if (options.unique && (!number_place || made_count > 1))
        die("-u wants a body with 16 '#', and one path");
}

static void add_group(char *argument)
{
    char *equals = strchr(argument, '=');
    if (!equals || options.group_count == GROUPS_MAX) {
        errno = EINVAL;
        die("-p wants NAME=PID[,PID...], at most 8 times");
    }
    *equals = '\0';
    options.groups[options.group_count++] = (struct group){.name = argument, .pids = equals + 1};
}

static void read_arguments(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "c:s:n:r:i:f:p:m:d:t:uw:")) != -1) {
        if (option == 'c')
            options.connections = strtol(optarg, NULL, 10);
        else if (option == 's')
            options.seconds = strtod(optarg, NULL);
        else if (option == 'n')
            options.requests = strtoull(optarg, NULL, 10);
        else if (option == 'r')
            options.rate = strtod(optarg, NULL);
        else if (option == 'i')
            options.idle = strtol(optarg, NULL, 10);
        else if (option == 'f')
            options.files = strtol(optarg, NULL, 10);
        else if (option == 'p')
            add_group(optarg);
        else if (option == 'm')
            options.method = optarg;
        else if (option == 'd')
            options.body_file = optarg;
        else if (option == 't')
            options.type = optarg;
        else if (option == 'u')
            options.unique = true;
        else if (option == 'w')
            options.times_file = optarg;
        else
            exit(2);
    }
    errno = EINVAL;
    if (argc - optind != 2 || options.connections < 1 || options.connections > CONNECTIONS_MAX ||
        options.files < 1 || options.files > FILES_MAX)
        die("usage: load [-c N] [-s S] [-n N] [-r RATE] [-i N] [-f FILES] [-w FILE] "
            "[-p NAME=PID,...] PORT PATH");
    options.port = strtol(argv[optind], NULL, 10);
    options.path = argv[optind + 1];
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    make_requests();
    connections = calloc((size_t)options.connections, sizeof(*connections));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || epoll_fd < 0)
        die("no memory");
    prepare(&latencies);
    prepare(&lateness);
    if (options.times_file && !(times_due = malloc(SAMPLES_MAX * sizeof(*times_due))))
        die("no memory");
    /* The kernel would let us sleep 50 us longer than what is due can wait. */
    (void)prctl(PR_SET_TIMERSLACK, 1);
    for (long i = 0; i < options.connections; i++) {
        connections[i].turn = (size_t)i % made_count;
        watch(&connections[i]);
    }
    for (long i = 0; i < options.idle; i++)
        (void)open_connection(); /* closed by the process's end */
    for (size_t i = 0; i < options.group_count; i++)
        options.groups[i].before_ns = cpu_of_group(&options.groups[i]);
    int64_t started_ns = clock_now_ns();
    run();
    double seconds = (double)(clock_now_ns() - started_ns) / (double)NS_PER_S;
    if (options.times_file)
        write_times();
    report(seconds);
    return EXIT_SUCCESS;
}

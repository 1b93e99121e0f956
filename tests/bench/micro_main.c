/* SPDX-License-Identifier: MIT */
/*
 * What single steps of a request cost, in nanoseconds of CPU time each:
 *
 *     micro [-n ROUNDS] [-o STEP] [-j FILE]
 *
 * A round runs every step as often as fits into some milliseconds, so that what else
 * the machine does meets all alike. Prints median and quartiles, with -j also writes
 * them to FILE as JSON; -o runs only that step, for a profiler.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/routes/routes.h"
#include "bench/quartiles.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/fcgi/request.h"
#include "lib/fcgi/response.h"
#include "lib/fcgi/sender.h"
#include "lib/http/router.h"
#include "lib/http/url.h"
#include "lib/net/address_guard.h"
#include "lib/wire/cache_item.h"
#include "profiling/profile.h"
#include "profiling/profile_proto.h"
#include "support/fcgi_params.h"

#define KEY "0123456789abcdef0123456789abcdef"

enum {
    ROUNDS_MAX = 1000,
    ROUND_NS = 5 * 1000 * 1000, /* of one step */
    SMALL = 1024,
    LARGE = 100 * 1024,
    SLICES_MAX = 20,
    SIBLINGS = 4,
    STACKS = 1000, /* of one sibling's profile */
    DEPTH = 30,
    WRITE_MS = 10000
};

struct step {
    const char *name;
    const char *meaning;
    void (*run)(const struct step *step);
    size_t size; /* what it is to `run` */
    const char *text;
};

static char bytes[LARGE];
static struct arena *arena;
static struct log_sink sink;
static struct log request_log;
static struct request request; /* what a response is the answer to */
static int web_server = -1;    /* a socket that is read from, at once */
static struct address_guard *guard;
static struct routes *routes;
static struct iovec slices[SLICES_MAX + 1][SLICES_MAX]; /* [n]: a message in n of them */
static struct buf siblings[SIBLINGS];                   /* encoded */

static void die(const char *what)
{
    (void)fprintf(stderr, "micro: %s\n", what);
    exit(EXIT_FAILURE);
}

static void must(enum app_err err, const char *what)
{
    if (err)
        die(what);
}

/* --- Routes, requests, answers -------------------------------------------------------- */

static void run_route(const struct step *step)
{
    struct route_match match;
    enum app_err err = routes_match(routes, HTTP_GET, step->text, &match);
    if ((err == APP_OK) != (step->size > 0))
        die("the wrong route");
}

/* As lighttpd describes it. */
static void read_request(void)
{
    static const char *const environment[] = {"REQUEST_METHOD=GET",
                                              "REQUEST_URI=/api/cache/" KEY,
                                              "QUERY_STRING=",
                                              "CONTENT_LENGTH=0",
                                              "GATEWAY_INTERFACE=CGI/1.1",
                                              "SERVER_SOFTWARE=lighttpd/1.4.69",
                                              "SERVER_PROTOCOL=HTTP/1.1",
                                              "SERVER_NAME=127.0.0.1",
                                              "SERVER_ADDR=127.0.0.1",
                                              "SERVER_PORT=8080",
                                              "REMOTE_ADDR=127.0.0.1",
                                              "REQUEST_SCHEME=http",
                                              "REMOTE_PORT=40000",
                                              "DOCUMENT_ROOT=/var/www/html",
                                              "REDIRECT_STATUS=200",
                                              "HTTP_HOST=127.0.0.1",
                                              "HTTP_ACCEPT=*/*",
                                              "HTTP_USER_AGENT=curl/7.88.1",
                                              "EMOJIFY_SENDFILE=/dev/shm/emojify/",
                                              NULL};
    static char *encoded, *params;
    static size_t len;
    if (!encoded) {
        encoded = fcgi_params_encode(environment, &len);
        params = malloc(len + 1);
        if (!params)
            abort();
    }
    memcpy(params, encoded, len); /* request_init writes into them */
    const struct request_input input = {.params = params, .params_len = len};
    struct err_buf why;
    must(request_init(&request, arena, &request_log, &input, &why), "the request");
}

static void run_request(const struct step *step)
{
    (void)step;
    arena_reset(arena);
    read_request();
}

static bool write_nowhere(void *unused, const char *head, size_t head_len,
                          const struct iovec *pieces, size_t count)
{
    (void)unused, (void)head, (void)pieces, (void)count;
    return head_len > 0;
}

static bool write_socket(void *unused, const char *head, size_t head_len,
                         const struct iovec *pieces, size_t count)
{
    struct pollfd writable = {web_server, POLLOUT, 0};
    struct sender sender;
    enum sender_result result;
    (void)unused;
    sender_init(&sender, 1, head, head_len, pieces, count);
    while ((result = sender_push(&sender, web_server)) == SENDER_BLOCKED)
        (void)poll(&writable, 1, WRITE_MS);
    return result == SENDER_DONE;
}

static void answer(size_t len, bool (*write)(void *unused, const char *head, size_t head_len,
                                             const struct iovec *pieces, size_t count))
{
    struct response response;
    arena_reset(arena);
    read_request();
    response_init(&response, &request, (struct response_output){.write = write});
    must(response_header(&response, "Cache-Control", "public, max-age=30"), "a header");
    must(response_header(&response, "ETag", "\"0123456789abcdef\""), "a header");
    must(response_header(&response, "Vary", "Origin"), "a header");
    must(response_send(&response, 200, "image/jpeg", bytes, len), "the answer");
}

static void run_answer(const struct step *step)
{
    answer(step->size, write_nowhere);
}

static void run_answer_sent(const struct step *step)
{
    answer(step->size, write_socket);
}

static void run_log(const struct step *step)
{
    (void)step;
    log_info(&request_log, "Request handled",
             LOG_FIELDS(LOG_STR("method", "GET"), LOG_STR("path", "/api/cache/" KEY),
                        LOG_STR("route", "cache"), LOG_INT("status", 200), LOG_INT("bytes", SMALL),
                        LOG_MS("ms", 123456)));
}

/* --- What a stranger sends ------------------------------------------------------------ */

static void run_url(const struct step *step)
{
    struct buf out;
    struct err_buf why = {.text = ""};
    buf_init(&out, LIMIT_REQUEST_URL);
    must(url_normalise(step->text, strlen(step->text), &out, &why), "the URL");
    buf_release(&out);
}

static void run_guard(const struct step *step)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    struct err_buf why = {.text = ""};
    (void)inet_pton(AF_INET6, step->text, &address.sin6_addr);
    enum app_err err = address_guard_check(guard, (const struct sockaddr *)&address, &why);
    if ((err == APP_OK) != (step->size > 0))
        die("the guard's answer");
}

/* --- A message of the cache -------------------------------------------------------------- */

static void run_slices(const struct step *step)
{
    struct iovec found[SLICES_MAX];
    struct wire_cache_item item;
    const struct iovec *pieces = slices[step->size];
    must(wire_cache_item_parse(pieces, step->size, &item), "the message");
    if (wire_span_piece_count(pieces, step->size, &item.data) > SLICES_MAX)
        die("the pieces");
    wire_span_pieces(pieces, step->size, &item.data, found);
}

/* An item of LARGE bytes with its head, cut evenly. */
static void cut_message(char *message, size_t len, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t from = len * i / count, to = len * (i + 1) / count;
        slices[count][i] = (struct iovec){message + from, to - from};
    }
}

/* --- Profiles ------------------------------------------------------------------------------ */

/* As of a pool: the siblings share half of their stacks. */
static void make_sibling(size_t number, struct buf *out)
{
    struct profile *profile = profile_new(&profile_kind_cpu);
    const struct profile_mapping mapping = {
        .path = "/usr/sbin/emojify-api", .build_id = "0a1b", .start = 0x1000, .limit = 0xffffff};
    const struct profile_labels labels = {.pid = (int64_t)number + 1, .route = "cache"};
    const int64_t values[] = {1, 10000000};
    struct profile_frame frames[DEPTH];
    size_t index;
    if (!profile)
        die("no memory");
    must(profile_mapping(profile, &mapping, &index), "a mapping");
    for (size_t stack = 0; stack < STACKS; stack++) {
        size_t own = stack % 2 * number;
        for (size_t i = 0; i < DEPTH; i++)
            frames[i] =
                (struct profile_frame){index, 0x1000 + (stack * 16 + own * 4) % 4096 + i * 0x1000};
        must(profile_add(profile, frames, DEPTH, &labels, values), "a sample");
    }
    buf_init(out, PROFILE_MAX_ENCODED);
    must(profile_proto_write(profile, false, out), "a profile");
    profile_free(&profile);
}

/* What the process that was asked does with the siblings' answers. */
static void run_merge(const struct step *step)
{
    struct profile *merged = profile_new(&profile_kind_cpu);
    for (size_t i = 0; i < step->size; i++) {
        struct profile *profile = NULL;
        struct err_buf why = {.text = ""};
        must(profile_proto_read(&profile_kind_cpu, siblings[i].data, siblings[i].len, &profile,
                                &why),
             "a sibling's profile");
        must(profile_merge(merged, profile), "merging");
        profile_free(&profile);
    }
    profile_free(&merged);
}

/* --- Steps ------------------------------------------------------------------------------- */

static const struct step steps[] = {
    {"route", "router: GET /api/cache/KEY", run_route, 1, "/api/cache/" KEY},
    {"route-none", "router: a path that is none", run_route, 0, "/favicon.ico"},
    {"request", "request of 19 variables", run_request, 0, NULL},
    {"answer-small", "request, answer of 1 KB, not sent", run_answer, SMALL, NULL},
    {"answer-large", "request, answer of 100 KB, not sent", run_answer, LARGE, NULL},
    {"sent-large", "request, answer of 100 KB to a socket", run_answer_sent, LARGE, NULL},
    {"log", "a request's line in the log", run_log, 0, NULL},
    {"url", "URL, plain", run_url, 0, "https://www.example.org/2026/11/portrait.jpg?size=large"},
    {"url-escapes", "URL with spaces and escapes", run_url, 0,
     "HTTPS://www.example.org/a picture/%C3%A4%20b/\303\244.jpg?x=%20#y"},
    {"guard", "address guard: may be fetched", run_guard, 1, "2606:2800:220:1:248:1893:25c8:1946"},
    {"guard-mapped", "address guard: may not, IPv4-mapped", run_guard, 0, "::ffff:169.254.169.254"},
    {"slices-1", "cache's message of 100 KB, 1 slice", run_slices, 1, NULL},
    {"slices-3", "the same, 3 slices", run_slices, 3, NULL},
    {"slices-20", "the same, 20 slices", run_slices, 20, NULL},
    {"merge-2", "2 profiles of 1000 stacks, read and merged", run_merge, 2, NULL},
    {"merge-4", "4 profiles of 1000 stacks, read and merged", run_merge, 4, NULL},
};
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

/* --- Measuring --------------------------------------------------------------------------- */

static double samples_ns[STEPS][ROUNDS_MAX];
static const char *only; /* this step; NULL: all */

static bool is_wanted(const struct step *step)
{
    return !only || strcmp(step->name, only) == 0;
}

/* CPU time of `times` runs. */
static int64_t time_runs(const struct step *step, unsigned long times)
{
    int64_t before_ns = clock_thread_cpu_ns();
    for (unsigned long i = 0; i < times; i++)
        step->run(step);
    return clock_thread_cpu_ns() - before_ns;
}

/* How often it runs in about ROUND_NS; warms it up, too. */
static unsigned long find_times(const struct step *step)
{
    unsigned long times = 1;
    while (time_runs(step, times) < ROUND_NS)
        times *= 2;
    return times;
}

static void measure(size_t rounds)
{
    unsigned long times[STEPS] = {0};
    for (size_t i = 0; i < STEPS; i++) {
        if (is_wanted(&steps[i]))
            times[i] = find_times(&steps[i]);
    }
    for (size_t turn = 0; turn < rounds; turn++) {
        for (size_t i = 0; i < STEPS; i++) {
            if (times[i] > 0)
                samples_ns[i][turn] = (double)time_runs(&steps[i], times[i]) / (double)times[i];
        }
    }
}

static void report(size_t rounds, FILE *json)
{
    const char *separator = "{";
    printf("CPU in ns each, median (quartiles) of %zu rounds\n", rounds);
    for (size_t i = 0; i < STEPS; i++) {
        if (!is_wanted(&steps[i]))
            continue;
        struct quartiles ns = quartiles_of(samples_ns[i], rounds);
        printf("%-13s %-43s %10.0f  (%.0f to %.0f)\n", steps[i].name, steps[i].meaning, ns.median,
               ns.low, ns.high);
        if (json)
            (void)fprintf(json, "%s\"%s\":{\"ns\":%.1f,\"q1\":%.1f,\"q3\":%.1f}", separator,
                          steps[i].name, ns.median, ns.low, ns.high);
        separator = ",\n";
    }
    if (json)
        (void)fputs("}\n", json);
}

/* --- Setting up ----------------------------------------------------------------------------- */

/* The other end of the socket. */
static void *drain(void *argument)
{
    static char taken[256 * 1024];
    const int *fd = argument;
    while (recv(*fd, taken, sizeof(taken), 0) > 0)
        ;
    return NULL;
}

static void start_web_server(void)
{
    static int ends[2];
    pthread_t thread;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 ||
        pthread_create(&thread, NULL, drain, &ends[1]) != 0 || pthread_detach(thread) != 0)
        die("no socket");
    web_server = ends[0];
}

static void prepare(void)
{
    static const struct api_config config = {
        .api_path = "/api/", .authn_server = "", .profile_token = ""};
    static char message[WIRE_CACHE_ITEM_HEAD_MAX + sizeof(KEY) + LARGE];
    struct err_buf why = {.text = ""};
    size_t head = wire_cache_item_head(KEY, strlen(KEY), LARGE, message);
    cut_message(message, head + LARGE, 1);
    cut_message(message, head + LARGE, 3);
    cut_message(message, head + LARGE, SLICES_MAX);
    sink = (struct log_sink){.fd = open("/dev/null", O_WRONLY | O_CLOEXEC),
                             .format = LOG_FORMAT_TEXT,
                             .level = LOG_INFO};
    request_log = (struct log){.sink = &sink, .module = "api"};
    arena = arena_new(LIMIT_REQUEST_ARENA);
    if (!arena || sink.fd < 0)
        die("no memory");
    must(address_guard_new("", "", &guard, &why), "the guard");
    must(routes_new(&config, &routes), "the routes");
    for (size_t i = 0; i < SIBLINGS; i++)
        make_sibling(i, &siblings[i]);
    start_web_server();
}

int main(int argc, char **argv)
{
    long rounds = 21;
    const char *json_path = NULL;
    int option;
    while ((option = getopt(argc, argv, "n:o:j:")) != -1) {
        if (option == 'n')
            rounds = strtol(optarg, NULL, 10);
        else if (option == 'o')
            only = optarg;
        else if (option == 'j')
            json_path = optarg;
        else
            return EXIT_FAILURE;
    }
    if (argc != optind || rounds < 1 || rounds > ROUNDS_MAX)
        die("usage: micro [-n ROUNDS] [-o STEP] [-j FILE]");
    FILE *json = json_path ? fopen(json_path, "we") : NULL;
    if (json_path && !json)
        die(strerror(errno));

    prepare();
    measure((size_t)rounds);
    report((size_t)rounds, json);
    return json && fclose(json) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

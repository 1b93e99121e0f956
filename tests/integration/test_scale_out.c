/* SPDX-License-Identifier: MIT */
/*
 * Two hosts with the api behind one lighttpd, and two caches with one Redis behind
 * those. The hosts are two addresses of this machine, with nothing in common but that.
 * The web server is always lighttpd, by httpd-conf/lighttpd/emojify-hosts.conf.
 */
#include "support/cmocka.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/fcgi_peer.h"
#include "support/grpc_client.h"
#include "support/http.h"
#include "support/process.h"
#include "support/redis_server.h"
#include "support/temp_dir.h"

#define KEY "0123456789abcdef0123456789abcdef"

enum { PATIENCE_MS = 20000, POLL_MS = 20, LOADERS = 4, GOOD_MIN = 1000, TEXT_MAX = 512 };

static const char *const host_names[] = {"127.0.0.1", "127.0.0.2"};
static const char picture[] = "\x89PNG\r\n\x1a\n of which nobody looks at more";

struct cache {
    uint16_t port;
    uint16_t health_port;
    pid_t pid;
};

struct fixture {
    struct temp_dir dir;
    struct redis_server redis;
    struct cache caches[2];
    uint16_t api_port; /* the same on both hosts */
    pid_t hosts[2];
    uint16_t web_port;
    pid_t web;
    char url[128]; /* of the picture */
};

/* --- The parts -------------------------------------------------------------------- */

/* A port that was free a moment ago, on all addresses of this machine. */
static uint16_t free_port(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t len = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    close(fd);
    return ntohs(name.sin_port);
}

/* A program with exactly that environment, which ends when the test does. */
static pid_t start(const char *const *command, const char *const *environment)
{
    const char *arguments[8] = {"/usr/bin/setpriv", "--pdeathsig", "KILL"};
    for (size_t i = 0; command[i]; i++)
        arguments[3 + i] = command[i];
    pid_t pid = process_start(&(struct process_options){
        .arguments = arguments, .environment = environment, .in = -1, .out = -1});
    assert_true(pid > 0);
    return pid;
}

static void program_of(const char *name, char path[TEXT_MAX])
{
    const char *build = getenv("BUILD");
    (void)snprintf(path, TEXT_MAX, "%s/emojify-%s", build ? build : "build/release", name);
}

static void end(pid_t *pid, int signal)
{
    if (*pid == 0)
        return;
    assert_int_equal(kill(*pid, signal), 0);
    assert_int_equal(waitpid(*pid, NULL, 0), *pid);
    *pid = 0;
}

static int status_of(const char *url)
{
    struct http_reply reply;
    int status = http_perform(&(struct http_call){.url = url, .timeout_ms = 10000}, &reply)
                     ? reply.status
                     : 0;
    http_reply_release(&reply);
    return status;
}

static void wait_for_status(const char *url, int status)
{
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    while (status_of(url) != status) {
        assert_true(clock_now_ns() < deadline);
        sleep_ms(POLL_MS);
    }
}

static void start_cache(const struct fixture *fixture, struct cache *cache)
{
    char program[TEXT_MAX], redis[PATH_MAX + 32], port[32], health_port[32], url[64];
    program_of("cache", program);
    (void)snprintf(redis, sizeof(redis), "REDIS_URL=unix://%s", fixture->redis.socket);
    (void)snprintf(port, sizeof(port), "BIND_PORT=%u", cache->port);
    (void)snprintf(health_port, sizeof(health_port), "HEALTH_BIND_PORT=%u", cache->health_port);
    cache->pid = start((const char *const[]){program, NULL},
                       (const char *const[]){"CACHE_TYPE=redis", "LOG_LEVEL=warn", redis, port,
                                             health_port, NULL});
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/health", cache->health_port);
    wait_for_status(url, 200);
}

/* Calls of Get that a cache has answered since its start. */
static double gets_of(const struct cache *cache)
{
    static const char series[] = "emojify_cache_requests_total{method=\"Get\",status=\"OK\"} ";
    char url[64];
    struct http_reply reply;
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/metrics", cache->health_port);
    assert_true(http_perform(&(struct http_call){.url = url}, &reply));
    const char *found = strstr(http_reply_text(&reply), series);
    double value = found ? strtod(found + strlen(series), NULL) : 0;
    http_reply_release(&reply);
    return value;
}

static void start_host(struct fixture *fixture, size_t number)
{
    char program[TEXT_MAX], name[16], path[PATH_MAX], run_dir[PATH_MAX + 16], address[32];
    char caches[96];
    program_of("api", program);
    (void)snprintf(name, sizeof(name), "run-%zu", number);
    temp_dir_path(&fixture->dir, name, path);
    (void)snprintf(run_dir, sizeof(run_dir), "RUN_DIR=%s", path);
    (void)snprintf(address, sizeof(address), "%s:%u", host_names[number], fixture->api_port);
    (void)snprintf(caches, sizeof(caches), "CACHE_ADDRESS=ipv4:127.0.0.1:%u,127.0.0.1:%u",
                   fixture->caches[0].port, fixture->caches[1].port);
    fixture->hosts[number] =
        start((const char *const[]){program, "--listen", address, NULL},
              (const char *const[]){"API_PATH=/api/", "LOG_LEVEL=warn", "LOCAL_CACHE_TTL=0s",
                                    run_dir, caches, NULL});
}

/* Whether that host answers by itself; the answer's body in `text`. */
static bool ask_host(const struct fixture *fixture, size_t number, const char *path, char *text,
                     size_t size)
{
    char address[32];
    struct fcgi_answer answer = {.ended = false};
    (void)snprintf(address, sizeof(address), "%s:%u", host_names[number], fixture->api_port);
    bool ok = fcgi_peer_get(address, path, &answer) && fcgi_answer_status(&answer) == 200;
    (void)snprintf(text, size, "%s", ok ? answer.body : "");
    fcgi_answer_release(&answer);
    return ok;
}

static void wait_for_host(const struct fixture *fixture, size_t number)
{
    char text[16];
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    while (!ask_host(fixture, number, "/api/health/live", text, sizeof(text))) {
        assert_true(clock_now_ns() < deadline);
        sleep_ms(POLL_MS);
    }
}

/* Pictures that this host has served. */
static double served_by(const struct fixture *fixture, size_t number)
{
    static const char series[] =
        "emojify_requests_total{route=\"cache\",method=\"GET\",status=\"200\"} ";
    static char text[256 * 1024];
    assert_true(ask_host(fixture, number, "/metrics", text, sizeof(text)));
    const char *found = strstr(text, series);
    return found ? strtod(found + strlen(series), NULL) : 0;
}

static void start_web(struct fixture *fixture)
{
    char conf[PATH_MAX], here[PATH_MAX], text[2 * PATH_MAX];
    assert_non_null(getcwd(here, sizeof(here)));
    int len = snprintf(text, sizeof(text),
                       "server.port = %u\nserver.bind = \"127.0.0.1\"\n"
                       "server.document-root = \"%s\"\n"
                       "var.emojify_first = \"%s\"\nvar.emojify_second = \"%s\"\n"
                       "var.emojify_port = %u\n"
                       "include \"%s/httpd-conf/lighttpd/emojify-hosts.conf\"\n",
                       fixture->web_port, fixture->dir.path, host_names[0], host_names[1],
                       fixture->api_port, here);
    temp_dir_write(&fixture->dir, "lighttpd.conf", text, (size_t)len);
    temp_dir_path(&fixture->dir, "lighttpd.conf", conf);
    fixture->web = start((const char *const[]){"/usr/sbin/lighttpd", "-D", "-f", conf, NULL}, NULL);
}

/* --- All of it -------------------------------------------------------------------- */

/* By the first cache's own protocol; the second has it from Redis. */
static void put_picture(const struct fixture *fixture)
{
    char address[32], message[128];
    struct grpc_client_answer answer = {.message = NULL};
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", fixture->caches[0].port);
    int len = snprintf(message, sizeof(message), "\x0a\x20" KEY "\x12%c%s",
                       (int)(sizeof(picture) - 1), picture);
    struct grpc_client *client = grpc_client_new(&(struct grpc_client_options){.address = address});
    grpc_client_call(client, "/Cache/Put", message, (size_t)len, &answer);
    assert_int_equal(answer.status, 0);
    grpc_client_answer_release(&answer);
    grpc_client_free(&client);
}

static int start_all(void **state)
{
    if (!redis_server_is_installed())
        return 0;
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    temp_dir_init(&fixture->dir);
    redis_server_init(&fixture->redis, &fixture->dir);
    redis_server_start(&fixture->redis, NULL);
    for (size_t i = 0; i < 2; i++) {
        fixture->caches[i] = (struct cache){.port = free_port(), .health_port = free_port()};
        start_cache(fixture, &fixture->caches[i]);
    }
    fixture->api_port = free_port();
    for (size_t i = 0; i < 2; i++) {
        start_host(fixture, i);
        wait_for_host(fixture, i);
    }
    fixture->web_port = free_port();
    start_web(fixture);
    put_picture(fixture);
    (void)snprintf(fixture->url, sizeof(fixture->url), "http://127.0.0.1:%u/api/cache/" KEY,
                   fixture->web_port);
    wait_for_status(fixture->url, 200);
    *state = fixture;
    return 0;
}

static int stop_all(void **state)
{
    struct fixture *fixture = *state;
    if (!fixture)
        return 0;
    end(&fixture->web, SIGKILL);
    for (size_t i = 0; i < 2; i++) {
        end(&fixture->hosts[i], SIGTERM);
        end(&fixture->caches[i].pid, SIGTERM);
    }
    redis_server_kill(&fixture->redis);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

/* --- Load ------------------------------------------------------------------------- */

struct load {
    const char *url;
    atomic_bool stop;
    atomic_uint good, bad;
    atomic_int last_bad; /* its status; 0: no answer */
    pthread_t threads[LOADERS];
};

static void *get_again_and_again(void *argument)
{
    struct load *load = argument;
    while (!atomic_load(&load->stop)) {
        int status = status_of(load->url);
        atomic_fetch_add(status == 200 ? &load->good : &load->bad, 1);
        if (status != 200)
            atomic_store(&load->last_bad, status);
    }
    return NULL;
}

/* Until so many more have been answered, or one was not. */
static void load_wait(struct load *load, unsigned more)
{
    unsigned enough = atomic_load(&load->good) + more;
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    while (atomic_load(&load->good) < enough && atomic_load(&load->bad) == 0 &&
           clock_now_ns() < deadline)
        sleep_ms(POLL_MS);
}

static void load_begin(struct load *load, const char *url)
{
    *load = (struct load){.url = url};
    for (size_t i = 0; i < LOADERS; i++)
        assert_int_equal(pthread_create(&load->threads[i], NULL, get_again_and_again, load), 0);
    load_wait(load, 20);
}

static void load_go_on(struct load *load)
{
    load_wait(load, GOOD_MIN);
}

static void load_end(struct load *load)
{
    atomic_store(&load->stop, true);
    for (size_t i = 0; i < LOADERS; i++)
        assert_int_equal(pthread_join(load->threads[i], NULL), 0);
    print_message("%u GETs, %u of them failed, the last with %d\n", atomic_load(&load->good),
                  atomic_load(&load->bad), atomic_load(&load->last_bad));
    assert_int_equal(atomic_load(&load->bad), 0);
}

/* --- Tests ------------------------------------------------------------------------ */

static struct fixture *fixture_or_skip(void **state)
{
    if (!*state)
        skip();
    return *state;
}

static void both_hosts_and_both_caches_serve_what_was_put_into_one(void **state)
{
    struct fixture *fixture = fixture_or_skip(state);
    struct http_reply reply;
    assert_true(http_perform(&(struct http_call){.url = fixture->url}, &reply));
    assert_int_equal(reply.status, 200);
    assert_string_equal(http_reply_text(&reply), picture);
    http_reply_release(&reply);

    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    struct load load;
    load_begin(&load, fixture->url);
    while (served_by(fixture, 0) == 0 || served_by(fixture, 1) == 0 ||
           gets_of(&fixture->caches[0]) == 0 || gets_of(&fixture->caches[1]) == 0) {
        assert_true(clock_now_ns() < deadline);
        sleep_ms(POLL_MS);
    }
    load_end(&load);
}

static void no_get_fails_when_a_cache_is_killed_under_load_and_it_is_used_again(void **state)
{
    struct fixture *fixture = fixture_or_skip(state);
    struct load load;
    load_begin(&load, fixture->url);
    end(&fixture->caches[0].pid, SIGKILL);
    load_go_on(&load);
    start_cache(fixture, &fixture->caches[0]);
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    while (gets_of(&fixture->caches[0]) == 0) {
        assert_true(clock_now_ns() < deadline);
        sleep_ms(POLL_MS);
    }
    load_end(&load);
}

/* Told to stop, as for an upgrade. */
static void no_get_fails_when_a_host_stops_under_load_and_it_is_used_again(void **state)
{
    struct fixture *fixture = fixture_or_skip(state);
    struct load load;
    load_begin(&load, fixture->url);
    end(&fixture->hosts[1], SIGTERM);
    load_go_on(&load);
    start_host(fixture, 1);
    wait_for_host(fixture, 1);
    double before = served_by(fixture, 1);
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    while (served_by(fixture, 1) <= before) {
        assert_true(clock_now_ns() < deadline);
        sleep_ms(POLL_MS);
    }
    load_end(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_hosts_and_both_caches_serve_what_was_put_into_one),
        cmocka_unit_test(no_get_fails_when_a_cache_is_killed_under_load_and_it_is_used_again),
        cmocka_unit_test(no_get_fails_when_a_host_stops_under_load_and_it_is_used_again),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}

/* SPDX-License-Identifier: MIT */
/* The program as a whole, from $BUILD (build/release), over a Unix socket. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/program.h"
#include "support/certificates.h"
#include "support/grpc_client.h"
#include "support/redis_server.h"
#include "support/temp_dir.h"

#define BYTES(text) (text), sizeof(text) - 1

enum { VARIABLES_MAX = 8, PATIENCE_MS = 20000 };

struct fixture {
    struct temp_dir dir;
    char address[128];
    char log[PATH_MAX];
    uint16_t health_port;
    char variables[VARIABLES_MAX][256];
    pid_t pid;          /* 0: not running */
    struct rpc_tls tls; /* that the client uses */
    struct grpc_client *client;
    struct grpc_client_answer answer;
    struct redis_server redis; /* of the tests that need one */
};

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    close(fd);
    return ntohs(name.sin_port);
}

/* Start the program with its log in fixture->log. */
static void spawn_program(struct fixture *fixture)
{
    char program[PATH_MAX];
    const char *build = getenv("BUILD");
    (void)snprintf(program, sizeof(program), "%s/emojify-cache", build ? build : "build/release");
    char *arguments[] = {program, NULL};
    char *environment[VARIABLES_MAX + 1] = {NULL};
    for (size_t i = 0; i < VARIABLES_MAX && fixture->variables[i][0]; i++)
        environment[i] = fixture->variables[i];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, fixture->log, O_WRONLY | O_CREAT | O_APPEND,
                                     0600);
    assert_int_equal(posix_spawn(&fixture->pid, program, &actions, NULL, arguments, environment),
                     0);
    posix_spawn_file_actions_destroy(&actions);
}

/* Returns the exit status; fails the test when the program does not end. */
static int wait_for_exit(struct fixture *fixture)
{
    int status;
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    while (waitpid(fixture->pid, &status, WNOHANG) == 0) {
        assert_true(clock_now_ns() < deadline);
        usleep(5000);
    }
    fixture->pid = 0;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int call(struct fixture *fixture, const char *method, const void *message, size_t len)
{
    grpc_client_call(fixture->client, method, message, len, &fixture->answer);
    return fixture->answer.status;
}

static void start(struct fixture *fixture)
{
    spawn_program(fixture);
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    do {
        assert_true(clock_now_ns() < deadline);
        usleep(20000);
        grpc_client_free(&fixture->client);
        fixture->client = grpc_client_new(
            &(struct grpc_client_options){.address = fixture->address, .tls = fixture->tls});
    } while (call(fixture, "/Cache/Check", BYTES("")) != 0);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    temp_dir_init(&fixture->dir);
    const char *dir = fixture->dir.path;
    fixture->health_port = free_port();
    (void)snprintf(fixture->address, sizeof(fixture->address), "unix:%s/socket", dir);
    (void)snprintf(fixture->log, sizeof(fixture->log), "%s/log", dir);
    (void)snprintf(fixture->variables[0], 256, "BIND_ADDRESS=%s", fixture->address);
    (void)snprintf(fixture->variables[1], 256, "HEALTH_BIND_PORT=%u", fixture->health_port);
    (void)snprintf(fixture->variables[2], 256, "CACHE_FILE_LOCATION=%s/store", dir);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    grpc_client_answer_release(&fixture->answer);
    grpc_client_free(&fixture->client);
    if (fixture->pid) {
        (void)kill(fixture->pid, SIGKILL);
        (void)waitpid(fixture->pid, NULL, 0);
    }
    redis_server_kill(&fixture->redis);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

static void read_log(struct fixture *fixture, char *content, size_t size)
{
    int fd = open(fixture->log, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t len = read(fd, content, size - 1);
    assert_true(len >= 0);
    content[len] = '\0';
    close(fd);
}

static void assert_log_has(struct fixture *fixture, const char *text)
{
    char content[20000];
    read_log(fixture, content, sizeof(content));
    if (!strstr(content, text))
        fail_msg("no \"%s\" in the log:\n%s", text, content);
}

static void assert_log_lacks(struct fixture *fixture, const char *text)
{
    char content[20000];
    read_log(fixture, content, sizeof(content));
    if (strstr(content, text))
        fail_msg("\"%s\" is in the log:\n%s", text, content);
}

static void it_serves_until_sigterm_and_keeps_its_entries(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    assert_int_equal(call(fixture, "/Cache/Put", BYTES("\x0a\x03key\x12\x05world")), 0);
    assert_int_equal(kill(fixture->pid, SIGTERM), 0);
    assert_int_equal(wait_for_exit(fixture), 0);
    start(fixture);
    assert_int_equal(call(fixture, "/Cache/Get", BYTES("\x0a\x03key")), 0);
    assert_int_equal(fixture->answer.len, 12);
    assert_memory_equal(fixture->answer.message, "\x0a\x03key\x12\x05world", 12);
    assert_log_has(fixture, "Service started: address=unix:");
    assert_log_has(fixture, "Service stopping: signal=15");
    assert_log_has(fixture, "Cache called: method=/Cache/Put id=key status=0 bytes=5");
}

static void entries_survive_a_kill(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    assert_int_equal(call(fixture, "/Cache/Put", BYTES("\x0a\x03key\x12\x05world")), 0);
    assert_int_equal(kill(fixture->pid, SIGKILL), 0);
    assert_int_equal(waitpid(fixture->pid, NULL, 0), fixture->pid);
    start(fixture); /* its old socket is no obstacle */
    assert_int_equal(call(fixture, "/Cache/Get", BYTES("\x0a\x03key")), 0);
}

static void a_second_one_at_the_same_address_says_so_and_fails(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    pid_t first = fixture->pid;
    spawn_program(fixture);
    assert_int_equal(wait_for_exit(fixture), 1);
    fixture->pid = first;
    assert_log_has(fixture, "somebody listens there already");
    assert_int_equal(call(fixture, "/Cache/Check", BYTES("")), 0);
}

static void a_bad_setting_is_named_and_fails(void **state)
{
    struct fixture *fixture = *state;
    (void)snprintf(fixture->variables[3], 256, "CACHE_MAX_BYTES=lots");
    spawn_program(fixture);
    assert_int_equal(wait_for_exit(fixture), PROGRAM_EXIT_CONFIG);
    assert_log_has(fixture, "CACHE_MAX_BYTES=lots");
}

static void a_store_that_cannot_be_made_is_named_and_fails(void **state)
{
    struct fixture *fixture = *state;
    (void)snprintf(fixture->variables[2], 256, "CACHE_FILE_LOCATION=%s/no/such", fixture->dir.path);
    spawn_program(fixture);
    assert_int_equal(wait_for_exit(fixture), 1);
    assert_log_has(fixture, "no/such: cannot be made");
}

/* GET /health; returns the status and the body, which is cut. */
static int ask_health(const struct fixture *fixture, char body[100])
{
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons(fixture->health_port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* It is the last to start. */
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    while (connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0) {
        assert_true(clock_now_ns() < deadline);
        usleep(5000);
    }
    static const char request[] = "GET /health HTTP/1.0\r\n\r\n";
    assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
    char answer[1000] = "";
    size_t len = 0;
    for (ssize_t step; (step = read(fd, answer + len, sizeof(answer) - 1 - len)) > 0;)
        len += (size_t)step;
    close(fd);
    const char *end = strstr(answer, "\r\n\r\n");
    assert_non_null(end);
    (void)snprintf(body, 100, "%.99s", end + 4);
    return (int)strtol(strchr(answer, ' '), NULL, 10);
}

static void the_health_page_is_served(void **state)
{
    struct fixture *fixture = *state;
    char body[100];
    start(fixture);
    assert_int_equal(ask_health(fixture, body), 200);
    assert_string_equal(body, "OK\n");
}

/* --- With Redis ----------------------------------------------------------------- */

static void set_up_redis(struct fixture *fixture)
{
    redis_server_init(&fixture->redis, &fixture->dir);
    redis_server_start(&fixture->redis, NULL);
    (void)snprintf(fixture->variables[3], 256, "CACHE_TYPE=redis");
    (void)snprintf(fixture->variables[4], 256, "REDIS_URL=redis://127.0.0.1:%u/1",
                   fixture->redis.port);
}

static void entries_and_take_downs_in_redis_survive_the_program(void **state)
{
    struct fixture *fixture = *state;
    if (!redis_server_is_installed())
        skip();
    set_up_redis(fixture);
    start(fixture);
    assert_int_equal(call(fixture, "/Cache/Put", BYTES("\x0a\x03key\x12\x05world")), 0);
    assert_int_equal(call(fixture, "/Cache/Put", BYTES("\x0a\x04gone")), 0);
    assert_int_equal(kill(fixture->pid, SIGTERM), 0);
    assert_int_equal(wait_for_exit(fixture), 0);
    start(fixture);
    assert_int_equal(call(fixture, "/Cache/Get", BYTES("\x0a\x03key")), 0);
    assert_memory_equal(fixture->answer.message, "\x0a\x03key\x12\x05world", 12);
    assert_int_equal(call(fixture, "/Cache/Put", BYTES("\x0a\x04gone\x12\x05world")), 9);
    assert_int_equal(call(fixture, "/Cache/Exists", BYTES("\x0a\x04gone")), 9);
    assert_int_equal(call(fixture, "/Cache/Get", BYTES("\x0a\x04gone")), 5);
    assert_log_has(fixture, "REDIS_URL=***");
}

static void a_redis_that_is_away_is_named_and_used_when_it_is_back(void **state)
{
    struct fixture *fixture = *state;
    char body[100];
    if (!redis_server_is_installed())
        skip();
    set_up_redis(fixture);
    start(fixture);
    assert_int_equal(ask_health(fixture, body), 200);
    redis_server_kill(&fixture->redis);
    static const char *const methods[] = {"/Cache/Get", "/Cache/Put", "/Cache/Exists"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(call(fixture, methods[i], BYTES("\x0a\x03key\x12\x05world")), 14);
        assert_string_equal(fixture->answer.words, "Redis cannot be reached");
    }
    assert_int_equal(call(fixture, "/Cache/Check", BYTES("")), 0);
    assert_memory_equal(fixture->answer.message, "\x08\x02", 2);
    assert_int_equal(ask_health(fixture, body), 503);
    assert_string_equal(body, "Redis cannot be reached\n");

    redis_server_start(&fixture->redis, NULL);
    int64_t deadline = deadline_in_ms(2000);
    while (call(fixture, "/Cache/Put", BYTES("\x0a\x03key\x12\x05world")) != 0) {
        assert_true(clock_now_ns() < deadline);
        usleep(20000);
    }
    assert_int_equal(ask_health(fixture, body), 200);
    assert_log_has(fixture, "[WARN]  cache: Redis cannot be reached");
    assert_log_has(fixture, "[INFO]  cache: Redis connected");
}

static void a_bad_redis_url_fails_without_its_password(void **state)
{
    struct fixture *fixture = *state;
    (void)snprintf(fixture->variables[3], 256, "REDIS_URL=redis://me:sesame@host:port");
    spawn_program(fixture);
    assert_int_equal(wait_for_exit(fixture), PROGRAM_EXIT_CONFIG);
    assert_log_has(fixture, "REDIS_URL");
    assert_log_has(fixture, "the port must be a number");
    assert_log_lacks(fixture, "sesame");
}

/* --- With TLS ------------------------------------------------------------------- */

static void with_tls_only_clients_of_the_authority_are_served(void **state)
{
    struct fixture *fixture = *state;
    struct certificates server;
    struct certificates client;
    struct authority *authority = authority_new();
    authority_issue(authority, authority, "DNS:localhost", &fixture->dir, "server", &server);
    authority_issue(authority, authority, "URI:spiffe://test/client", &fixture->dir, "client",
                    &client);
    authority_free(&authority);
    (void)snprintf(fixture->variables[3], 256, "TLS_CA=%.200s", server.ca);
    (void)snprintf(fixture->variables[4], 256, "TLS_CERT=%.200s", server.certificate);
    (void)snprintf(fixture->variables[5], 256, "TLS_KEY=%.200s", server.key);
    fixture->tls = client.tls;
    start(fixture);
    assert_int_equal(call(fixture, "/Cache/Put", BYTES("\x0a\x03key\x12\x05world")), 0);
    grpc_client_free(&fixture->client);
    fixture->client = grpc_client_new(&(struct grpc_client_options){.address = fixture->address});
    assert_int_equal(call(fixture, "/Cache/Get", BYTES("\x0a\x03key")), 14);
}

static void tls_files_that_are_not_right_are_named_and_fail(void **state)
{
    struct fixture *fixture = *state;
    (void)snprintf(fixture->variables[3], 256, "TLS_CA=/no/such/file");
    spawn_program(fixture);
    assert_int_equal(wait_for_exit(fixture), PROGRAM_EXIT_CONFIG);
    assert_log_has(fixture, "TLS_CA, TLS_CERT and TLS_KEY must be given together");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(it_serves_until_sigterm_and_keeps_its_entries),
        TEST(entries_survive_a_kill),
        TEST(a_second_one_at_the_same_address_says_so_and_fails),
        TEST(a_bad_setting_is_named_and_fails),
        TEST(a_store_that_cannot_be_made_is_named_and_fails),
        TEST(the_health_page_is_served),
        TEST(entries_and_take_downs_in_redis_survive_the_program),
        TEST(a_redis_that_is_away_is_named_and_used_when_it_is_back),
        TEST(a_bad_redis_url_fails_without_its_password),
        TEST(with_tls_only_clients_of_the_authority_are_served),
        TEST(tls_files_that_are_not_right_are_named_and_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

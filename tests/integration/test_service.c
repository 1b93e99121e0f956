/* SPDX-License-Identifier: MIT */
/*
 * The programs as systemd runs them: the api on a socket that it is handed as its
 * standard input, all three with the environment of their units, without new
 * privileges and without code that they wrote themselves. What system calls they make
 * is traced and held against the units.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "support/build_path.h"
#include "support/command.h"
#include "support/fcgi_peer.h"
#include "support/process.h"
#include "support/scene.h"
#include "support/temp_dir.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

/* MemoryDenyWriteExecute= by the kernel itself, since Linux 6.3. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

enum { PATIENCE_MS = 60000, SETTINGS_MAX = 16, SETTING_MAX = 256, WAITING = 5 };

enum program { API, CACHE, FACEBOX, PROGRAMS };
static const char *const names[PROGRAMS] = {"api", "cache", "facebox"};

struct fixture {
    struct temp_dir dir;
    char socket[PATH_MAX]; /* the api's */
    int listen_fd;
    bool traced;
    pid_t pids[PROGRAMS]; /* 0: not running */
    char settings[PROGRAMS][SETTINGS_MAX][SETTING_MAX];
    size_t setting_count[PROGRAMS];
};

static __attribute__((format(printf, 3, 4))) void set(struct fixture *fixture, enum program program,
                                                      const char *format, ...)
{
    assert_true(fixture->setting_count[program] < SETTINGS_MAX);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(fixture->settings[program][fixture->setting_count[program]++], SETTING_MAX,
                    format, arguments);
    va_end(arguments);
}

/* Environment= of the unit; what the test says later comes before it in the list, and counts. */
static void set_as_the_unit(struct fixture *fixture, enum program program)
{
    static const char key[] = "Environment=";
    char path[PATH_MAX], line[SETTING_MAX];
    (void)snprintf(path, sizeof(path), "httpd-conf/systemd/emojify-%s.service", names[program]);
    FILE *unit = fopen(path, "r");
    assert_non_null(unit);
    while (fgets(line, sizeof(line), unit)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, key, strlen(key)) == 0)
            set(fixture, program, "%s", line + strlen(key));
    }
    (void)fclose(unit);
}

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

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (!fixture)
        return -1;
    temp_dir_init(&fixture->dir);
    temp_dir_path(&fixture->dir, "api.sock", fixture->socket);
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s/api.sock", fixture->dir.path);
    fixture->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fixture->listen_fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(fixture->listen_fd, 4096), 0);
    uint16_t facebox_port = free_port();
    const char *dir = fixture->dir.path;
    set(fixture, API, "RUN_DIR=%s/run", dir);
    set(fixture, API, "LOCAL_CACHE_DIR=%s/tier", dir);
    set(fixture, API, "CACHE_ADDRESS=unix:%s/cache.sock", dir);
    set(fixture, API, "FACEBOX=http://127.0.0.1:%u", facebox_port);
    set(fixture, API, "PROFILE=on");
    set(fixture, API, "PROFILE_TOKEN=" TOKEN);
    set(fixture, API, "PROFILE_RING=50");
    set(fixture, API, "PROFILE_HEAP=512K");
    set(fixture, CACHE, "BIND_ADDRESS=unix:%s/cache.sock", dir);
    set(fixture, CACHE, "HEALTH_BIND_PORT=0");
    set(fixture, CACHE, "CACHE_FILE_LOCATION=%s/cache", dir);
    set(fixture, FACEBOX, "BIND_PORT=%u", facebox_port);
    for (enum program program = API; program < PROGRAMS; program++) {
        set(fixture, program, "LOG_LEVEL=error");
        set_as_the_unit(fixture, program);
    }
    *state = fixture;
    return 0;
}

static int setup_traced(void **state)
{
    int result = setup(state);
    if (result == 0)
        ((struct fixture *)*state)->traced = true;
    return result;
}

static void start(struct fixture *fixture, enum program program)
{
    char path[PATH_MAX], trace[PATH_MAX], name[32];
    const char *environment[SETTINGS_MAX + 2] = {"PATH=/usr/bin:/bin"};
    (void)snprintf(name, sizeof(name), "emojify-%s", names[program]);
    build_path(name, path, sizeof(path));
    (void)snprintf(name, sizeof(name), "%s.trace", names[program]);
    temp_dir_path(&fixture->dir, name, trace);
    for (size_t i = 0; i < fixture->setting_count[program]; i++)
        environment[i + 1] = fixture->settings[program][i];
    /* With -D the tracer is a grandchild, and the child is the program itself. */
    const char *const traced[] = {"strace", "-D", "-f", "-o", trace, path, NULL};
    const char *const plain[] = {path, NULL};
    struct process_options options = {.arguments = fixture->traced ? traced : plain,
                                      .environment = environment,
                                      .in = program == API ? fixture->listen_fd : -1,
                                      .out = -1};
    fixture->pids[program] = process_start(&options);
    assert_int_not_equal(fixture->pids[program], 0);
}

/* As systemd does it; it must leave with 0. */
static void stop(struct fixture *fixture, enum program program)
{
    pid_t pid = fixture->pids[program];
    assert_int_equal(kill(pid, SIGTERM), 0);
    fixture->pids[program] = 0;
    assert_int_equal(process_wait(pid), 0);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    for (enum program program = API; program < PROGRAMS; program++) {
        if (fixture->pids[program] > 0) {
            (void)kill(fixture->pids[program], SIGKILL);
            (void)process_wait(fixture->pids[program]);
        }
    }
    close(fixture->listen_fd);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

/* Ask, and release the answer. Returns its status. */
static int ask(const struct fixture *fixture, const char *const *environment,
               const struct buf *body, char *text, size_t size)
{
    struct fcgi_answer answer = {0};
    int fd = fcgi_peer_connect(fixture->socket);
    assert_true(fd >= 0);
    assert_true(
        fcgi_peer_request(fd, 0, environment, body ? body->data : NULL, body ? body->len : 0));
    assert_true(fcgi_peer_receive(fd, PATIENCE_MS, &answer));
    close(fd);
    int status = fcgi_answer_status(&answer);
    (void)snprintf(text, size, "%s", answer.body);
    fcgi_answer_release(&answer);
    return status;
}

static int get(const struct fixture *fixture, const char *uri)
{
    char variable[300], text[8];
    (void)snprintf(variable, sizeof(variable), "REQUEST_URI=%s", uri);
    const char *const environment[] = {"REQUEST_METHOD=GET", variable,
                                       "HTTP_AUTHORIZATION=Bearer " TOKEN, NULL};
    return ask(fixture, environment, NULL, text, sizeof(text));
}

static int post(const struct fixture *fixture, const char *type, const struct buf *body, char *text,
                size_t size)
{
    char length[64], content_type[64];
    (void)snprintf(length, sizeof(length), "CONTENT_LENGTH=%zu", body->len);
    (void)snprintf(content_type, sizeof(content_type), "CONTENT_TYPE=%s", type);
    const char *const environment[] = {"REQUEST_METHOD=POST", "REQUEST_URI=/api/", length,
                                       content_type, NULL};
    return ask(fixture, environment, body, text, size);
}

static void wait_healthy(const struct fixture *fixture)
{
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    while (get(fixture, "/api/health") != 200) {
        assert_true(clock_now_ns() < deadline);
        sleep_ms(50);
    }
}

/* Post a photograph and get the result. */
static void emojify_a_photograph(const struct fixture *fixture)
{
    struct buf picture;
    char key[64], uri[128];
    buf_init(&picture, 10 * 1024 * 1024);
    scene_picture("grace_hopper.jpg", &picture);
    assert_int_equal(post(fixture, "image/jpeg", &picture, key, sizeof(key)), 200);
    buf_release(&picture);
    assert_int_equal(strlen(key), 32);
    (void)snprintf(uri, sizeof(uri), "/api/cache/%s", key);
    assert_int_equal(get(fixture, uri), 200);
}

/* --- The socket ------------------------------------------------------------------ */

static void the_socket_is_standard_input(void **state)
{
    struct fixture *fixture = *state;
    start(fixture, API);
    assert_int_equal(get(fixture, "/api/health/live"), 200);
    stop(fixture, API);
    /* It is systemd's: neither closed nor removed. */
    assert_int_equal(access(fixture->socket, F_OK), 0);
}

static void requests_wait_in_the_socket_until_the_program_is_there_again(void **state)
{
    struct fixture *fixture = *state;
    static const char *const environment[] = {"REQUEST_METHOD=GET", "REQUEST_URI=/api/health/live",
                                              NULL};
    int fds[WAITING];
    start(fixture, API);
    assert_int_equal(get(fixture, "/api/health/live"), 200);
    stop(fixture, API);
    for (int i = 0; i < WAITING; i++) {
        fds[i] = fcgi_peer_connect(fixture->socket);
        assert_true(fds[i] >= 0);
        assert_true(fcgi_peer_request(fds[i], 0, environment, NULL, 0));
    }
    start(fixture, API);
    for (int i = 0; i < WAITING; i++) {
        struct fcgi_answer answer = {0};
        assert_true(fcgi_peer_receive(fds[i], PATIENCE_MS, &answer));
        assert_int_equal(fcgi_answer_status(&answer), 200);
        fcgi_answer_release(&answer);
        close(fds[i]);
    }
    stop(fixture, API);
}

/* --- The sandbox ----------------------------------------------------------------- */

static void a_picture_is_made_without_code_written_at_run_time(void **state)
{
    struct fixture *fixture = *state;
    if (SCENE_SANITIZED)
        skip();
    for (enum program program = API; program < PROGRAMS; program++)
        start(fixture, program);
    wait_healthy(fixture);
    emojify_a_photograph(fixture);
    for (enum program program = API; program < PROGRAMS; program++)
        stop(fixture, program);
}

/* The tracer writes on for a moment after the program has ended. */
static void wait_for_trace(const struct fixture *fixture, enum program program)
{
    char command[PATH_MAX];
    struct buf output;
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    (void)snprintf(command, sizeof(command), "tail -n 1 %s/%s.trace | grep -q 'exited with 0'",
                   fixture->dir.path, names[program]);
    buf_init(&output, 1024);
    while (command_run(command, &output) != 0) {
        assert_true(clock_now_ns() < deadline);
        sleep_ms(20);
    }
    buf_release(&output);
}

static void assert_calls_are_allowed(const struct fixture *fixture, enum program program)
{
    char command[PATH_MAX];
    struct buf output;
    buf_init(&output, 4096);
    (void)snprintf(command, sizeof(command),
                   "tests/support/syscalls.sh httpd-conf/systemd/emojify-%s.service %s/%s.trace",
                   names[program], fixture->dir.path, names[program]);
    assert_int_equal(command_run(command, &output), 0);
    if (output.len > 0)
        fail_msg("emojify-%s called %.*s", names[program], (int)output.len, output.data);
    buf_release(&output);
}

static void the_units_let_through_every_system_call_that_is_made(void **state)
{
    struct fixture *fixture = *state;
    static const char *const operators[] = {"/metrics",
                                            "/debug/pprof/profile?seconds=1",
                                            "/debug/pprof/heap",
                                            "/debug/pprof/goroutine?debug=1",
                                            "/debug/pprof/flamegraph?seconds=1",
                                            "/debug/pprof/",
                                            "/api/health"};
    char text[64], forbidden[] = "http://127.0.0.1/a.jpg";
    struct buf url;
    if (SCENE_SANITIZED || !command_exists("strace") || !command_exists("systemd-analyze"))
        skip();
    for (enum program program = API; program < PROGRAMS; program++)
        start(fixture, program);
    wait_healthy(fixture);
    emojify_a_photograph(fixture);
    /* The guard lists the machine's addresses, and the resolver is asked for a name. */
    buf_init(&url, sizeof(forbidden));
    assert_int_equal(buf_append_str(&url, forbidden), APP_OK);
    assert_int_equal(post(fixture, "text/plain", &url, text, sizeof(text)), 403);
    buf_reset(&url);
    assert_int_equal(buf_append_str(&url, "http://a.invalid/"), APP_OK);
    assert_int_equal(post(fixture, "text/plain", &url, text, sizeof(text)), 422);
    buf_release(&url);
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
        assert_int_equal(get(fixture, operators[i]), 200);
    for (enum program program = API; program < PROGRAMS; program++) {
        stop(fixture, program);
        wait_for_trace(fixture, program);
    }
    for (enum program program = API; program < PROGRAMS; program++)
        assert_calls_are_allowed(fixture, program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_socket_is_standard_input, setup, teardown),
        cmocka_unit_test_setup_teardown(
            requests_wait_in_the_socket_until_the_program_is_there_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_picture_is_made_without_code_written_at_run_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_units_let_through_every_system_call_that_is_made,
                                        setup_traced, teardown),
    };
    /* Children inherit both. An older kernel knows the first one only. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        (!SCENE_SANITIZED && prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0 &&
         errno != EINVAL))
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

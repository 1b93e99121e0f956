/* SPDX-License-Identifier: MIT */
/* run: web=all */
/* What a statsd server is told: the Go service's names and tags, by UDP. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/telemetry/statsd.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/scene.h"

/* Of every line: our own, and those of STATSD_TAGS. */
#define TAGS "version:" APP_VERSION ",env:test"

enum { PATIENCE_MS = 5000, TOLD_MAX = 16 * 1024 * 1024 };

struct played {
    struct scene *scene;
    int fd;
    struct buf told; /* all lines so far, each with its line break */
};

static int start(void **state)
{
    static struct played played; /* cmocka wants it to outlive this function */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    char server[64];
    void *scene = NULL;
    played.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (played.fd < 0 || bind(played.fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(played.fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    buf_init(&played.told, TOLD_MAX);
    (void)snprintf(server, sizeof(server), "STATSD_SERVER=127.0.0.1:%d", ntohs(address.sin_port));
    /* A fault that does nothing, to be told about. */
    if (scene_start(&scene,
                    (const char *const[]){server, "STATSD_TAGS=env:test", "API_PROCESSES=2",
                                          "CACHE_ERROR_RATE=1", "CACHE_ERROR_TYPE=delay",
                                          "CACHE_ERROR_DELAY=0s", "CACHE_TIMEOUT=1s", NULL}) != 0)
        return -1;
    played.scene = scene;
    *state = &played;
    return 0;
}

static int stop(void **state)
{
    struct played *played = *state;
    void *scene = played->scene;
    close(played->fd);
    buf_release(&played->told);
    return scene_stop(&scene);
}

/* Take what comes within the time, checking what every datagram must be like. */
static void listen_for(struct played *played, int ms)
{
    char datagram[65536];
    struct pollfd readable = {played->fd, POLLIN, 0};
    if (poll(&readable, 1, ms) != 1)
        return;
    ssize_t len = recv(played->fd, datagram, sizeof(datagram), 0);
    assert_in_range(len, 1, STATSD_DATAGRAM_MAX);
    assert_int_equal(buf_append(&played->told, datagram, (size_t)len), APP_OK);
    assert_int_equal(buf_append_str(&played->told, "\n"), APP_OK);
}

/* How many lines are of that name and type, with that status; 0: whatever it is. */
static int count_told(const struct played *played, const char *name, const char *type, int status)
{
    char start[64];
    char end[64];
    int count = 0;
    (void)snprintf(start, sizeof(start), "api.service.%s:", name);
    if (status)
        (void)snprintf(end, sizeof(end), "|%s|#" TAGS ",status:%d", type, status);
    else
        (void)snprintf(end, sizeof(end), "|%s|#" TAGS, type);
    for (const char *line = played->told.data; line && *line;) {
        size_t len = strcspn(line, "\n");
        const char *bar = memchr(line, '|', len);
        count += strncmp(line, start, strlen(start)) == 0 && bar &&
                 (size_t)(line + len - bar) == strlen(end) && strncmp(bar, end, strlen(end)) == 0;
        line += len + 1;
    }
    return count;
}

static void await_told(struct played *played, const char *name, const char *type, int status,
                       int count)
{
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    while (count_told(played, name, type, status) < count && deadline_left_ms(deadline_ns) > 0)
        listen_for(played, 100);
    int told = count_told(played, name, type, status);
    if (told != count)
        fail_msg("%s|%s status %d was told %d times, not %d, in\n%s", name, type, status, told,
                 count, played->told.data);
}

static void get(const struct played *played, const char *path, int status)
{
    struct http_reply reply;
    scene_get(played->scene, path, NULL, &reply);
    assert_int_equal(reply.status, status);
    http_reply_release(&reply);
}

static void every_process_says_that_it_has_started(void **state)
{
    await_told(*state, "started", "c", 0, 2);
}

static void a_picture_is_told_step_by_step(void **state)
{
    struct played *played = *state;
    char key[33];
    scene_emojify(played->scene, scene_url(played->scene, "/pictures/astronaut.png").text, key);
    scene_emojify(played->scene, scene_url(played->scene, "/pictures/astronaut.png").text, key);
    await_told(played, "emojify.called", "ms", 200, 2);
    /* Each POST asks for the key; the work of the first one also for the marks of URL and bytes. */
    await_told(played, "emojify.cache_check", "ms", 200, 4);
    await_told(played, "emojify.fetch_file", "ms", 200, 1);
    await_told(played, "emojify.find_faces", "ms", 200, 1); /* drawing is not counted as finding */
    await_told(played, "emojify.draw", "ms", 200, 1);
    await_told(played, "emojify.cache_put", "ms", 200, 1);
}

static void a_picture_that_cannot_be_emojified_is_told_with_the_reason(void **state)
{
    struct played *played = *state;
    struct http_reply reply;
    scene_post(played->scene, "no url", NULL, &reply);
    assert_int_equal(reply.status, 400);
    http_reply_release(&reply);
    await_told(played, "emojify.called", "ms", 400, 1);
    await_told(played, "emojify.invalid_uri", "c", 0, 1);

    scene_serve(played->scene, "/text.png", "image/png", "hello", 5);
    scene_post(played->scene, scene_url(played->scene, "/text.png").text, NULL, &reply);
    assert_int_equal(reply.status, 415);
    http_reply_release(&reply);
    await_told(played, "emojify.called", "ms", 415, 1);
    await_told(played, "emojify.invalid_image", "c", 0, 1);

    scene_post(played->scene, scene_url(played->scene, "/none.png").text, NULL, &reply);
    assert_int_equal(reply.status, 422);
    http_reply_release(&reply);
    await_told(played, "emojify.fetch_file", "ms", 422, 1);
}

static void the_cache_route_is_told_with_its_status(void **state)
{
    struct played *played = *state;
    char key[33];
    char path[64];
    scene_emojify(played->scene, scene_url(played->scene, "/pictures/coffee.png").text, key);
    (void)snprintf(path, sizeof(path), "/api/cache/%s", key);
    get(played, path, 200);
    await_told(played, "cache.called", "ms", 200, 1);
    await_told(played, "cache.get", "ms", 200, 1);
    get(played, "/api/cache/nothing", 404);
    await_told(played, "cache.called", "ms", 404, 1);
    await_told(played, "cache.get", "ms", 404, 1);
    await_told(played, "cache.file_not_found", "c", 0, 1);
    get(played, "/api/cache/.hidden", 404);
    await_told(played, "cache.missing_parameter", "c", 0, 1);
    await_told(played, "error.injected", "c", 0, 2);
}

static void health_is_told(void **state)
{
    struct played *played = *state;
    int before = count_told(played, "health.called", "ms", 200);
    get(played, "/api/health", 200);
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    while (count_told(played, "health.called", "ms", 200) <= before &&
           deadline_left_ms(deadline_ns) > 0)
        listen_for(played, 100);
    assert_true(count_told(played, "health.called", "ms", 200) > before);
}

static void a_cache_that_fails_is_told(void **state)
{
    struct played *played = *state;
    struct stack_program *program = stack_program_of(&played->scene->stack, "cache");
    pid_t pid = stack_pid(&played->scene->stack, "cache");
    assert_non_null(program);
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_true(process_wait_gone(pid, 1000));
    struct http_reply reply;
    scene_get(played->scene, "/api/cache/anything", NULL, &reply);
    int status = reply.status;
    http_reply_release(&reply);
    assert_true(status == 502 || status == 504);
    await_told(played, "cache.error", "c", 0, 1);
    await_told(played, "cache.get", "ms", status, 1);
    assert_true(stack_program_start(program));
    stack_program_free(&program);
    scene_wait_status(played->scene, "/api/health", 200, PATIENCE_MS);
}

static bool is_line(const char *line)
{
    static const char prefix[] = "api.service.";
    static const char tags[] = "#" TAGS;
    if (strncmp(line, prefix, strlen(prefix)) != 0)
        return false;
    const char *name = line + strlen(prefix);
    const char *value = name + strspn(name, "abcdefghijklmnopqrstuvwxyz_.");
    if (value == name || *value != ':')
        return false;
    const char *type = value + 1 + strspn(value + 1, "0123456789.");
    size_t type_len = strncmp(type, "|ms|", 4) == 0 ? 4 : strncmp(type, "|c|", 3) == 0 ? 3 : 0;
    if (type == value + 1 || type_len == 0 || strncmp(type + type_len, tags, strlen(tags)) != 0)
        return false;
    const char *status = type + type_len + strlen(tags);
    return *status == '\0' || (strncmp(status, ",status:", 8) == 0 && strlen(status) == 11);
}

static void every_line_has_the_form_of_dogstatsd(void **state)
{
    struct played *played = *state;
    for (char *line = played->told.data; line && *line;) {
        size_t len = strcspn(line, "\n");
        line[len] = '\0';
        if (!is_line(line))
            fail_msg("not a line: \"%s\"", line);
        line[len] = '\n';
        line += len + 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_process_says_that_it_has_started),
        cmocka_unit_test(a_picture_is_told_step_by_step),
        cmocka_unit_test(a_picture_that_cannot_be_emojified_is_told_with_the_reason),
        cmocka_unit_test(the_cache_route_is_told_with_its_status),
        cmocka_unit_test(health_is_told),
        cmocka_unit_test(a_cache_that_fails_is_told),
        cmocka_unit_test(every_line_has_the_form_of_dogstatsd),
    };
    return cmocka_run_group_tests(tests, start, stop);
}

/* SPDX-License-Identifier: MIT */
/*
 * What emojify-cache and emojify-facebox count, and that the dashboard, the alert rules
 * and docs/operations.md name metrics that there are.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/command.h"
#include "support/process.h"
#include "support/scene.h"

enum { PATIENCE_MS = 10000, TEXT_MAX = 1024 * 1024, NAME_LEN = 128 };

struct played {
    struct scene *scene;
    int statsd; /* the server that the cache tells */
};

static int start(void **state)
{
    static struct played played; /* cmocka wants it to outlive this function */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    char server[64];
    void *scene = NULL;
    played.statsd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (played.statsd < 0 || bind(played.statsd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(played.statsd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    (void)snprintf(server, sizeof(server), "STATSD_ADDRESS=127.0.0.1:%d", ntohs(address.sin_port));
    if (scene_start(&scene, (const char *const[]){server, NULL}) != 0)
        return -1;
    played.scene = scene;
    *state = &played;
    return 0;
}

static int stop(void **state)
{
    struct played *played = *state;
    void *scene = played->scene;
    close(played->statsd);
    return scene_stop(&scene);
}

/* --- Scrapes ------------------------------------------------------------------------ */

/* /metrics of api, cache or facebox; the caller frees it. */
static char *scrape(const struct scene *scene, const char *name)
{
    char port[16];
    char url[128];
    struct http_reply reply;
    bool is_cache = strcmp(name, "cache") == 0;
    if (strcmp(name, "api") == 0) {
        (void)snprintf(url, sizeof(url), "%s/metrics", scene->stack.base);
    } else {
        assert_true(stack_setting(&scene->stack, name, is_cache ? "HEALTH_BIND_PORT" : "BIND_PORT",
                                  port, sizeof(port)));
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%s/metrics", port);
    }
    assert_true(http_perform(&(struct http_call){.url = url}, &reply));
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    assert_header(&reply, "Cache-Control", "no-store");
    char *text = strdup(http_reply_text(&reply));
    assert_non_null(text);
    http_reply_release(&reply);
    return text;
}

/* The value of a series; 0 when it is not there, as a counter is before its first time. */
static double metric(const struct scene *scene, const char *name, const char *series)
{
    char line[256];
    char *text = scrape(scene, name);
    (void)snprintf(line, sizeof(line), "\n%s ", series);
    const char *found = strstr(text, line);
    double value = found ? strtod(found + strlen(line), NULL) : 0;
    free(text);
    return value;
}

static void wait_metric(const struct scene *scene, const char *name, const char *series,
                        double value)
{
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    double last;
    while ((last = metric(scene, name, series)) != value) {
        if (clock_now_ns() > deadline_ns)
            fail_msg("%s: %s is %g, not %g", name, series, last, value);
        sleep_ms(50);
    }
}

static size_t get(const struct scene *scene, const char *path, int status)
{
    struct http_reply reply;
    scene_get(scene, path, NULL, &reply);
    assert_int_equal(reply.status, status);
    size_t len = reply.body.len;
    http_reply_release(&reply);
    return len;
}

/* Bytes of the record that a picture of a URL has beside it: docs/cache.md. */
enum { RECORD_LEN = 4 + 32 + 1 + 32 + 1 };

static void calls_of_the_cache_are_counted_by_method_and_status(void **state)
{
    static const char not_found[] =
        "emojify_cache_requests_total{method=\"Get\",status=\"NOT_FOUND\"}";
    static const char got[] = "emojify_cache_requests_total{method=\"Get\",status=\"OK\"}";
    static const char put[] = "emojify_cache_requests_total{method=\"Put\",status=\"OK\"}";
    const struct scene *scene = ((const struct played *)*state)->scene;
    char key[33];
    char path[64];
    double sent = metric(scene, "cache", "emojify_cache_sent_bytes_total");
    for (int i = 0; i < 5; i++)
        (void)get(scene, "/api/cache/nothing", 404);
    wait_metric(scene, "cache", not_found, 5);
    scene_emojify(scene, scene_url(scene, "/pictures/grace_hopper.jpg").text, key);
    wait_metric(scene, "cache", put, 2);
    (void)snprintf(path, sizeof(path), "/api/cache/%s", key);
    size_t len = get(scene, path, 200);
    wait_metric(scene, "cache", got, 1);
    wait_metric(scene, "cache", "emojify_cache_sent_bytes_total", sent + (double)len);
    wait_metric(scene, "cache", "emojify_cache_received_bytes_total", (double)(len + RECORD_LEN));
    wait_metric(scene, "cache", "emojify_cache_store_bytes", (double)(len + RECORD_LEN));
    wait_metric(scene, "cache", "emojify_cache_requests_in_flight", 0);
    assert_true(metric(scene, "cache", "emojify_cache_cpu_seconds_total{method=\"Get\"}") > 0);
    assert_true(metric(scene, "cache",
                       "emojify_cache_request_duration_seconds_count{method=\"Get\"}") >= 6);
    assert_true(metric(scene, "cache", "emojify_cache_pool_resident_memory_bytes") > 0);
}

static void checks_of_the_face_detection_are_counted_with_their_faces(void **state)
{
    static const char check[] = "emojify_facebox_requests_total{route=\"check\",status=\"200\"}";
    static const char count[] = "emojify_facebox_request_duration_seconds_count{route=\"check\"}";
    const struct scene *scene = ((const struct played *)*state)->scene;
    char key[33];
    double checks = metric(scene, "facebox", check);
    double faces = metric(scene, "facebox", "emojify_facebox_faces_total");
    scene_emojify(scene, scene_url(scene, "/pictures/astronaut.png").text, key);
    wait_metric(scene, "facebox", check, checks + 1);
    wait_metric(scene, "facebox", count, checks + 1);
    wait_metric(scene, "facebox", "emojify_facebox_faces_total", faces + 1);
    wait_metric(scene, "facebox", "emojify_facebox_requests_in_flight", 1); /* the scrape */
    assert_true(metric(scene, "facebox", "emojify_facebox_cpu_seconds_total{route=\"check\"}") > 0);
}

/* Wait for a datagram with that text. */
static void await_told(const struct played *played, const char *text)
{
    char datagram[65536];
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    do {
        struct pollfd readable = {played->statsd, POLLIN, 0};
        if (poll(&readable, 1, 100) != 1)
            continue;
        ssize_t len = recv(played->statsd, datagram, sizeof(datagram) - 1, 0);
        assert_true(len > 0);
        datagram[len] = '\0';
        const char *found = strstr(datagram, text);
        if (found && strstr(found, "|#version:" APP_VERSION))
            return;
    } while (clock_now_ns() < deadline_ns);
    fail_msg("statsd was not told %s", text);
}

static void the_cache_tells_statsd(void **state)
{
    const struct played *played = *state;
    await_told(played, "cache.service.started:1|c");
    (void)get(played->scene, "/api/cache/untold", 404);
    await_told(played, "|ms|#version:" APP_VERSION ",status:404");
}

/* --- What others make of it ----------------------------------------------------------- */

static void need_promtool(void)
{
    if (!command_exists("promtool")) {
        print_message("SKIPPED: promtool is missing: make deps-test\n");
        skip();
    }
}

static void promtool_finds_nothing_to_say_about_either(void **state)
{
    static const char *const names[] = {"cache", "facebox"};
    const struct scene *scene = ((const struct played *)*state)->scene;
    need_promtool();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[64];
        char command[128];
        struct buf said;
        char *text = scrape(scene, names[i]);
        command_file(text, strlen(text), path);
        free(text);
        buf_init(&said, TEXT_MAX);
        (void)snprintf(command, sizeof(command), "promtool check metrics <%s", path);
        int status = command_run(command, &said);
        (void)unlink(path);
        if (status != 0 || said.len > 0)
            fail_msg("promtool of %s: %d: %s", names[i], status, said.data);
        buf_release(&said);
    }
}

static void
promtool_takes_configuration_and_rules_and_the_alerts_come_when_they_should(void **state)
{
    static const char *const commands[] = {"check config prometheus.yml", "check rules rules.yml",
                                           "test rules rules_test.yml"};
    (void)state;
    need_promtool();
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        char command[128];
        struct buf said;
        buf_init(&said, TEXT_MAX);
        (void)snprintf(command, sizeof(command), "cd docker/prometheus && promtool %s",
                       commands[i]);
        if (command_run(command, &said) != 0)
            fail_msg("%s: %s", command, said.data);
        buf_release(&said);
    }
}

/* Whether a scrape has a metric of that name, or a histogram that the name is a part of. */
static bool is_metric(const char *scrapes, const char *name)
{
    static const char *const endings[] = {"", "_bucket", "_sum", "_count"};
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        char line[NAME_LEN + 16];
        size_t ending = strlen(endings[i]);
        if (len <= ending || strcmp(name + len - ending, endings[i]) != 0)
            continue;
        (void)snprintf(line, sizeof(line), "# TYPE %.*s %s", (int)(len - ending), name,
                       ending > 0 ? "histogram" : "");
        if (strstr(scrapes, line))
            return true;
    }
    return false;
}

/* Routes whose names look like metrics. */
static bool is_route(const char *name)
{
    return strcmp(name, "emojify_create") == 0 || strcmp(name, "emojify_query") == 0;
}

/* Every emojify_… in a file must be one; returns how many there were. */
static int check_names(const char *path, const char *scrapes)
{
    char command[256];
    struct buf text;
    int count = 0;
    buf_init(&text, TEXT_MAX);
    (void)snprintf(command, sizeof(command), "cat %s", path);
    assert_int_equal(command_run(command, &text), 0);
    const char *at = text.data;
    while ((at = strstr(at, "emojify_"))) {
        char name[NAME_LEN];
        size_t len = 0;
        while (at[len] == '_' || isalnum((unsigned char)at[len]))
            len++;
        (void)snprintf(name, sizeof(name), "%.*s", (int)len, at);
        if (!is_metric(scrapes, name) && !is_route(name))
            fail_msg("%s: there is no metric %s", path, name);
        at += len;
        count++;
    }
    buf_release(&text);
    return count;
}

static void dashboard_rules_and_documentation_name_metrics_that_there_are(void **state)
{
    static const char *const files[] = {"docker/grafana/emojify.json",
                                        "docker/prometheus/rules.yml", "docs/operations.md"};
    static const char *const names[] = {"api", "cache", "facebox"};
    const struct scene *scene = ((const struct played *)*state)->scene;
    struct buf scrapes;
    buf_init(&scrapes, TEXT_MAX);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *text = scrape(scene, names[i]);
        assert_int_equal(buf_append_str(&scrapes, text), APP_OK);
        free(text);
    }
    assert_true(is_metric(scrapes.data, "emojify_request_duration_seconds_bucket"));
    assert_false(is_metric(scrapes.data, "emojify_request_duration"));
    assert_false(is_metric(scrapes.data, "emojify_requests_total_sum"));
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        assert_in_range(check_names(files[i], scrapes.data), 10, 1000);
    buf_release(&scrapes);
}

static void the_dashboard_is_json_with_a_query_in_every_chart(void **state)
{
    json_error_t error;
    json_t *dashboard = json_load_file("docker/grafana/emojify.json", 0, &error);
    size_t index;
    json_t *panel;
    (void)state;
    if (!dashboard)
        fail_msg("line %d: %s", error.line, error.text);
    assert_in_range(json_array_size(json_object_get(dashboard, "panels")), 10, 100);
    json_array_foreach(json_object_get(dashboard, "panels"), index, panel)
    {
        if (strcmp(json_string_value(json_object_get(panel, "type")), "row") == 0)
            continue;
        json_t *target = json_array_get(json_object_get(panel, "targets"), 0);
        assert_non_null(json_string_value(json_object_get(target, "expr")));
    }
    json_decref(dashboard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_the_cache_are_counted_by_method_and_status),
        cmocka_unit_test(checks_of_the_face_detection_are_counted_with_their_faces),
        cmocka_unit_test(the_cache_tells_statsd),
        cmocka_unit_test(promtool_finds_nothing_to_say_about_either),
        cmocka_unit_test(
            promtool_takes_configuration_and_rules_and_the_alerts_come_when_they_should),
        cmocka_unit_test(dashboard_rules_and_documentation_name_metrics_that_there_are),
        cmocka_unit_test(the_dashboard_is_json_with_a_query_in_every_chart),
    };
    return cmocka_run_group_tests(tests, start, stop);
}

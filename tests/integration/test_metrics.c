/* SPDX-License-Identifier: MIT */
/* run: web=all seconds=25 */
/* GET /metrics of a pool of three: one truth, whoever is asked and whoever has died. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/scene.h"

enum { SIBLINGS = 3, RESTART_MS = 5000 };

static int start(void **state)
{
    return scene_start(state, (const char *const[]){"API_PROCESSES=3", "EMOJIFY_QUEUE=8", NULL});
}

static void ask_times(const struct scene *scene, const struct http_call *call, int times)
{
    for (int i = 0; i < times; i++) {
        struct http_reply reply;
        scene_ask(scene, call, &reply);
        http_reply_release(&reply);
    }
}

static char *scrape(const struct scene *scene)
{
    struct http_reply reply;
    scene_get(scene, "/metrics", NULL, &reply);
    assert_int_equal(reply.status, 200);
    char *text = strdup(http_reply_text(&reply));
    assert_non_null(text);
    http_reply_release(&reply);
    return text;
}

/* The web server may still hand a request to the process that was just killed: 500 once. */
static char *scrape_in_the_end(const struct scene *scene)
{
    for (int attempt = 0; attempt < 50; attempt++) {
        struct http_reply reply;
        scene_get(scene, "/metrics", NULL, &reply);
        char *text = reply.status == 200 ? strdup(http_reply_text(&reply)) : NULL;
        http_reply_release(&reply);
        if (text)
            return text;
        sleep_ms(100);
    }
    return scrape(scene);
}

/* --- The answer ------------------------------------------------------------------- */

static void metrics_are_at_the_root_in_the_format_that_prometheus_reads(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    scene_get(scene, "/metrics", NULL, &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    assert_header(&reply, "Cache-Control", "no-store");
    assert_non_null(strstr(http_reply_text(&reply), "\nemojify_build_info{version=\""));
    http_reply_release(&reply);

    scene_ask(scene, &(struct http_call){.method = "HEAD", .url = "/metrics"}, &reply);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.len, 0);
    http_reply_release(&reply);

    scene_ask(scene, &(struct http_call){.method = "PUT", .url = "/metrics"}, &reply);
    assert_int_equal(reply.status, 405);
    assert_header(&reply, "Allow", "GET, HEAD");
    http_reply_release(&reply);

    scene_get(scene, "/api/metrics", NULL, &reply);
    assert_int_equal(reply.status, 404);
    http_reply_release(&reply);
}

/* Prometheus drops a series that is there twice, and promtool does not say so. */
static void no_series_is_there_twice(void **state)
{
    const struct scene *scene = *state;
    ask_times(scene, &(struct http_call){.url = "/debug/pprof/"}, 2);
    ask_times(scene, &(struct http_call){.url = "/api/health/live"}, 2);
    char *text = scrape(scene);
    for (char *line = text; *line; line += strcspn(line, "\n") + 1) {
        size_t len = strcspn(line, " \n");
        if (*line == '#')
            continue;
        const char *rest = line + strcspn(line, "\n");
        for (; *rest; rest += strcspn(rest, "\n")) {
            rest++;
            if (strncmp(rest, line, len + 1) == 0)
                fail_msg("%.*s is there twice", (int)len, line);
        }
    }
    free(text);
}

static void promtool_finds_nothing_to_say(void **state)
{
    const struct scene *scene = *state;
    char key[33];
    char path[PATH_MAX];
    char said[4096];
    const char *const look[] = {"sh", "-c", "command -v promtool", NULL};
    if (process_run(look, NULL, false, said, sizeof(said)) != 0) {
        print_message("SKIPPED: promtool is missing: make deps-test\n");
        skip();
    }
    scene_emojify(scene, scene_url(scene, "/pictures/astronaut.png").text, key);
    ask_times(scene, &(struct http_call){.url = "/api/cache/nothing"}, 1);
    (void)snprintf(path, sizeof(path), "%.4000s/metrics.log", scene->stack.state);
    char *text = scrape(scene);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(text);
    const char *const check[] = {"sh", "-c", "promtool check metrics <\"$1\"", "sh", path, NULL};
    int status = process_run(check, NULL, true, said, sizeof(said));
    if (status != 0 || said[0] != '\0')
        fail_msg("promtool: %d: %s", status, said);
}

/* --- What is counted --------------------------------------------------------------- */

static void requests_are_counted_by_route_method_and_exact_status(void **state)
{
    static const char not_found[] =
        "emojify_requests_total{route=\"cache\",method=\"GET\",status=\"404\"}";
    static const char head[] =
        "emojify_requests_total{route=\"cache\",method=\"HEAD\",status=\"404\"}";
    static const char bad[] =
        "emojify_requests_total{route=\"emojify\",method=\"POST\",status=\"400\"}";
    static const char none[] =
        "emojify_requests_total{route=\"none\",method=\"OTHER\",status=\"404\"}";
    static const char latency[] = "emojify_request_duration_seconds_count{route=\"emojify\"}";
    const struct scene *scene = *state;
    double before = scene_metric(scene, not_found);
    double posts = scene_metric(scene, latency);
    ask_times(scene, &(struct http_call){.url = "/api/cache/nothing"}, 60);
    ask_times(scene, &(struct http_call){.method = "HEAD", .url = "/api/cache/nothing"}, 2);
    ask_times(scene, &(struct http_call){.url = "/api/", .body = "x", .body_len = 1}, 7);
    ask_times(scene, &(struct http_call){.method = "REPORT", .url = "/api/nothing"}, 3);
    scene_wait_metric(scene, not_found, (before < 0 ? 0 : before) + 60);
    scene_wait_metric(scene, head, 2);
    scene_wait_metric(scene, bad, 7);
    scene_wait_metric(scene, none, 3);
    scene_wait_metric(scene, latency, (posts < 0 ? 0 : posts) + 7);
    assert_true(scene_metric(scene, "emojify_cpu_seconds_total{route=\"cache\"}") > 0);

    /* Whichever of the three answers. */
    for (int i = 0; i < 12; i++)
        assert_true(scene_metric(scene, bad) == 7);
    assert_true(scene_metric(scene, "emojify_pool_processes") == SIBLINGS);
}

static void a_picture_is_counted_with_its_faces_and_its_steps(void **state)
{
    static const char put[] =
        "emojify_upstream_duration_seconds_count{upstream=\"cache\",operation=\"put\"}";
    static const char check[] =
        "emojify_upstream_duration_seconds_count{upstream=\"facebox\",operation=\"check\"}";
    static const char fetch[] =
        "emojify_upstream_duration_seconds_count{upstream=\"fetch\",operation=\"get\"}";
    static const char fetch_errors[] =
        "emojify_upstream_errors_total{upstream=\"fetch\",error=\"fetch-failed\"}";
    const struct scene *scene = *state;
    char key[33];
    double pictures = scene_metric(scene, "emojify_pictures_total");
    double faces = scene_metric(scene, "emojify_faces_total");
    double puts = scene_metric(scene, put);
    double checks = scene_metric(scene, check);
    double fetches = scene_metric(scene, fetch);
    assert_true(pictures >= 0 && faces >= 0);
    scene_emojify(scene, scene_url(scene, "/pictures/grace_hopper.jpg").text, key);
    scene_emojify(scene, scene_url(scene, "/pictures/grace_hopper.jpg").text, key); /* cached */
    scene_wait_metric(scene, "emojify_pictures_total", pictures + 1);
    scene_wait_metric(scene, "emojify_faces_total", faces + 1);
    scene_wait_metric(scene, put, (puts < 0 ? 0 : puts) + 1);
    scene_wait_metric(scene, check, (checks < 0 ? 0 : checks) + 1);
    scene_wait_metric(scene, fetch, (fetches < 0 ? 0 : fetches) + 1);

    ask_times(scene,
              &(struct http_call){.url = "/api/",
                                  .body = scene_url(scene, "/none.png").text,
                                  .body_len = strlen(scene_url(scene, "/none.png").text)},
              2);
    scene_wait_metric(scene, fetch_errors, 2);
}

static void each_process_is_shown(void **state)
{
    static const char *const names[] = {"cpu_seconds_total", "resident_memory_bytes",
                                        "open_fds",          "max_fds",
                                        "threads",           "start_time_seconds"};
    const struct scene *scene = *state;
    pid_t pids[SIBLINGS];
    assert_int_equal(stack_pids(&scene->stack, "api", pids, SIBLINGS), SIBLINGS);
    for (int i = 0; i < SIBLINGS; i++) {
        for (size_t name = 0; name < sizeof(names) / sizeof(names[0]); name++) {
            char series[128];
            (void)snprintf(series, sizeof(series), "emojify_process_%s{pid=\"%d\"}", names[name],
                           pids[i]);
            if (scene_metric(scene, series) <= 0)
                fail_msg("there is no %s", series);
        }
    }
}

static void requests_in_flight_are_the_ones_being_handled(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    char address[64];
    struct scene_url url = scene_url(scene, "/slow-metrics.png");
    scene_serve_slowly(scene, "/slow-metrics.png", "camera.png", 1000);
    (void)snprintf(address, sizeof(address), "%s/api/", scene->stack.base);
    scene_wait_metric(scene, "emojify_requests_in_flight", 1); /* the scrape itself */
    struct http_job *job = http_job_start(
        &(struct http_call){.url = address, .body = url.text, .body_len = strlen(url.text)});
    scene_wait_metric(scene, "emojify_requests_in_flight", 2);
    assert_true(http_job_wait(&job, &reply));
    http_reply_release(&reply);
    scene_wait_metric(scene, "emojify_requests_in_flight", 1);
}

/* --- Processes that die ------------------------------------------------------------ */

static bool is_counter(const char *line)
{
    size_t len = strcspn(line, "{ ");
    static const char *const endings[] = {"_total", "_bucket", "_sum", "_count"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t ending = strlen(endings[i]);
        if (len > ending && strncmp(line + len - ending, endings[i], ending) == 0)
            return true;
    }
    return false;
}

static double find_value(const char *text, const char *series, size_t len)
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, series, len) == 0 && line[len] == ' ')
            return strtod(line + len, NULL);
    }
    return -1;
}

static void assert_no_counter_decreased(const char *before, const char *after)
{
    for (const char *line = before; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        size_t len = strcspn(line, " \n");
        if (*line == '#' || line[len] != ' ' || !is_counter(line) ||
            strncmp(line, "emojify_process_", 16) == 0) /* those end with their process */
            continue;
        double earlier = strtod(line + len, NULL);
        double later = find_value(after, line, len);
        if (later < earlier)
            fail_msg("%.*s went from %g to %g", (int)len, line, earlier, later);
    }
}

static void no_counter_goes_backwards_when_siblings_are_killed_or_stopped(void **state)
{
    static const int signals[] = {SIGKILL, SIGTERM, SIGKILL};
    const struct scene *scene = *state;
    char *before = scrape(scene);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        pid_t pids[SIBLINGS];
        ask_times(scene, &(struct http_call){.url = "/api/health/live"}, 30);
        assert_int_equal(stack_pids(&scene->stack, "api", pids, SIBLINGS), SIBLINGS);
        assert_int_equal(kill(pids[i], signals[i]), 0);
        assert_true(process_wait_gone(pids[i], RESTART_MS));
        scene_fill_pool(scene, SIBLINGS);
        char *after = scrape_in_the_end(scene);
        assert_no_counter_decreased(before, after);
        free(before);
        before = after;
        scene_wait_metric(scene, "emojify_pool_processes", SIBLINGS);
    }
    free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_at_the_root_in_the_format_that_prometheus_reads),
        cmocka_unit_test(no_series_is_there_twice),
        cmocka_unit_test(promtool_finds_nothing_to_say),
        cmocka_unit_test(requests_are_counted_by_route_method_and_exact_status),
        cmocka_unit_test(a_picture_is_counted_with_its_faces_and_its_steps),
        cmocka_unit_test(each_process_is_shown),
        cmocka_unit_test(requests_in_flight_are_the_ones_being_handled),
        cmocka_unit_test(no_counter_goes_backwards_when_siblings_are_killed_or_stopped),
    };
    return cmocka_run_group_tests(tests, start, scene_stop);
}

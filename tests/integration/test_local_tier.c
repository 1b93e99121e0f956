/* SPDX-License-Identifier: MIT */
/* run: web=all seconds=35 */
/* Files of the local tier, as the web server sends them: told to, or without asking. */
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/scene.h"

#define TOKEN "local-tier-admin-token"

/* After so long something else is to be seen; and half of it is enough for a few requests. */
/* EARLY_MS: a file may be asked for again so long before its TTL. */
enum { TTL_MS = 4000, LATEST_MS = TTL_MS + 1000, EARLY_MS = 1000 };

static const char jpeg[] = "\xff\xd8\xff\xe0 the bytes of a picture";

static int start(void **state)
{
    return scene_start(state, (const char *const[]){"LOCAL_CACHE_TTL=4s", "API_PROCESSES=2",
                                                    "PROFILE_TOKEN=" TOKEN, NULL});
}

/* What another program that shares the cache's directory would do. */
static void put_file(const struct scene *scene, const char *id, const char *data)
{
    char path[PATH_MAX];
    char name[MD5_HEX_LEN + 1];
    assert_int_equal(md5_hex(id, strlen(id), name), APP_OK);
    (void)snprintf(path, sizeof(path), "%.4000s/cache/%s", scene->stack.state, name);
    FILE *file = fopen(path, "wbe");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, strlen(data), file), strlen(data));
    assert_int_equal(fclose(file), 0);
}

static void ask(const struct scene *scene, const char *method, const char *path, const char *header,
                struct http_reply *reply)
{
    const char *const headers[] = {header, NULL};
    const bool has_body = strcmp(method, "POST") == 0;
    scene_ask(scene,
              &(struct http_call){.method = method,
                                  .url = path,
                                  .headers = header ? headers : NULL,
                                  .body = has_body ? "x" : NULL,
                                  .body_len = has_body},
              reply);
}

/* The application puts its id on whatever it answers. */
static bool is_direct(const struct http_reply *reply)
{
    return !http_reply_header(reply, "X-Request-Id");
}

/* Have it in the tier, and fresh for a while. */
static void warm(const struct scene *scene, const char *path)
{
    int64_t deadline_ns = deadline_in_ms(2 * LATEST_MS);
    bool direct = false;
    while (!direct && clock_now_ns() < deadline_ns) {
        struct http_reply reply;
        ask(scene, "GET", path, NULL, &reply);
        assert_int_equal(reply.status, 200);
        direct = is_direct(&reply);
        http_reply_release(&reply);
    }
    assert_true(direct);
}

static void tier_path(const struct scene *scene, const char *name, char path[PATH_MAX])
{
    char tier[2048];
    assert_true(stack_setting(&scene->stack, "cache", "LOCAL_CACHE_DIR", tier, sizeof(tier)));
    (void)snprintf(path, PATH_MAX, "%s/%s", tier, name);
}

/* --- The same answer ------------------------------------------------------------- */

static void a_direct_answer_has_the_headers_of_the_application(void **state)
{
    static const struct {
        const char *path;
        const char *data;
        const char *type;
    } files[] = {
        {"/api/cache/jpeg", jpeg, "image/jpeg"},
        {"/api/cache/png", "\x89PNG\r\n\x1a\n the bytes", "image/png"},
        {"/api/cache/gif", "GIF89a the bytes", "image/gif"},
        {"/api/cache/webp", "RIFF\1\1\1\1WEBPVP8 the bytes", "image/webp"},
    };
    static const char *const names[] = {"Content-Type", "Content-Length",         "Cache-Control",
                                        "Vary",         "X-Content-Type-Options", "Last-Modified"};
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char asked[64];
        struct http_reply direct, application;
        put_file(scene, files[i].path + strlen("/api/cache/"), files[i].data);
        warm(scene, files[i].path);
        (void)snprintf(asked, sizeof(asked), "%s?x", files[i].path);
        ask(scene, "GET", asked, NULL, &application);
        ask(scene, "GET", files[i].path, NULL, &direct);
        assert_true(is_direct(&direct));
        assert_false(is_direct(&application));
        assert_header(&direct, "Content-Type", files[i].type);
        assert_header(&direct, "Cache-Control", "public, max-age=4");
        assert_header(&direct, "Accept-Ranges", "bytes"); /* Apache's X-Sendfile does not say so */
        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
            assert_header(&direct, names[n], http_reply_header(&application, names[n]));
        assert_string_equal(http_reply_text(&direct), files[i].data);
        assert_string_equal(http_reply_text(&application), files[i].data);
        http_reply_release(&direct);
        http_reply_release(&application);
    }
}

static void whatever_else_is_asked_of_a_file_reaches_the_application(void **state)
{
    static const struct {
        const char *method;
        const char *query;
        const char *header;
        int status;
    } cases[] = {
        {"HEAD", "", NULL, 200},
        {"GET", "?download=1", NULL, 200},
        {"GET", "", "Origin: http://a.example", 200},
        {"GET", "", "Range: bytes=0-1", 206},
        {"GET", "", "Range: bytes=1000-", 416},
        {"GET", "", "If-None-Match: *", 304},
        {"GET", "", "If-Match: \"x\"", 412},
        {"GET", "", "If-Match: *", 200},
        {"OPTIONS", "", NULL, 405},
        {"POST", "", NULL, 405},
        {"DELETE", "", NULL, 401},
    };
    const struct scene *scene = *state;
    put_file(scene, "asked", jpeg);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[64];
        struct http_reply reply;
        warm(scene, "/api/cache/asked");
        (void)snprintf(path, sizeof(path), "/api/cache/asked%s", cases[i].query);
        ask(scene, cases[i].method, path, cases[i].header, &reply);
        if (reply.status != cases[i].status || is_direct(&reply))
            fail_msg("%s %s %s: %d", cases[i].method, path, cases[i].header ? cases[i].header : "",
                     reply.status);
        http_reply_release(&reply);
    }
}

static void what_is_not_a_picture_goes_through_the_application_each_time(void **state)
{
    const struct scene *scene = *state;
    put_file(scene, "text", "only text");
    for (int i = 0; i < 3; i++) {
        struct http_reply reply;
        ask(scene, "GET", "/api/cache/text", NULL, &reply);
        assert_int_equal(reply.status, 200);
        assert_false(is_direct(&reply));
        assert_header(&reply, "Content-Type", "text/plain; charset=utf-8");
        assert_string_equal(http_reply_text(&reply), "only text");
        http_reply_release(&reply);
    }
}

/*
 * To a web server an extension can mean a type, a language, an encoding, a program to run.
 * By the application first, and then directly where that is done for such names.
 */
static void the_end_of_a_name_means_nothing(void **state)
{
    static const char *const names[] = {"dotted.html", "dotted.svg", "dotted.js.gz", "dotted.php"};
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[64];
        put_file(scene, names[i], jpeg);
        (void)snprintf(path, sizeof(path), "/api/cache/%s", names[i]);
        for (int again = 0; again < 2; again++) {
            struct http_reply reply;
            ask(scene, "GET", path, NULL, &reply);
            assert_int_equal(reply.status, 200);
            assert_header(&reply, "Content-Type", "image/jpeg");
            assert_null(http_reply_header(&reply, "Content-Encoding"));
            assert_string_equal(http_reply_text(&reply), jpeg);
            http_reply_release(&reply);
        }
    }
}

/* --- Its end --------------------------------------------------------------------- */

/* Both ways, for as long as an old answer is allowed, and then never again. */
static void nothing_is_older_than_the_ttl_and_a_second(void **state)
{
    static const char newer[] = "\xff\xd8\xff\xe0 other bytes";
    static const char *const paths[] = {"/api/cache/aged", "/api/cache/aged?x"};
    const struct scene *scene = *state;
    put_file(scene, "aged", jpeg);
    warm(scene, paths[0]);
    put_file(scene, "aged", newer);
    int64_t changed_ns = clock_now_ns();
    bool changed = false;
    while (clock_now_ns() < changed_ns + 2 * LATEST_MS * NS_PER_MS) {
        for (size_t i = 0; i < 2; i++) {
            struct http_reply reply;
            int64_t asked_ns = clock_now_ns();
            ask(scene, "GET", paths[i], NULL, &reply);
            assert_int_equal(reply.status, 200);
            changed = strcmp(http_reply_text(&reply), newer) == 0;
            if (!changed && asked_ns > changed_ns + LATEST_MS * NS_PER_MS)
                fail_msg("%s is too old", paths[i]);
            http_reply_release(&reply);
        }
    }
    assert_true(changed);
}

static void a_picture_is_gone_once_taking_it_down_was_answered(void **state)
{
    const struct scene *scene = *state;
    for (int i = 0; i < 3; i++) {
        char path[64];
        struct http_reply reply;
        (void)snprintf(path, sizeof(path), "/api/cache/down%d", i);
        put_file(scene, path + strlen("/api/cache/"), jpeg);
        warm(scene, path);
        ask(scene, "DELETE", path, "Authorization: Bearer " TOKEN, &reply);
        assert_int_equal(reply.status, 204);
        http_reply_release(&reply);
        for (int again = 0; again < 4; again++) {
            ask(scene, "GET", path, NULL, &reply);
            assert_error(&reply, 404, NULL);
            assert_header(&reply, "Cache-Control", "no-store");
            http_reply_release(&reply);
        }
    }
}

static void what_is_fresh_is_known_to_a_post_without_asking_the_cache(void **state)
{
    const struct scene *scene = *state;
    struct scene_url url = scene_url(scene, "/pictures/camera.png");
    char key[MD5_HEX_LEN + 1], path[64];
    struct http_reply reply;
    scene_emojify(scene, url.text, key);
    (void)snprintf(path, sizeof(path), "/api/cache/%s", key);
    warm(scene, path);

    (void)scene_signal(scene, "cache", SIGSTOP);
    scene_post(scene, url.text, SCENE_JSON, &reply);
    (void)scene_signal(scene, "cache", SIGCONT);
    json_t *answer = assert_json(&reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(json_string_value(json_object_get(answer, "id")), key);
    assert_true(json_is_true(json_object_get(answer, "cached")));
    json_decref(answer);
    http_reply_release(&reply);

    /* Nor is it remembered past its end. */
    ask(scene, "DELETE", path, "Authorization: Bearer " TOKEN, &reply);
    assert_int_equal(reply.status, 204);
    http_reply_release(&reply);
    scene_post(scene, url.text, NULL, &reply);
    assert_int_equal(reply.status, 410);
    http_reply_release(&reply);
}

/* All but the directory itself, which only its parent's owner could make again. */
static int remove_found(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type;
    return ftw->level == 0 ? 0 : remove(path);
}

static void a_tier_that_is_wiped_fails_no_request(void **state)
{
    const struct scene *scene = *state;
    char tier[PATH_MAX];
    struct http_reply reply;
    tier_path(scene, "", tier);
    put_file(scene, "wiped", jpeg);
    warm(scene, "/api/cache/wiped");
    (void)nftw(tier, remove_found, 8, FTW_DEPTH | FTW_PHYS);
    ask(scene, "GET", "/api/cache/wiped", NULL, &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(http_reply_text(&reply), jpeg);
    http_reply_release(&reply);

    /* lighttpd may go on sending the file it remembers, so that it is there says nothing yet. */
    char link[PATH_MAX];
    tier_path(scene, "direct-4/jpeg/wiped", link);
    int64_t deadline_ns = deadline_in_ms(2 * LATEST_MS);
    while (access(link, F_OK) != 0 && deadline_left_ms(deadline_ns) > 0)
        warm(scene, "/api/cache/wiped");
    assert_int_equal(access(link, F_OK), 0);
}

/*
 * As a file that is taken away between the look for it and its being opened. The web server
 * has not looked for this one before, so there is nothing that it remembers.
 */
static void what_cannot_be_opened_is_the_applications_to_send(void **state)
{
    const struct scene *scene = *state;
    char link[PATH_MAX];
    struct http_reply reply;
    put_file(scene, "closed", jpeg);
    tier_path(scene, "direct-4/jpeg/closed", link);
    int64_t deadline_ns = deadline_in_ms(2 * LATEST_MS);
    do { /* a process may not have noticed yet that the tier was wiped and made again */
        ask(scene, "GET", "/api/cache/closed?x", NULL, &reply);
        assert_int_equal(reply.status, 200);
        http_reply_release(&reply);
    } while (access(link, F_OK) != 0 && deadline_left_ms(deadline_ns) > 0);
    assert_int_equal(unlink(link), 0);
    int fd = open(link, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "other", 5), 5);
    assert_int_equal(close(fd), 0);
    ask(scene, "GET", "/api/cache/closed", NULL, &reply);
    assert_int_equal(reply.status, 200);
    assert_false(is_direct(&reply));
    assert_header(&reply, "Content-Type", "image/jpeg");
    assert_string_equal(http_reply_text(&reply), jpeg);
    http_reply_release(&reply);
}

/* --- Nothing else ---------------------------------------------------------------- */

/* A 404 or 400, or one of the picture itself where dots lead back to it; no other file. */
static void nothing_else_is_reachable(void **state)
{
    static const char *const paths[] = {
        "/api/cache/.hidden",
        "/api/cache/%2ehidden",
        "/api/cache/..",
        "/api/cache/%2e%2e/%2e%2e/files/other/secret.0123456789abcdef",
        "/api/cache/../../files/other/secret.0123456789abcdef",
        "/api/cache/..%2fpng%2fsecret",
        "/api/cache/secret.0123456789abcdef",
        "/api/cache/.miss",
        "/api/cache/jpeg/../../secret",
        "/api-direct/jpeg/.hidden",
        "/api-direct/png/.hidden",
        "/api-direct/png/%2ehidden",
        "/api-direct/png/../../files/other/secret.0123456789abcdef",
        "/api-direct/other/secret.0123456789abcdef",
        "/api-direct/png/sub/secret",
        "/api-direct/png/",
        "/api-direct/",
        "/api-direct-miss",
    };
    static const char *const files[] = {"files/other/secret.0123456789abcdef",
                                        "direct-4/jpeg/.hidden", "direct-4/png/.hidden",
                                        "direct-4/secret", "secret"};
    const struct scene *scene = *state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_reply reply;
        /* Again each time, for they are swept away. */
        for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
            char path[PATH_MAX];
            tier_path(scene, files[f], path);
            FILE *file = fopen(path, "we");
            assert_non_null(file);
            (void)fputs("secret", file);
            (void)fclose(file);
        }
        ask(scene, "GET", paths[i], NULL, &reply);
        if (reply.status == 200 || strstr(http_reply_text(&reply), "secret"))
            fail_msg("%s: %d", paths[i], reply.status);
        http_reply_release(&reply);
    }
}

/* Only the application's user can make one, and it does not last. */
static void a_symbolic_link_is_taken_away(void **state)
{
    const struct scene *scene = *state;
    char path[PATH_MAX];
    struct stat status;
    tier_path(scene, "direct-4/jpeg/symlink", path);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    int64_t deadline_ns = deadline_in_ms(10000);
    while (lstat(path, &status) == 0 && clock_now_ns() < deadline_ns)
        sleep_ms(20);
    scene_wait_status(scene, "/api/cache/symlink", 404, 1000);
}

/* --- Numbers --------------------------------------------------------------------- */

static void hits_and_misses_are_counted_and_the_size_is_shown(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    double hits = scene_metric(scene, "emojify_local_cache_hits_total");
    double misses = scene_metric(scene, "emojify_local_cache_misses_total");
    put_file(scene, "counted", jpeg);
    for (int i = 0; i < 3; i++) {
        ask(scene, "GET", "/api/cache/counted?x", NULL, &reply);
        http_reply_release(&reply);
    }
    scene_wait_metric(scene, "emojify_local_cache_misses_total", misses + 1);
    scene_wait_metric(scene, "emojify_local_cache_hits_total", hits + 2);
    assert_true(scene_metric(scene, "emojify_local_cache_files") >= 1);
    assert_true(scene_metric(scene, "emojify_local_cache_bytes") >= 4096);
}

static void many_who_want_one_cold_file_cost_one_call(void **state)
{
    static const char series[] =
        "emojify_upstream_duration_seconds_count{upstream=\"cache\",operation=\"get\"}";
    enum { MANY = 24 };
    const struct scene *scene = *state;
    struct http_job *jobs[MANY];
    char url[128];
    double before = scene_metric(scene, series);
    (void)snprintf(url, sizeof(url), "%s/api/cache/burst", scene->stack.base);
    const struct http_call call = {.url = url};
    put_file(scene, "burst", jpeg);
    int64_t begun_ns = clock_now_ns();
    for (int i = 0; i < MANY; i++)
        jobs[i] = http_job_start(&call);
    for (int i = 0; i < MANY; i++) {
        struct http_reply reply;
        assert_true(http_job_wait(&jobs[i], &reply));
        assert_int_equal(reply.status, 200);
        assert_string_equal(http_reply_text(&reply), jpeg);
        http_reply_release(&reply);
    }
    /* On a machine so busy that the last request comes after the file's freshness, one asks again.
     */
    int64_t lifetimes = (clock_now_ns() - begun_ns) / NS_PER_MS / (TTL_MS - EARLY_MS);
    assert_in_range((int)(scene_metric(scene, series) - before), 1, 1 + (int)lifetimes);
}

/* Of a picture that was never direct: the web server cannot say 404, since nobody looked. */
static void a_request_over_which_the_process_dies_is_a_failure_and_not_a_404(void **state)
{
    enum { PROCESSES = 2 };
    const struct scene *scene = *state;
    pid_t pids[PROCESSES];
    char url[128];
    struct http_reply reply;
    (void)snprintf(url, sizeof(url), "%s/api/cache/never-asked-for", scene->stack.base);
    size_t count = stack_pids(&scene->stack, "api", pids, PROCESSES);
    assert_true(count > 0);
    (void)scene_signal(scene, "cache", SIGSTOP); /* so that the application has it in its hands */
    struct http_job *job = http_job_start(&(struct http_call){.url = url});
    scene_wait_metric(scene, "emojify_requests_in_flight",
                      2); /* that one, and this for the metric */
    for (size_t i = 0; i < count; i++)
        assert_int_equal(kill(pids[i], SIGKILL), 0);
    bool answered = http_job_wait(&job, &reply);
    (void)scene_signal(scene, "cache", SIGCONT);
    assert_true(answered);
    assert_in_range(reply.status, 500, 503);
    http_reply_release(&reply);
}

int main(void)
{
    /* Of web servers that look for files themselves. */
    const struct CMUnitTest direct[] = {
        cmocka_unit_test(a_direct_answer_has_the_headers_of_the_application),
        cmocka_unit_test(whatever_else_is_asked_of_a_file_reaches_the_application),
        cmocka_unit_test(nothing_is_older_than_the_ttl_and_a_second),
        cmocka_unit_test(a_picture_is_gone_once_taking_it_down_was_answered),
        cmocka_unit_test(what_is_fresh_is_known_to_a_post_without_asking_the_cache),
        cmocka_unit_test(a_tier_that_is_wiped_fails_no_request),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_a_picture_goes_through_the_application_each_time),
        cmocka_unit_test(the_end_of_a_name_means_nothing),
        cmocka_unit_test(what_cannot_be_opened_is_the_applications_to_send),
        cmocka_unit_test(nothing_else_is_reachable),
        cmocka_unit_test(a_symbolic_link_is_taken_away),
        cmocka_unit_test(many_who_want_one_cold_file_cost_one_call),
        cmocka_unit_test(hits_and_misses_are_counted_and_the_size_is_shown),
        /* the last, for it takes the application away */
        cmocka_unit_test(a_request_over_which_the_process_dies_is_a_failure_and_not_a_404),
    };
    int failed = stack_web() == STACK_NGINX ? 0 : cmocka_run_group_tests(direct, start, scene_stop);
    return failed + cmocka_run_group_tests(tests, start, scene_stop);
}

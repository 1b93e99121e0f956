/* SPDX-License-Identifier: MIT */
/* run: web=all seconds=18 */
/* GET of a stored file under conditions and in parts, downloads, and DELETE. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/digest.h"
#include "support/cmocka.h"
#include "support/scene.h"

#define TOKEN      "an-admin-token-of-the-test"
#define AUTHORIZED "Authorization: Bearer " TOKEN
#define JPEG                                                                                       \
    "\xff\xd8\xff\xe0"                                                                             \
    "0123456789abcdefghijklmnopqrstuvwxyz"

static int start(void **state)
{
    return scene_start(state,
                       (const char *const[]){"PROFILE_TOKEN=" TOKEN, "METRICS_AUTH=token", NULL});
}

/* With every answer the application's own. */
static int start_without_tier(void **state)
{
    return scene_start(state, (const char *const[]){"PROFILE_TOKEN=" TOKEN, "METRICS_AUTH=token",
                                                    "LOCAL_CACHE_DIR=", "DIRECT=off", NULL});
}

static int start_without_token(void **state)
{
    return scene_start(state, NULL);
}

/* What another program that shares the cache's directory would do. */
static void put_file(const struct scene *scene, const char *id)
{
    char path[PATH_MAX];
    char name[MD5_HEX_LEN + 1];
    assert_int_equal(md5_hex(id, strlen(id), name), APP_OK);
    (void)snprintf(path, sizeof(path), "%.4000s/cache/%s", scene->stack.state, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(JPEG, 1, sizeof(JPEG) - 1, file), sizeof(JPEG) - 1);
    assert_int_equal(fclose(file), 0);
}

/* `header` may be NULL. */
static void ask(const struct scene *scene, const char *method, const char *path, const char *header,
                struct http_reply *reply)
{
    const char *const headers[] = {header, NULL};
    scene_ask(scene, &(struct http_call){.method = method, .url = path, .headers = headers}, reply);
}

static void etag_of(const struct scene *scene, const char *path, char etag[64])
{
    struct http_reply reply;
    ask(scene, "GET", path, NULL, &reply);
    assert_int_equal(reply.status, 200);
    const char *value = http_reply_header(&reply, "ETag");
    assert_non_null(value);
    (void)snprintf(etag, 64, "%s", value);
    http_reply_release(&reply);
}

static void a_client_that_has_the_file_is_told_so(void **state)
{
    const struct scene *scene = *state;
    char etag[64], header[200];
    struct http_reply reply;
    put_file(scene, "conditions");
    etag_of(scene, "/api/cache/conditions", etag);
    static const char *const methods[] = {"GET", "HEAD"};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(header, sizeof(header), "If-None-Match: \"x\", W/%s", etag);
        ask(scene, methods[i], "/api/cache/conditions", header, &reply);
        assert_int_equal(reply.status, 304);
        assert_int_equal(reply.body.len, 0);
        assert_header(&reply, "ETag", etag);
        assert_header(&reply, "Cache-Control", "public, max-age=30");
        assert_non_null(http_reply_header(&reply, "X-Request-Id"));
        assert_null(http_reply_header(&reply, "Content-Type"));
        http_reply_release(&reply);
    }
    ask(scene, "GET", "/api/cache/conditions", "If-None-Match: \"x\"", &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
}

static void a_client_that_wants_another_file_is_told_so(void **state)
{
    const struct scene *scene = *state;
    char etag[64], same[200], weak[200];
    put_file(scene, "wanted");
    etag_of(scene, "/api/cache/wanted", etag);
    (void)snprintf(same, sizeof(same), "If-Match: \"x\", %s", etag);
    (void)snprintf(weak, sizeof(weak), "If-Match: W/%s", etag);
    const struct {
        const char *path;
        const char *condition;
        int status;
    } cases[] = {
        {"wanted", same, 200},
        {"wanted", "If-Match: *", 200},
        {"wanted", weak, 412},
        {"wanted", "If-Match: \"x\"", 412},
        {"wanted", "If-Match: junk", 412},
        {"nothing-here", "If-Match: *", 404},
    };
    static const char *const methods[] = {"GET", "HEAD"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) * 2; i++) {
        char path[100];
        struct http_reply reply;
        (void)snprintf(path, sizeof(path), "/api/cache/%s", cases[i / 2].path);
        ask(scene, methods[i % 2], path, cases[i / 2].condition, &reply);
        if (reply.status != cases[i / 2].status)
            fail_msg("%s %s, %s: %d", methods[i % 2], path, cases[i / 2].condition, reply.status);
        if (reply.status == 412)
            assert_null(strstr(http_reply_text(&reply), JPEG));
        http_reply_release(&reply);
    }
}

static void another_file_has_another_tag_and_equal_bytes_the_same(void **state)
{
    const struct scene *scene = *state;
    char one[64], other[64], key[MD5_HEX_LEN + 1], path[100];
    put_file(scene, "twin-1");
    put_file(scene, "twin-2");
    etag_of(scene, "/api/cache/twin-1", one);
    etag_of(scene, "/api/cache/twin-2", other);
    assert_string_equal(one, other);
    scene_emojify(scene, scene_url(scene, "/pictures/coffee.png").text, key);
    (void)snprintf(path, sizeof(path), "/api/cache/%s", key);
    etag_of(scene, path, other);
    assert_string_not_equal(one, other);
}

static void a_part_is_sent_as_a_part(void **state)
{
    const struct scene *scene = *state;
    static const struct {
        const char *header;
        int status;
        const char *content_range; /* NULL: none */
        size_t first, len;
    } cases[] = {
        {"Range: bytes=4-13", 206, "bytes 4-13/40", 4, 10},
        {"Range: bytes=30-", 206, "bytes 30-39/40", 30, 10},
        {"Range: bytes=-4", 206, "bytes 36-39/40", 36, 4},
        {"Range: bytes=0-1000", 206, "bytes 0-39/40", 0, 40},
        {"Range: lines=1-2", 200, NULL, 0, 40},
    };
    put_file(scene, "parts");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_reply reply;
        ask(scene, "GET", "/api/cache/parts", cases[i].header, &reply);
        assert_int_equal(reply.status, cases[i].status);
        if (cases[i].content_range)
            assert_header(&reply, "Content-Range", cases[i].content_range);
        else
            assert_null(http_reply_header(&reply, "Content-Range"));
        assert_int_equal(reply.body.len, cases[i].len);
        assert_memory_equal(reply.body.data, &JPEG[cases[i].first], cases[i].len);
        http_reply_release(&reply);
    }
}

/*
 * The application ignores a list of ranges, and the web server may then cut the parts
 * out itself, as one that has them all or as multipart/byteranges. What comes must be
 * what it says.
 */
static void several_ranges_are_ignored_or_answered_rightly(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    unsigned first, last;
    put_file(scene, "several");
    ask(scene, "GET", "/api/cache/several", "Range: bytes=0-1,5-6", &reply);
    const char *range = http_reply_header(&reply, "Content-Range");
    if (reply.status == 200) {
        assert_int_equal(reply.body.len, sizeof(JPEG) - 1);
        assert_null(range);
    } else if (range) {
        assert_int_equal(reply.status, 206);
        assert_int_equal(sscanf(range, "bytes %u-%u/40", &first, &last), 2);
        assert_int_equal(first, 0);
        assert_true(last >= 6 && last < sizeof(JPEG) - 1);
        assert_int_equal(reply.body.len, last - first + 1);
        assert_memory_equal(reply.body.data, JPEG, reply.body.len);
    } else {
        assert_int_equal(reply.status, 206);
        assert_non_null(strstr(http_reply_header(&reply, "Content-Type"), "multipart/byteranges"));
    }
    http_reply_release(&reply);
}

static void a_client_that_has_the_file_gets_no_part_of_it(void **state)
{
    const struct scene *scene = *state;
    char etag[64], condition[100];
    struct http_reply reply;
    put_file(scene, "precedence");
    etag_of(scene, "/api/cache/precedence", etag);
    (void)snprintf(condition, sizeof(condition), "If-None-Match: %s", etag);
    const char *const both[] = {"Range: bytes=0-9", condition, NULL};
    scene_get(scene, "/api/cache/precedence", both, &reply);
    assert_int_equal(reply.status, 304);
    assert_null(http_reply_header(&reply, "Content-Range"));
    http_reply_release(&reply);
    ask(scene, "GET", "/api/cache/precedence", "If-None-Match: *", &reply);
    assert_int_equal(reply.status, 304);
    http_reply_release(&reply);
}

static void a_range_of_another_version_gets_the_whole_of_this_one(void **state)
{
    const struct scene *scene = *state;
    char etag[64], condition[100];
    struct http_reply reply;
    put_file(scene, "if-range");
    etag_of(scene, "/api/cache/if-range", etag);
    (void)snprintf(condition, sizeof(condition), "If-Range: %s", etag);
    const char *const same[] = {"Range: bytes=0-9", condition, NULL};
    scene_get(scene, "/api/cache/if-range", same, &reply);
    assert_int_equal(reply.status, 206);
    http_reply_release(&reply);
    static const char *const others[] = {"If-Range: \"x\"",
                                         "If-Range: Sat, 29 Oct 1994 19:43:31 GMT"};
    for (size_t i = 0; i < 2; i++) {
        const char *const other[] = {"Range: bytes=0-9", others[i], NULL};
        scene_get(scene, "/api/cache/if-range", other, &reply);
        assert_int_equal(reply.status, 200);
        assert_int_equal(reply.body.len, sizeof(JPEG) - 1);
        http_reply_release(&reply);
    }
}

static void a_download_has_a_name_that_fits_its_type(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    put_file(scene, "holiday");
    put_file(scene, "holiday.jpg");
    ask(scene, "GET", "/api/cache/holiday?download=1", NULL, &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Content-Disposition", "attachment; filename=\"holiday.jpg\"");
    http_reply_release(&reply);
    ask(scene, "GET", "/api/cache/holiday.jpg?x=y&download=1", NULL, &reply);
    assert_header(&reply, "Content-Disposition", "attachment; filename=\"holiday.jpg\"");
    http_reply_release(&reply);
    ask(scene, "GET", "/api/cache/holiday?download=0", NULL, &reply);
    assert_int_equal(reply.status, 200);
    assert_null(http_reply_header(&reply, "Content-Disposition"));
    http_reply_release(&reply);
}

/* RFC 9110, 13.1.1: where nothing is, no condition holds, also for what is to be removed. */
static void a_picture_that_has_changed_meanwhile_is_not_taken_down(void **state)
{
    const struct scene *scene = *state;
    char etag[64], same[100];
    put_file(scene, "kept");
    etag_of(scene, "/api/cache/kept", etag);
    (void)snprintf(same, sizeof(same), "If-Match: %s", etag);
    const struct {
        const char *path;
        const char *condition;
        int status;
    } cases[] = {{"/api/cache/kept", "If-Match: \"x\"", 412},
                 {"/api/cache/never-there", "If-Match: *", 412},
                 {"/api/cache/kept", same, 204},
                 {"/api/cache/kept", same, 412}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_reply reply;
        const char *const headers[] = {AUTHORIZED, cases[i].condition, NULL};
        scene_ask(scene,
                  &(struct http_call){.method = "DELETE", .url = cases[i].path, .headers = headers},
                  &reply);
        if (reply.status != cases[i].status)
            fail_msg("%zu: DELETE %s, %s: %d", i, cases[i].path, cases[i].condition, reply.status);
        http_reply_release(&reply);
        ask(scene, "GET", "/api/cache/kept", NULL, &reply);
        assert_int_equal(reply.status, i < 2 ? 200 : 404);
        http_reply_release(&reply);
    }
}

static void delete_takes_a_picture_down_for_good(void **state)
{
    const struct scene *scene = *state;
    char picture[512], key[MD5_HEX_LEN + 1], path[100];
    struct http_reply reply;
    (void)snprintf(picture, sizeof(picture), "%s",
                   scene_url(scene, "/pictures/astronaut.png").text);
    scene_emojify(scene, picture, key);
    (void)snprintf(path, sizeof(path), "/api/cache/%s", key);
    ask(scene, "DELETE", path, AUTHORIZED, &reply);
    assert_int_equal(reply.status, 204);
    http_reply_release(&reply);
    scene_wait_logged(scene, "api", "Picture taken down", key);
    ask(scene, "GET", path, NULL, &reply);
    assert_error(&reply, 404, NULL);
    http_reply_release(&reply);
    unsigned fetched = origin_requests(scene->origin, "/pictures/astronaut.png");
    scene_post(scene, picture, NULL, &reply);
    assert_error(&reply, 410, "this picture was taken down\n");
    http_reply_release(&reply);
    scene_ask(
        scene,
        &(struct http_call){.url = "/api/emojify/", .body = picture, .body_len = strlen(picture)},
        &reply);
    if (stack_web() == STACK_APACHE_FCGID) /* where there are no jobs */
        assert_int_equal(reply.status, 501);
    else
        assert_error(&reply, 410, "this picture was taken down\n");
    http_reply_release(&reply);
    assert_int_equal(origin_requests(scene->origin, "/pictures/astronaut.png"), fetched);
    ask(scene, "DELETE", path, AUTHORIZED, &reply); /* may be said again */
    assert_int_equal(reply.status, 204);
    http_reply_release(&reply);
}

static void delete_is_for_who_has_the_token_and_for_no_other_sites_page(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    put_file(scene, "kept");
    ask(scene, "DELETE", "/api/cache/kept", NULL, &reply);
    assert_error(&reply, 401, NULL);
    assert_non_null(http_reply_header(&reply, "WWW-Authenticate"));
    http_reply_release(&reply);
    ask(scene, "DELETE", "/api/cache/kept", "Authorization: Bearer an-admin-token-of-another",
        &reply);
    assert_error(&reply, 401, NULL);
    http_reply_release(&reply);
    const char *const foreign[] = {AUTHORIZED, "Origin: https://evil.example", NULL};
    scene_ask(scene,
              &(struct http_call){.method = "DELETE", .url = "/api/cache/kept", .headers = foreign},
              &reply);
    assert_error(&reply, 403, NULL);
    http_reply_release(&reply);
    ask(scene, "GET", "/api/cache/kept", NULL, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
    ask(scene, "PUT", "/api/cache/kept", NULL, &reply);
    assert_error(&reply, 405, NULL);
    assert_header(&reply, "Allow", "GET, HEAD, DELETE");
    http_reply_release(&reply);
}

static void metrics_ask_for_the_token_when_they_are_told_to(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    ask(scene, "GET", "/metrics", NULL, &reply);
    assert_error(&reply, 401, NULL);
    http_reply_release(&reply);
    ask(scene, "GET", "/metrics", AUTHORIZED, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
}

static void without_a_token_there_is_no_delete(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    put_file(scene, "kept");
    static const char *const methods[] = {"DELETE", "PUT"};
    for (size_t i = 0; i < 2; i++) {
        ask(scene, methods[i], "/api/cache/kept", "Authorization: Bearer ", &reply);
        assert_error(&reply, 405, NULL);
        assert_header(&reply, "Allow", "GET, HEAD");
        http_reply_release(&reply);
    }
    ask(scene, "GET", "/api/cache/kept", NULL, &reply);
    assert_int_equal(reply.status, 200);
    http_reply_release(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_has_the_file_is_told_so),
        cmocka_unit_test(a_client_that_wants_another_file_is_told_so),
        cmocka_unit_test(another_file_has_another_tag_and_equal_bytes_the_same),
        cmocka_unit_test(a_part_is_sent_as_a_part),
        cmocka_unit_test(several_ranges_are_ignored_or_answered_rightly),
        cmocka_unit_test(a_client_that_has_the_file_gets_no_part_of_it),
        cmocka_unit_test(a_range_of_another_version_gets_the_whole_of_this_one),
        cmocka_unit_test(a_download_has_a_name_that_fits_its_type),
        cmocka_unit_test(a_picture_that_has_changed_meanwhile_is_not_taken_down),
        cmocka_unit_test(delete_takes_a_picture_down_for_good),
        cmocka_unit_test(delete_is_for_who_has_the_token_and_for_no_other_sites_page),
        cmocka_unit_test(metrics_ask_for_the_token_when_they_are_told_to),
    };
    const struct CMUnitTest tests_without_token[] = {
        cmocka_unit_test(without_a_token_there_is_no_delete),
    };
    int failed = cmocka_run_group_tests(tests, start, scene_stop);
    failed += cmocka_run_group_tests(tests, start_without_tier, scene_stop);
    return failed + cmocka_run_group_tests(tests_without_token, start_without_token, scene_stop);
}

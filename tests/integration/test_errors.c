/* SPDX-License-Identifier: MIT */
/* run: web=all */
/* Every way in which POST and GET are refused: status, words, machine-readable code. */
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vips/vips.h>

#include "lib/base/limits.h"
#include "support/cmocka.h"
#include "support/sample_picture.h"
#include "support/scene.h"

static int start(void **state)
{
    return scene_start(state, (const char *const[]){"FETCH_TIMEOUT=1s", NULL});
}

/* POST that URL and expect that error, as text and as a problem object. */
static void assert_refused(const struct scene *scene, const char *url, int status, const char *code)
{
    struct http_reply reply;
    scene_post(scene, url, NULL, &reply);
    if (reply.status != status)
        fail_msg("%.100s: %d, not %d: %s", url, reply.status, status, http_reply_text(&reply));
    assert_error(&reply, status, NULL);
    http_reply_release(&reply);

    scene_post(scene, url, SCENE_JSON, &reply);
    assert_problem(&reply, status, code);
    http_reply_release(&reply);
}

static void assert_path_refused(const struct scene *scene, const char *path, int status,
                                const char *code)
{
    assert_refused(scene, scene_url(scene, path).text, status, code);
}

/* --- 400 and 403 -------------------------------------------------------------- */

static void what_is_not_a_url_is_answered_in_the_words_that_clients_know(void **state)
{
    static const struct {
        const char *body;
        const char *answer;
    } cases[] = {
        {"", " is not a valid URL\n"},
        {"httsddfdfdf/cc", "httsddfdfdf/cc is not a valid URL\n"},
        {"picture.png", "picture.png is not a valid URL\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_reply reply;
        scene_post(*state, cases[i].body, NULL, &reply);
        assert_error(&reply, 400, cases[i].answer);
        http_reply_release(&reply);
    }
}

static void urls_that_no_picture_can_come_from_are_bad_requests(void **state)
{
    static const char *const urls[] = {
        "",
        "httsddfdfdf/cc",
        "ftp://127.0.0.1/picture.png",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "http://",
        "http:///picture.png",
        "//127.0.0.1/picture.png",
        " ",
        "http://127.0.0.1/%zz",
        "http://user:secret@127.0.0.1/picture.png",
        "http://user@127.0.0.1/picture.png",
        "http://127.0.0.1/a\tb",
    };
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        assert_refused(*state, urls[i], 400, "invalid-url");
}

static void an_answer_repeats_a_bad_url_in_one_printable_line_and_cut(void **state)
{
    struct http_reply reply;
    char long_text[2000];
    scene_post(*state, "no\r\nurl\x1b[31m<b>", NULL, &reply);
    assert_error(&reply, 400, NULL);
    assert_null(strpbrk(http_reply_text(&reply), "\r\x1b"));
    http_reply_release(&reply);

    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    scene_post(*state, long_text, NULL, &reply);
    assert_error(&reply, 400, NULL);
    assert_true(reply.body.len < LIMIT_ECHO + 64);
    http_reply_release(&reply);
}

/* At once, so that nobody can tell from the time what listens there. */
static void addresses_that_may_not_be_fetched_are_refused_without_connecting(void **state)
{
    static const char *const urls[] = {
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://172.16.0.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::10.0.0.1]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://2852039166/",   /* 169.254.169.254 as a number */
        "http://0xa9fea9fe/",   /* and in hexadecimal */
        "http://127.0.0.1:22/", /* an address that may be, at a port that may not */
        "http://127.0.0.1:1023/",
    };
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct http_reply reply;
        assert_refused(*state, urls[i], 403, "forbidden-address");
        scene_post(*state, urls[i], NULL, &reply);
        if (reply.seconds > 0.5)
            fail_msg("%s: %.3f s", urls[i], reply.seconds);
        http_reply_release(&reply);
    }
}

static void a_redirect_to_an_address_that_may_not_be_fetched_is_refused(void **state)
{
    const struct scene *scene = *state;
    origin_answer(scene->origin, "/to-metadata", "302 Found",
                  "Location: http://169.254.169.254/latest/meta-data/\r\n", "");
    assert_path_refused(scene, "/to-metadata", 403, "forbidden-address");
}

/* --- 404, 405, 413 ------------------------------------------------------------ */

static void paths_without_a_route_are_not_found(void **state)
{
    static const char *const paths[] = {"/api/nothing",       "/api/health/", "/api/cache",
                                        "/api/health/readyz", "/api//health", "/api/./health"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_reply reply;
        scene_get(*state, paths[i], NULL, &reply);
        assert_error(&reply, 404, NULL);
        http_reply_release(&reply);
        scene_get(*state, paths[i], SCENE_JSON, &reply);
        assert_problem(&reply, 404, "not-found");
        http_reply_release(&reply);
    }
}

static void other_methods_are_told_which_are_allowed(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        const char *allowed; /* is among them */
    } cases[] = {
        {"GET", "/api/", "POST"},
        {"HEAD", "/api/", "POST"},
        {"PUT", "/api/", "POST"},
        {"DELETE", "/api/", "POST"},
        {"POST", "/api/health", "GET, HEAD"},
        {"PUT", "/api/cache/abc", "GET, HEAD"},
        {"PATCH", "/api/cache/abc", "GET, HEAD"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_reply reply;
        struct http_call call = {.method = cases[i].method, .url = cases[i].path};
        if (strstr("POST PUT", call.method)) /* without a length lighttpd answers 411 */
            call.body = "";
        scene_ask(*state, &call, &reply);
        if (reply.status != 405)
            fail_msg("%s %s: %d", cases[i].method, cases[i].path, reply.status);
        const char *allow = http_reply_header(&reply, "Allow");
        assert_non_null(allow);
        assert_non_null(strstr(allow, cases[i].allowed));
        if (strcmp(cases[i].method, "HEAD") != 0)
            assert_error(&reply, 405, NULL);
        http_reply_release(&reply);
    }
}

static void a_url_may_have_8_kib_and_no_more(void **state)
{
    const struct scene *scene = *state;
    char url[LIMIT_REQUEST_URL + 2];
    struct http_reply reply;
    memset(url, 'x', sizeof(url));
    struct scene_url start_of_url = scene_url(scene, "/");
    memcpy(url, start_of_url.text, strlen(start_of_url.text));

    url[LIMIT_REQUEST_URL + 1] = '\0';
    assert_refused(scene, url, 413, "too-large");
    url[LIMIT_REQUEST_URL] = '\0';
    scene_post(scene, url, NULL, &reply); /* is fetched: the origin does not have it */
    assert_error(&reply, 422, NULL);
    http_reply_release(&reply);
}

static void a_picture_of_more_than_10_mb_is_too_large(void **state)
{
    const struct scene *scene = *state;
    char *bytes = calloc(1, LIMIT_PICTURE_BYTES + 1);
    assert_non_null(bytes);
    scene_serve(scene, "/limit", "image/jpeg", bytes, LIMIT_PICTURE_BYTES);
    assert_path_refused(scene, "/limit", 415, "not-a-picture"); /* taken, looked at */
    scene_serve(scene, "/above", "image/jpeg", bytes, LIMIT_PICTURE_BYTES + 1);
    assert_path_refused(scene, "/above", 413, "too-large");
    free(bytes);
}

static void a_picture_without_an_end_is_too_large(void **state)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n";
    const struct scene *scene = *state;
    origin_on(scene->origin, "/endless", head, strlen(head),
              &(struct origin_options){.endless = true});
    assert_path_refused(scene, "/endless", 413, "too-large");
}

static void upload(const struct scene *scene, const char *type, const void *data, size_t len,
                   struct http_reply *reply)
{
    const char *const headers[] = {type, NULL};
    scene_ask(
        scene,
        &(struct http_call){.url = "/api/", .headers = headers, .body = data, .body_len = len},
        reply);
}

static void an_upload_of_more_than_10_mb_is_too_large(void **state)
{
    enum { FAR_ABOVE = 24 * 1024 * 1024 };
    struct http_reply reply;
    char *bytes = calloc(1, FAR_ABOVE);
    assert_non_null(bytes);
    upload(*state, "Content-Type: image/jpeg", bytes, LIMIT_PICTURE_BYTES, &reply);
    assert_error(&reply, 415, NULL);
    http_reply_release(&reply);
    upload(*state, "Content-Type: image/jpeg", bytes, LIMIT_PICTURE_BYTES + 1, &reply);
    assert_error(&reply, 413, NULL);
    http_reply_release(&reply);
    upload(*state, "Content-Type: image/jpeg", bytes, FAR_ABOVE, &reply);
    assert_int_equal(reply.status, 413); /* the web server's own */
    http_reply_release(&reply);
    free(bytes);
}

/* --- 415 and 422: the picture ------------------------------------------------- */

static const char svg[] = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>";

static void what_is_not_a_picture_is_an_unsupported_type_whatever_its_server_calls_it(void **state)
{
    static const struct {
        const char *data;
        size_t len;
    } files[] = {
        {"just text", 9},
        {svg, sizeof(svg) - 1},
        {"<!DOCTYPE html><html></html>", 28},
        {"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", 15},
        {"II*\0\x08\0\0\0\0\0", 10}, /* TIFF */
        {"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", 14},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct http_reply reply;
        scene_serve(*state, "/not-a-picture", "image/png", files[i].data, files[i].len);
        assert_path_refused(*state, "/not-a-picture", 415, "not-a-picture");
        upload(*state, "Content-Type: image/png", files[i].data, files[i].len, &reply);
        assert_error(&reply, 415, NULL);
        http_reply_release(&reply);
    }
}

static void a_broken_picture_is_refused(void **state)
{
    const struct scene *scene = *state;
    struct buf picture;
    struct http_reply reply;
    scene_picture("grace_hopper.jpg", &picture);
    scene_serve(scene, "/half.jpg", "image/jpeg", picture.data, picture.len / 2);
    assert_path_refused(scene, "/half.jpg", 422, "picture-refused");
    upload(scene, "Content-Type: image/jpeg", picture.data, picture.len / 2, &reply);
    assert_error(&reply, 422, NULL);
    http_reply_release(&reply);
    buf_release(&picture);

    scene_picture("camera.png", &picture);
    scene_serve(scene, "/half.png", "image/png", picture.data, picture.len / 2);
    assert_path_refused(scene, "/half.png", 422, "picture-refused");
    buf_release(&picture);
}

static void a_picture_of_too_many_pixels_is_refused_by_its_header(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    struct sample bomb = sample_png_header(30000, 30000);
    scene_serve(scene, "/bomb.png", "image/png", bomb.data, bomb.len);
    assert_path_refused(scene, "/bomb.png", 422, "picture-refused");
    scene_post(scene, scene_url(scene, "/bomb.png").text, NULL, &reply);
    assert_true(reply.seconds < 1);
    http_reply_release(&reply);
    sample_release(&bomb);
}

/* --- 422, 502, 504: the picture's server -------------------------------------- */

static void what_the_pictures_server_says_no_to_cannot_be_processed(void **state)
{
    static const char *const statuses[] = {"404 Not Found", "403 Forbidden", "410 Gone",
                                           "401 Unauthorized", "304 Not Modified"};
    const struct scene *scene = *state;
    struct http_reply reply;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        origin_answer(scene->origin, "/no", statuses[i], "", "");
        assert_path_refused(scene, "/no", 422, "fetch-failed");
    }
    scene_post(scene, scene_url(scene, "/unknown.png").text, NULL, &reply);
    assert_error(&reply, 422, "the picture could not be fetched: the server answered 404\n");
    http_reply_release(&reply);
}

static void redirects_without_end_or_to_other_schemes_are_refused(void **state)
{
    const struct scene *scene = *state;
    origin_answer(scene->origin, "/round", "302 Found", "Location: /round\r\n", "");
    assert_path_refused(scene, "/round", 422, "fetch-failed");
    origin_answer(scene->origin, "/to-file", "302 Found", "Location: file:///etc/passwd\r\n", "");
    assert_path_refused(scene, "/to-file", 422, "fetch-failed");
    origin_answer(scene->origin, "/to-ftp", "302 Found", "Location: ftp://127.0.0.1/x\r\n", "");
    assert_path_refused(scene, "/to-ftp", 422, "fetch-failed");
}

/* A port of the loopback address that nobody listens on. */
static uint16_t closed_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void a_pictures_server_that_fails_is_a_bad_gateway(void **state)
{
    static const char cut[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort";
    const struct scene *scene = *state;
    char url[64];
    origin_answer(scene->origin, "/500", "500 Internal Server Error", "", "boom");
    assert_path_refused(scene, "/500", 502, "origin-failed");
    origin_answer(scene->origin, "/503", "503 Service Unavailable", "", "");
    assert_path_refused(scene, "/503", 502, "origin-failed");
    origin_on(scene->origin, "/cut", cut, strlen(cut), &(struct origin_options){.close = true});
    assert_path_refused(scene, "/cut", 502, "origin-failed");
    origin_on(scene->origin, "/reset", "", 0, &(struct origin_options){.reset = true});
    assert_path_refused(scene, "/reset", 502, "origin-failed");
    origin_on(scene->origin, "/garbage", "\x16\x03\x01 what?\r\n\r\n", 12,
              &(struct origin_options){.close = true});
    assert_path_refused(scene, "/garbage", 502, "origin-failed");

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", closed_port());
    assert_refused(scene, url, 502, "origin-failed");
}

static void a_pictures_server_that_is_too_slow_is_a_gateway_timeout(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    scene_serve_slowly(scene, "/slow", "camera.png", 5000);
    assert_path_refused(scene, "/slow", 504, "origin-timeout");

    /* Never silent for long, and never done: the limit is for all of it. */
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n........................";
    origin_on(scene->origin, "/dripping", head, strlen(head),
              &(struct origin_options){.drip_bytes = 2, .drip_ms = 150});
    scene_post(scene, scene_url(scene, "/dripping").text, NULL, &reply);
    assert_error(&reply, 504, NULL);
    assert_true(reply.seconds > 0.9 && reply.seconds < 3);
    http_reply_release(&reply);
}

/* --- Request ids -------------------------------------------------------------- */

static void a_request_id_that_is_given_is_taken_over_and_goes_on(void **state)
{
    static const char *const headers[] = {"X-Request-Id: 4bf92f35-77b3_x.1", NULL};
    const struct scene *scene = *state;
    struct http_reply reply;
    char seen[128];
    scene_get(scene, "/api/nothing", headers, &reply);
    assert_header(&reply, "X-Request-Id", "4bf92f35-77b3_x.1");
    http_reply_release(&reply);

    scene_post(scene, scene_url(scene, "/unknown.png").text, headers, &reply);
    assert_header(&reply, "X-Request-Id", "4bf92f35-77b3_x.1");
    origin_last_header(scene->origin, "/unknown.png", "X-Request-Id", seen, sizeof(seen));
    assert_string_equal(seen, "4bf92f35-77b3_x.1");
    http_reply_release(&reply);
}

static void a_request_id_that_is_not_sane_is_replaced(void **state)
{
    static const char *const given[] = {
        "X-Request-Id: two words", "X-Request-Id: \"quoted\"",
        "X-Request-Id: 12345678901234567890123456789012345678901234567890123456789012345", /* 65 */
    };
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        const char *const headers[] = {given[i], NULL};
        struct http_reply reply;
        scene_get(*state, "/api/health/live", headers, &reply);
        const char *id = http_reply_header(&reply, "X-Request-Id");
        assert_non_null(id);
        assert_null(strstr(given[i], id));
        http_reply_release(&reply);
    }
}

static void every_request_gets_an_id_of_its_own(void **state)
{
    struct http_reply first, second;
    scene_get(*state, "/api/health/live", NULL, &first);
    scene_get(*state, "/api/health/live", NULL, &second);
    assert_string_not_equal(http_reply_header(&first, "X-Request-Id"),
                            http_reply_header(&second, "X-Request-Id"));
    http_reply_release(&first);
    http_reply_release(&second);
}

/* --- With nothing opened ------------------------------------------------------ */

static int start_closed(void **state)
{
    return scene_start(state, (const char *const[]){"FETCH_ALLOW_CIDR=192.0.2.0/24",
                                                    "FETCH_ALLOW_PORTS=", "LOG_LEVEL=warn", NULL});
}

static void loopback_is_refused_unless_it_is_opened(void **state)
{
    const struct scene *scene = *state;
    assert_path_refused(scene, "/pictures/camera.png", 403, "forbidden-address");
    assert_refused(scene, "http://localhost/", 403, "forbidden-address");
    assert_refused(scene, "http://127.1/", 403, "forbidden-address");
    assert_int_equal(origin_connections(scene->origin), 0);
}

static size_t count(const char *text, const char *word)
{
    size_t found = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        found++;
    return found;
}

static void each_refusal_is_one_line_of_the_log_for_jobs_in_the_background_too(void **state)
{
    const struct scene *scene = *state;
    static const char now[] = "http://10.1.2.3/now?token=hush";
    static const char later[] = "http://10.1.2.4/later?token=hush";
    struct http_reply reply;
    scene_post(scene, now, NULL, &reply);
    assert_int_equal(reply.status, 403);
    assert_null(strstr(http_reply_text(&reply), "10.1.2.3"));
    http_reply_release(&reply);
    scene_ask(scene,
              &(struct http_call){.url = "/api/emojify/", .body = later, .body_len = strlen(later)},
              &reply);
    bool has_jobs =
        reply.status != 501; /* not behind mod_fcgid, which ends processes as it likes */
    if (has_jobs)
        assert_int_equal(reply.status, 202);
    http_reply_release(&reply);
    scene_wait_logged(scene, "api", "http://10.1.2.3/now", "10.1.2.3 is in ");
    if (has_jobs)
        scene_wait_logged(scene, "api", "http://10.1.2.4/later", "10.1.2.4 is in ");

    struct buf log;
    scene_log(scene, "api", &log);
    assert_int_equal(count(log.data, "10.1.2.3/now"), 1);
    assert_int_equal(count(log.data, "10.1.2.4/later"), has_jobs);
    assert_int_equal(count(log.data, "hush"), 0);
    buf_release(&log);
}

int main(int argc, char **argv)
{
    (void)argc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_a_url_is_answered_in_the_words_that_clients_know),
        cmocka_unit_test(urls_that_no_picture_can_come_from_are_bad_requests),
        cmocka_unit_test(an_answer_repeats_a_bad_url_in_one_printable_line_and_cut),
        cmocka_unit_test(addresses_that_may_not_be_fetched_are_refused_without_connecting),
        cmocka_unit_test(a_redirect_to_an_address_that_may_not_be_fetched_is_refused),
        cmocka_unit_test(paths_without_a_route_are_not_found),
        cmocka_unit_test(other_methods_are_told_which_are_allowed),
        cmocka_unit_test(a_url_may_have_8_kib_and_no_more),
        cmocka_unit_test(a_picture_of_more_than_10_mb_is_too_large),
        cmocka_unit_test(a_picture_without_an_end_is_too_large),
        cmocka_unit_test(an_upload_of_more_than_10_mb_is_too_large),
        cmocka_unit_test(what_is_not_a_picture_is_an_unsupported_type_whatever_its_server_calls_it),
        cmocka_unit_test(a_broken_picture_is_refused),
        cmocka_unit_test(a_picture_of_too_many_pixels_is_refused_by_its_header),
        cmocka_unit_test(what_the_pictures_server_says_no_to_cannot_be_processed),
        cmocka_unit_test(redirects_without_end_or_to_other_schemes_are_refused),
        cmocka_unit_test(a_pictures_server_that_fails_is_a_bad_gateway),
        cmocka_unit_test(a_pictures_server_that_is_too_slow_is_a_gateway_timeout),
        cmocka_unit_test(a_request_id_that_is_given_is_taken_over_and_goes_on),
        cmocka_unit_test(a_request_id_that_is_not_sane_is_replaced),
        cmocka_unit_test(every_request_gets_an_id_of_its_own),
    };
    const struct CMUnitTest closed[] = {
        cmocka_unit_test(loopback_is_refused_unless_it_is_opened),
        cmocka_unit_test(each_refusal_is_one_line_of_the_log_for_jobs_in_the_background_too),
    };
    if (VIPS_INIT(argv[0]))
        return 1;
    int failed = cmocka_run_group_tests(tests, start, scene_stop);
    failed += cmocka_run_group_tests(closed, start_closed, scene_stop);
    vips_shutdown();
    return failed;
}

/* SPDX-License-Identifier: MIT */
/* The routes over real connections, with one detector and an origin server for `url`. */
#include "facebox/server.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "facebox/base64.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/net/http_client.h"
#include "lib/picture/picture.h"
#include "support/raw_http.h"
#include "unit/facebox/detector_fixture.h"

/* A PNG of one pixel, and what is searched in it. */
static const char pixel_base64[] = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNo"
                                   "AAAAggCB2kUIOwAAAABJRU5ErkJggg==";
static const char no_faces[] = "{\"success\":true,\"facesCount\":0,\"faces\":[]}";

struct fixture {
    struct log_sink sink;
    struct log log;
    struct address_guard *guard;
    struct network network;
    struct detector_pool *pool;
    struct server server;
    struct httpd *httpd;
    struct httpd *origin;
    struct buf pixel;
    uint16_t port;
};

/* /pixel is the picture, anything else does not exist. */
static void serve_origin(void *context, const struct httpd_request *request,
                         struct httpd_response *response)
{
    const struct fixture *fixture = context;
    if (strcmp(request->path, "/pixel") != 0)
        response->status = 404;
    else if (buf_append(&response->body, fixture->pixel.data, fixture->pixel.len))
        response->status = 500;
}

static enum app_err start_httpd(struct fixture *fixture, httpd_handler *handler, void *context,
                                struct httpd **httpd)
{
    struct err_buf why = {0};
    struct httpd_options options = {
        .address = "127.0.0.1",
        .max_connections = 8,
        .max_body = LIMIT_FACEBOX_BODY,
        .idle_timeout_s = 5,
        .handler = handler,
        .context = context,
        .log = &fixture->log,
    };
    return httpd_start(&options, httpd, &why);
}

static int start(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct err_buf why = {0};
    char port[8];
    if (!fixture)
        return -1;
    *state = fixture;
    fixture->sink.fd = memfd_create("log", MFD_CLOEXEC);
    fixture->sink.level = LOG_INFO;
    fixture->log = (struct log){.sink = &fixture->sink, .module = "facebox"};
    buf_init(&fixture->pixel, 1000);
    if (base64_decode(pixel_base64, strlen(pixel_base64), &fixture->pixel) ||
        http_client_global_init() || picture_library_init("test_server", &why) ||
        fixture_open_network(&fixture->network) ||
        detector_pool_new(1, &fixture->network, &fixture_options, &fixture->pool, &why) ||
        start_httpd(fixture, serve_origin, fixture, &fixture->origin))
        return -1;
    (void)snprintf(port, sizeof(port), "%u", httpd_port(fixture->origin));
    if (address_guard_new("127.0.0.0/8", port, &fixture->guard, &why))
        return -1;
    fixture->server = (struct server){
        .pool = fixture->pool,
        .network = "a-network",
        .guard = fixture->guard,
        .user = "",
        .password = "",
        .picture_time_ms = SERVER_PICTURE_TIME_MS,
        .log = &fixture->log,
        .hostname = "test-host",
    };
    if (start_httpd(fixture, server_handle, &fixture->server, &fixture->httpd))
        return -1;
    fixture->port = httpd_port(fixture->httpd);
    return 0;
}

static int stop(void **state)
{
    struct fixture *fixture = *state;
    httpd_stop(&fixture->httpd);
    httpd_stop(&fixture->origin);
    address_guard_free(&fixture->guard);
    detector_pool_free(&fixture->pool);
    fixture_close_network(&fixture->network);
    picture_library_release();
    http_client_global_release();
    buf_release(&fixture->pixel);
    close(fixture->sink.fd);
    free(fixture);
    return 0;
}

/* Each test starts without a user and with an empty log. */
static int begin_test(void **state)
{
    struct fixture *fixture = *state;
    fixture->server.user = "";
    fixture->server.password = "";
    fixture->server.picture_time_ms = SERVER_PICTURE_TIME_MS;
    return ftruncate(fixture->sink.fd, 0) == 0 && lseek(fixture->sink.fd, 0, SEEK_SET) == 0 ? 0
                                                                                            : -1;
}

static void assert_logged(const struct fixture *fixture, const char *text)
{
    char log[8192] = "";
    ssize_t len = pread(fixture->sink.fd, log, sizeof(log) - 1, 0);
    assert_true(len >= 0);
    if (!strstr(log, text))
        fail_msg("\"%s\" is not in the log: %s", text, log);
}

#define JSON       "Content-Type: application/json\r\n"
#define URLENCODED "Content-Type: application/x-www-form-urlencoded\r\n"
#define MULTIPART  "Content-Type: multipart/form-data; boundary=XyZ\r\n"
#define FILE_PART                                                                                  \
    "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"image.dat\"\r\n"           \
    "Content-Type: application/octet-stream\r\n\r\n"

static void assert_answer(const struct fixture *fixture, const char *path, const char *headers,
                          const struct buf *body, int status, const char *expected)
{
    struct buf out;
    int given =
        raw_http_post(fixture->port, path, headers, body->data ? body->data : "", body->len, &out);
    if (given != status || strcmp(raw_http_body(&out), expected) != 0)
        fail_msg("%s: status %d, \"%s\"", path, given, raw_http_body(&out));
    buf_release(&out);
}

/* POST /facebox/check of a body made from a format. */
__attribute__((format(printf, 4, 5))) static void assert_check(const struct fixture *fixture,
                                                               const char *headers,
                                                               const char *expected,
                                                               const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert_in_range(len, 0, sizeof(text) - 1);
    struct buf body = {.data = text, .len = (size_t)len};
    assert_answer(fixture, "/facebox/check", headers, &body, 200, expected);
}

static void assert_refused(const struct fixture *fixture, const char *headers, const char *reason,
                           const char *body)
{
    char expected[400];
    (void)snprintf(expected, sizeof(expected), "{\"success\":false,\"error\":\"%s\"}", reason);
    assert_check(fixture, headers, expected, "%s", body);
}

/* The bytes of a file as the client library of the box sends them. */
static void make_multipart(struct buf *body, const void *file, size_t len)
{
    buf_init(body, 32 * 1024 * 1024);
    assert_int_equal(buf_append_str(body, FILE_PART), APP_OK);
    assert_int_equal(buf_append(body, file, len), APP_OK);
    assert_int_equal(buf_append_str(body, "\r\n--XyZ--\r\n"), APP_OK);
}

/* --- /facebox/check ------------------------------------------------------------------ */

static void a_multipart_file_is_checked_and_logged(void **state)
{
    const struct fixture *fixture = *state;
    struct buf body;
    make_multipart(&body, fixture->pixel.data, fixture->pixel.len);
    assert_answer(fixture, "/facebox/check", MULTIPART "X-Request-Id: id-7\r\n", &body, 200,
                  no_faces);
    buf_release(&body);
    assert_logged(fixture, "facebox: Check: request_id=id-7 source=file faces=0 ms=");
    assert_logged(fixture, " width=1 height=1\n");
}

static void the_trace_of_a_request_is_logged(void **state)
{
    const struct fixture *fixture = *state;
    struct buf body;
    make_multipart(&body, fixture->pixel.data, fixture->pixel.len);
    assert_answer(fixture, "/facebox/check",
                  MULTIPART "X-Request-Id: id-7\r\ntraceparent: "
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n",
                  &body, 200, no_faces);
    assert_logged(fixture,
                  "Check: request_id=id-7 trace_id=4bf92f3577b34da6a3ce929d0e0e4736 source=");
    assert_answer(fixture, "/facebox/check",
                  MULTIPART "b3: 0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7\r\n", &body, 200,
                  no_faces);
    assert_logged(fixture, "Check: trace_id=0af7651916cd43dd8448eb211c80319c source=");
    buf_release(&body);
}

static void base64_is_checked_as_form_and_as_json(void **state)
{
    const struct fixture *fixture = *state;
    assert_check(fixture, JSON, no_faces, "{\"base64\":\"%s\"}", pixel_base64);
    assert_check(fixture, URLENCODED, no_faces, "faceprint=true&base64=%s", pixel_base64);
    assert_check(
        fixture, MULTIPART, no_faces,
        "--XyZ\r\nContent-Disposition: form-data; name=\"base64\"\r\n\r\n%s\r\n--XyZ--\r\n",
        pixel_base64);
    assert_logged(fixture, "source=base64 faces=0");
}

static void a_url_is_fetched_as_form_and_as_json(void **state)
{
    const struct fixture *fixture = *state;
    unsigned port = httpd_port(fixture->origin);
    assert_check(fixture, JSON, no_faces, "{\"url\":\"http://127.0.0.1:%u/pixel\"}", port);
    assert_check(fixture, URLENCODED, no_faces, "url=http://127.0.0.1:%u/pixel?a=b", port);
    assert_check(fixture, URLENCODED, no_faces, "url=http%%3A%%2F%%2F127.0.0.1%%3A%u%%2Fpixel",
                 port);
    assert_logged(fixture, "source=url faces=0");
}

static void a_url_that_cannot_be_had_is_a_failure(void **state)
{
    const struct fixture *fixture = *state;
    char url[100];
    (void)snprintf(url, sizeof(url), "url=http://127.0.0.1:%u/none", httpd_port(fixture->origin));
    struct buf out;
    struct buf body = {.data = url, .len = strlen(url)};
    assert_int_equal(
        raw_http_post(fixture->port, "/facebox/check", URLENCODED, body.data, body.len, &out), 200);
    assert_non_null(strstr(raw_http_body(&out), "{\"success\":false,\"error\":\""));
    assert_non_null(strstr(raw_http_body(&out), "404"));
    buf_release(&out);
}

static void an_address_that_may_not_be_fetched_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    static const char *const urls[] = {"url=http://[::1]/", "url=http://10.1.2.3/",
                                       "url=http://169.254.169.254/latest/meta-data/",
                                       "url=http://127.0.0.1:1/"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct buf out;
        assert_int_equal(raw_http_post(fixture->port, "/facebox/check", URLENCODED, urls[i],
                                       strlen(urls[i]), &out),
                         200);
        assert_non_null(strstr(raw_http_body(&out), "{\"success\":false,\"error\":\""));
        buf_release(&out);
    }
    assert_logged(fixture, "code=forbidden-address");
}

static void a_url_must_be_absolute(void **state)
{
    const struct fixture *fixture = *state;
    assert_refused(fixture, URLENCODED, "url must be absolute", "url=/pixel");
    assert_refused(fixture, URLENCODED, "url must be absolute", "url=");
    assert_refused(fixture, URLENCODED, "url must be absolute", "url=http://h/%00");
    assert_refused(fixture, URLENCODED, "url must be absolute", "url=file:///etc/passwd");
    assert_refused(fixture, JSON, "url must be absolute", "{\"url\":\"example.com/a.jpg\"}");
}

static void bad_input_is_a_failure_with_status_200(void **state)
{
    const struct fixture *fixture = *state;
    assert_refused(fixture, URLENCODED, "a file, url or base64 is needed", "faceprint=true");
    assert_refused(fixture, "", "a file, url or base64 is needed", "file=x");
    assert_refused(fixture, MULTIPART, "a file, url or base64 is needed",
                   "--XyZ\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--XyZ--\r\n");
    assert_refused(fixture, MULTIPART, "the file is empty", FILE_PART "\r\n--XyZ--\r\n");
    assert_refused(fixture, JSON, "the body is not a JSON object", "[]");
    assert_refused(fixture, JSON, "url is not a string", "{\"url\":7}");
    assert_refused(fixture, URLENCODED, "base64 cannot be decoded", "base64=garbage!");
    assert_logged(fixture, "[INFO]  facebox: Check failed: source=base64 code=bad-request");
}

static void what_is_no_picture_is_a_failure_with_status_200(void **state)
{
    const struct fixture *fixture = *state;
    struct buf body;
    struct buf out;
    make_multipart(&body, "just some text", 14);
    assert_int_equal(
        raw_http_post(fixture->port, "/facebox/check", MULTIPART, body.data, body.len, &out), 200);
    assert_non_null(strstr(raw_http_body(&out), "{\"success\":false,\"error\":\""));
    buf_release(&out);
    buf_release(&body);
    make_multipart(&body, fixture->pixel.data, fixture->pixel.len - 20);
    assert_int_equal(
        raw_http_post(fixture->port, "/facebox/check", MULTIPART, body.data, body.len, &out), 200);
    assert_non_null(strstr(raw_http_body(&out), "{\"success\":false,\"error\":\""));
    buf_release(&out);
    buf_release(&body);
}

static void a_file_of_more_than_ten_million_bytes_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    struct buf body;
    char *file = calloc(1, LIMIT_FACEBOX_BODY);
    assert_non_null(file);
    make_multipart(&body, file, LIMIT_PICTURE_BYTES + 1);
    assert_answer(fixture, "/facebox/check", MULTIPART, &body, 200,
                  "{\"success\":false,\"error\":\"the picture has more than 10000000 bytes\"}");
    buf_release(&body);
    make_multipart(&body, file, LIMIT_FACEBOX_BODY);
    assert_answer(fixture, "/facebox/check", MULTIPART, &body, 413, "too large\n");
    buf_release(&body);
    free(file);
}

/* A PNG head that promises 50000 x 50000 pixels. */
static void a_picture_of_too_many_pixels_is_refused_quickly(void **state)
{
    const struct fixture *fixture = *state;
    static const char bomb[] =
        "iVBORw0KGgoAAAANSUhEUgAAw1AAAMNQCAAAAABuxGIWAAAADElEQVR42mNgGB4AAADI"
        "AAGTvaWOAAAAAElFTkSuQmCC";
    char text[400];
    int64_t start_ns = clock_now_ns();
    int len = snprintf(text, sizeof(text), "{\"base64\":\"%s\"}", bomb);
    struct buf out;
    assert_int_equal(raw_http_post(fixture->port, "/facebox/check", JSON, text, (size_t)len, &out),
                     200);
    assert_non_null(strstr(raw_http_body(&out), "{\"success\":false,\"error\":\""));
    assert_true(clock_now_ns() - start_ns < 5 * NS_PER_S);
    buf_release(&out);
}

static void an_insane_request_id_is_not_logged(void **state)
{
    const struct fixture *fixture = *state;
    struct buf body;
    make_multipart(&body, fixture->pixel.data, fixture->pixel.len);
    assert_answer(fixture, "/facebox/check", MULTIPART "X-Request-Id: two words\r\n", &body, 200,
                  no_faces);
    assert_logged(fixture, "facebox: Check: source=file");
    char long_id[200];
    (void)snprintf(long_id, sizeof(long_id), MULTIPART "X-Request-Id: %065d\r\n", 0);
    assert_answer(fixture, "/facebox/check", long_id, &body, 200, no_faces);
    (void)snprintf(long_id, sizeof(long_id), MULTIPART "X-Request-Id: %064d\r\n", 0);
    assert_answer(fixture, "/facebox/check", long_id, &body, 200, no_faces);
    (void)snprintf(long_id, sizeof(long_id), "request_id=%064d source", 0);
    assert_logged(fixture, long_id);
    buf_release(&body);
}

/* --- POST / --------------------------------------------------------------------------- */

static void a_raw_body_is_answered_with_rectangles(void **state)
{
    const struct fixture *fixture = *state;
    static const char expected[] =
        "{\"Faces\":[],\"Bounds\":{\"Min\":{\"X\":0,\"Y\":0},\"Max\":{\"X\":1,\"Y\":1}}}";
    assert_answer(fixture, "/", "", &fixture->pixel, 200, expected);
    assert_answer(fixture, "/", URLENCODED, &fixture->pixel, 200, expected); /* as curl -d says */
    assert_logged(fixture, "source=body faces=0");
}

static void a_raw_body_of_another_type_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    struct buf empty = {.data = NULL};
    struct buf gif = {.data = (char[]){"GIF89a..."}, .len = 9};
    assert_answer(fixture, "/", "", &empty, 400,
                  "Only jpeg or png images can be searched, you uploaded: "
                  "text/plain; charset=utf-8\n");
    assert_answer(fixture, "/", "", &gif, 400,
                  "Only jpeg or png images can be searched, you uploaded: image/gif\n");
}

static void a_broken_raw_body_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    struct buf cut = {.data = fixture->pixel.data, .len = fixture->pixel.len - 20};
    assert_answer(fixture, "/", "", &cut, 500, "Unable to read image\n");
}

static void without_a_free_detector_the_answer_is_busy(void **state)
{
    struct fixture *fixture = *state;
    struct detector *held = NULL;
    struct buf out;
    struct buf body;
    fixture->server.picture_time_ms = 50;
    assert_int_equal(detector_pool_take(fixture->pool, 0, &held), APP_OK);
    make_multipart(&body, fixture->pixel.data, fixture->pixel.len);
    assert_int_equal(
        raw_http_post(fixture->port, "/facebox/check", MULTIPART, body.data, body.len, &out), 503);
    assert_string_equal(raw_http_body(&out), "{\"success\":false,\"error\":\"busy\"}");
    assert_non_null(strstr(out.data, "\r\nRetry-After: 1\r\n"));
    buf_release(&out);
    assert_answer(fixture, "/", "", &fixture->pixel, 503, "busy\n");
    assert_logged(fixture, "[WARN]  facebox: Check failed: source=file code=busy");
    detector_pool_return(fixture->pool, &held);
    assert_answer(fixture, "/facebox/check", MULTIPART, &body, 200, no_faces);
    buf_release(&body);
}

/* --- The other routes -------------------------------------------------------------------- */

static void assert_get(const struct fixture *fixture, const char *path, const char *headers,
                       int status, const char *expected)
{
    struct buf out;
    int given = raw_http_get(fixture->port, "GET", path, headers, &out);
    if (given != status || strcmp(raw_http_body(&out), expected) != 0)
        fail_msg("%s: status %d, \"%s\"", path, given, raw_http_body(&out));
    buf_release(&out);
}

static void health_and_info_answer(void **state)
{
    const struct fixture *fixture = *state;
    assert_get(fixture, "/info", "", 200,
               "{\"success\":true,\"name\":\"facebox\",\"version\":14,\"build\":\"" APP_VERSION
               " a-network\",\"status\":\"ready\"}");
    assert_get(fixture, "/healthz", "", 200,
               "{\"success\":true,\"hostname\":\"test-host\",\"metadata\":{\"boxname\":\"facebox\","
               "\"build\":\"" APP_VERSION "\"},\"errors\":[]}");
    assert_get(fixture, "/readyz", "", 200, "{\"success\":true}");
    assert_get(fixture, "/liveness", "", 200, "{\"success\":true}");
    assert_get(fixture, "/health", "", 200, "ok");
}

static void answers_say_that_they_are_json(void **state)
{
    const struct fixture *fixture = *state;
    struct buf out;
    assert_int_equal(raw_http_get(fixture->port, "HEAD", "/info", "", &out), 200);
    assert_non_null(strstr(out.data, "Content-Type: application/json; charset=utf-8\r\n"));
    assert_string_equal(raw_http_body(&out), "");
    buf_release(&out);
}

static void recognition_is_disabled_whatever_the_method(void **state)
{
    const struct fixture *fixture = *state;
    static const char disabled[] = "{\"success\":false,\"error\":\"recognition is disabled\"}";
    static const char *const paths[] = {
        "/facebox/teach",    "/facebox/teach/id-1",        "/facebox/rename",
        "/facebox/similar",  "/facebox/faceprint/compare", "/facebox/state",
        "/facebox/similars", "/facebox/faceprint/check",
    };
    struct buf empty = {.data = NULL};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_get(fixture, paths[i], "", 200, disabled);
        assert_answer(fixture, paths[i], "", &empty, 200, disabled);
    }
    struct buf out;
    assert_int_equal(raw_http_get(fixture->port, "PATCH", "/facebox/teach/x", "", &out), 200);
    buf_release(&out);
}

static void an_unknown_path_is_not_found(void **state)
{
    const struct fixture *fixture = *state;
    static const char text[] = "{\"success\":false,\"error\":\"not found\"}";
    assert_get(fixture, "/facebox", "", 404, text);
    assert_get(fixture, "/facebox/", "", 404, text);
    assert_get(fixture, "/facebox/teach/", "", 404, text);
    assert_get(fixture, "/facebox/check%00", "", 404, text);
    assert_get(fixture, "//info", "", 404, text);
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
    const struct fixture *fixture = *state;
    struct buf out;
    assert_int_equal(raw_http_get(fixture->port, "GET", "/facebox/check", "", &out), 405);
    assert_non_null(strstr(out.data, "\r\nAllow: POST\r\n"));
    assert_string_equal(raw_http_body(&out),
                        "{\"success\":false,\"error\":\"method not allowed\"}");
    buf_release(&out);
    assert_int_equal(raw_http_post(fixture->port, "/info", "", "", 0, &out), 405);
    assert_non_null(strstr(out.data, "\r\nAllow: GET, HEAD\r\n"));
    buf_release(&out);
    assert_int_equal(raw_http_get(fixture->port, "GET", "/", "", &out), 405);
    buf_release(&out);
}

static void authorization_is_asked_for_when_there_is_a_user(void **state)
{
    struct fixture *fixture = *state;
    fixture->server.user = "Aladdin";
    fixture->server.password = "open sesame";
    struct buf out;
    assert_int_equal(raw_http_get(fixture->port, "GET", "/info", "", &out), 401);
    assert_non_null(strstr(out.data, "\r\nWWW-Authenticate: Basic realm=\"facebox\"\r\n"));
    buf_release(&out);
    assert_get(fixture, "/info", "Authorization: Basic QWxhZGRpbjpvcGVu\r\n", 401,
               "{\"success\":false,\"error\":\"authorization is needed\"}");
    assert_get(fixture, "/nothing", "", 401,
               "{\"success\":false,\"error\":\"authorization is needed\"}");
    assert_get(fixture, "/health", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n", 200,
               "ok");
    assert_get(fixture, "/readyz", "", 200, "{\"success\":true}");
    assert_get(fixture, "/liveness", "", 200, "{\"success\":true}");
    assert_logged(fixture, "Authorization refused: path=/info");
}

#define TEST(name) cmocka_unit_test_setup(name, begin_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_multipart_file_is_checked_and_logged),
        TEST(the_trace_of_a_request_is_logged),
        TEST(base64_is_checked_as_form_and_as_json),
        TEST(a_url_is_fetched_as_form_and_as_json),
        TEST(a_url_that_cannot_be_had_is_a_failure),
        TEST(an_address_that_may_not_be_fetched_is_refused),
        TEST(a_url_must_be_absolute),
        TEST(bad_input_is_a_failure_with_status_200),
        TEST(what_is_no_picture_is_a_failure_with_status_200),
        TEST(a_file_of_more_than_ten_million_bytes_is_refused),
        TEST(a_picture_of_too_many_pixels_is_refused_quickly),
        TEST(an_insane_request_id_is_not_logged),
        TEST(a_raw_body_is_answered_with_rectangles),
        TEST(a_raw_body_of_another_type_is_refused),
        TEST(a_broken_raw_body_is_refused),
        TEST(without_a_free_detector_the_answer_is_busy),
        TEST(health_and_info_answer),
        TEST(answers_say_that_they_are_json),
        TEST(recognition_is_disabled_whatever_the_method),
        TEST(an_unknown_path_is_not_found),
        TEST(a_wrong_method_is_told_the_right_ones),
        TEST(authorization_is_asked_for_when_there_is_a_user),
    };
    return cmocka_run_group_tests(tests, start, stop);
}

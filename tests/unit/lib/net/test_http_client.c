/* SPDX-License-Identifier: MIT */
#include "lib/net/http_client.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "support/origin.h"

enum { MANY_BYTES = 10 * 1000 * 1000 };

struct fixture {
    struct origin *origin;
    struct http_client *client;
    char url[100]; /* of the path "/x" */
    struct http_request request;
    struct http_answer answer;
    struct err_buf why;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    fixture->origin = origin_start();
    assert_int_equal(http_client_new(&fixture->client), APP_OK);
    (void)snprintf(fixture->url, sizeof(fixture->url), "http://127.0.0.1:%d/x",
                   origin_port(fixture->origin));
    fixture->request = (struct http_request){.method = "GET",
                                             .url = fixture->url,
                                             .deadline_ns = deadline_in_ms(20000),
                                             .max_answer = 1000};
    fixture->answer = (struct http_answer){.status = -7};
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    http_client_free(&fixture->client);
    assert_null(fixture->client);
    http_client_free(&fixture->client);
    origin_stop(&fixture->origin);
    buf_release(&fixture->answer.body);
    free(fixture);
    return 0;
}

static enum app_err run(struct fixture *fixture)
{
    buf_release(&fixture->answer.body);
    return http_client_request(fixture->client, &fixture->request, &fixture->answer, &fixture->why);
}

static void assert_fails(struct fixture *fixture, enum app_err expected, const char *detail)
{
    buf_release(&fixture->answer.body);
    fixture->answer = (struct http_answer){.status = -7};
    enum app_err err = run(fixture);
    if (err != expected || !strstr(fixture->why.detail, detail))
        print_error("%s: %s\n", app_strerror(err), fixture->why.detail);
    assert_int_equal(err, expected);
    assert_non_null(strstr(fixture->why.detail, detail));
    assert_string_equal(fixture->why.text, app_strerror(expected));
    assert_int_equal(fixture->answer.status, -7);
    assert_null(fixture->answer.body.data);
}

static void say(struct fixture *fixture, const char *response, const struct origin_options *options)
{
    origin_on(fixture->origin, "/x", response, strlen(response), options);
}

static void assert_header(struct fixture *fixture, const char *name, const char *expected)
{
    char value[300];
    origin_last_header(fixture->origin, "/x", name, value, sizeof(value));
    assert_string_equal(value, expected);
}

static void an_answer_has_status_body_and_type(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/x", "200 OK", "Content-Type: application/json\r\n", "{}");
    assert_int_equal(run(fixture), APP_OK);
    assert_int_equal(fixture->answer.status, 200);
    assert_string_equal(fixture->answer.body.data, "{}");
    assert_string_equal(fixture->answer.content_type, "application/json");
    assert_header(fixture, "", "GET /x HTTP/1.1");
    assert_header(fixture, "User-Agent",
                  "emojify-api/" APP_VERSION " (+https://github.com/emojify-app)");
    assert_header(fixture, "Accept-Encoding", "");
    assert_header(fixture, "Authorization", "");
}

static void every_status_is_an_answer(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *line;
        int status;
    } statuses[] = {
        {"204 No Content", 204}, {"302 Found", 302}, {"401 Unauthorized", 401}, {"500 Oops", 500}};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        origin_answer(fixture->origin, "/x", statuses[i].line, "Location: /elsewhere\r\n", "");
        assert_int_equal(run(fixture), APP_OK);
        assert_int_equal(fixture->answer.status, statuses[i].status);
        assert_int_equal(fixture->answer.body.len, 0);
    }
    assert_int_equal(origin_requests(fixture->origin, "/elsewhere"), 0);
}

static void a_content_type_of_any_length_is_cut(void **state)
{
    struct fixture *fixture = *state;
    char header[400];
    (void)snprintf(header, sizeof(header), "Content-Type: %0300d\r\n", 1);
    origin_answer(fixture->origin, "/x", "200 OK", header, "");
    assert_int_equal(run(fixture), APP_OK);
    assert_int_equal(strlen(fixture->answer.content_type),
                     sizeof(fixture->answer.content_type) - 1);
}

static void headers_go_out_as_given(void **state)
{
    struct fixture *fixture = *state;
    const struct http_header headers[] = {
        {"X-Request-Id", "abc"}, {"X-Empty", ""}, {"Accept", "application/json; charset=utf-8"}};
    origin_answer(fixture->origin, "/x", "200 OK", "", "");
    fixture->request.headers = headers;
    fixture->request.header_count = 3;
    assert_int_equal(run(fixture), APP_OK);
    assert_header(fixture, "X-Request-Id", "abc");
    assert_header(fixture, "Accept", "application/json; charset=utf-8");
}

static void a_header_that_would_become_two_is_not_sent(void **state)
{
    struct fixture *fixture = *state;
    const struct http_header bad[] = {{"X-A", "b\r\nX-C: d"}, {"X-A\nX-B", "c"}, {"X-A", "b\r"}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fixture->request.headers = &bad[i];
        fixture->request.header_count = 1;
        assert_fails(fixture, APP_INTERNAL, "");
    }
    assert_int_equal(origin_connections(fixture->origin), 0);
}

static void a_body_is_posted_without_waiting_for_leave(void **state)
{
    struct fixture *fixture = *state;
    char *body = malloc(MANY_BYTES);
    assert_non_null(body);
    memset(body, 'b', MANY_BYTES);
    const struct http_header json = {"Content-Type", "application/json"};
    origin_answer(fixture->origin, "/x", "200 OK", "", "");
    fixture->request.method = "POST";
    fixture->request.headers = &json;
    fixture->request.header_count = 1;
    fixture->request.body = body;
    fixture->request.body_len = MANY_BYTES;
    assert_int_equal(run(fixture), APP_OK);
    assert_header(fixture, "", "POST /x HTTP/1.1");
    assert_header(fixture, "Content-Type", "application/json");
    assert_header(fixture, "Expect", "");
    size_t len = 0;
    char *sent = origin_last_body(fixture->origin, "/x", &len);
    assert_int_equal(len, MANY_BYTES);
    assert_memory_equal(sent, body, MANY_BYTES);
    free(sent);
    free(body);
}

static void a_post_without_a_body_has_length_zero(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/x", "200 OK", "", "");
    fixture->request.method = "POST";
    assert_int_equal(run(fixture), APP_OK);
    assert_header(fixture, "", "POST /x HTTP/1.1");
    assert_header(fixture, "Content-Length", "0");
}

static const char file_bytes[] = "\x89PNG\r\n\0\x1a--";

static void ask_with_file(struct fixture *fixture, struct http_file_part *file, const void *data,
                          size_t len)
{
    *file = (struct http_file_part){"file", "image.dat", "application/octet-stream", data, len};
    fixture->request.method = "POST";
    fixture->request.file = file;
}

/* That the last request was a multipart form with just these bytes. */
static void assert_file_arrived(struct fixture *fixture, const void *data, size_t data_len)
{
    char type[200];
    char head[500];
    char tail[200];
    origin_last_header(fixture->origin, "/x", "Content-Type", type, sizeof(type));
    static const char multipart[] = "multipart/form-data; boundary=";
    assert_memory_equal(type, multipart, sizeof(multipart) - 1);
    const char *boundary = type + sizeof(multipart) - 1;
    (void)snprintf(head, sizeof(head),
                   "--%s\r\nContent-Disposition: form-data; name=\"file\"; "
                   "filename=\"image.dat\"\r\nContent-Type: application/octet-stream\r\n\r\n",
                   boundary);
    (void)snprintf(tail, sizeof(tail), "\r\n--%s--\r\n", boundary);

    size_t len = 0;
    char *body = origin_last_body(fixture->origin, "/x", &len);
    assert_non_null(body);
    assert_int_equal(len, strlen(head) + data_len + strlen(tail));
    assert_memory_equal(body, head, strlen(head));
    assert_memory_equal(body + strlen(head), data, data_len);
    assert_memory_equal(body + strlen(head) + data_len, tail, strlen(tail));
    free(body);
}

static void a_file_is_sent_as_a_multipart_form(void **state)
{
    struct fixture *fixture = *state;
    struct http_file_part file;
    origin_answer(fixture->origin, "/x", "200 OK", "", "ok");
    ask_with_file(fixture, &file, file_bytes, sizeof(file_bytes));
    assert_int_equal(run(fixture), APP_OK);
    assert_file_arrived(fixture, file_bytes, sizeof(file_bytes));
    assert_header(fixture, "Expect", "");

    ask_with_file(fixture, &file, "", 0);
    assert_int_equal(run(fixture), APP_OK);
    assert_file_arrived(fixture, "", 0);
}

static void basic_authorization_is_sent_when_there_is_a_user(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/x", "200 OK", "", "");
    fixture->request.user = "Aladdin";
    fixture->request.password = "open:sesame";
    assert_int_equal(run(fixture), APP_OK);
    assert_header(fixture, "Authorization", "Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==");
    fixture->request.user = NULL;
    assert_int_equal(run(fixture), APP_OK);
    assert_header(fixture, "Authorization", "");
}

static void an_answer_of_the_most_bytes_is_taken_and_one_more_is_not(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/x", "200 OK", "", "1234567890");
    fixture->request.max_answer = 10;
    assert_int_equal(run(fixture), APP_OK);
    assert_string_equal(fixture->answer.body.data, "1234567890");
    fixture->request.max_answer = 9;
    assert_fails(fixture, APP_UPSTREAM_FAILED, "more than 9 bytes");
    fixture->request.max_answer = 11;
    assert_int_equal(run(fixture), APP_OK);
    fixture->request.max_answer = 0;
    assert_fails(fixture, APP_UPSTREAM_FAILED, "more than 0 bytes");
}

static void an_answer_without_end_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    say(fixture, "HTTP/1.1 200 OK\r\n\r\n", &(struct origin_options){.endless = true});
    assert_fails(fixture, APP_UPSTREAM_FAILED, "more than 1000 bytes");
}

static void what_is_not_http_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    const struct origin_options closing = {.close = true};
    say(fixture, "hello\r\n", &closing);
    assert_fails(fixture, APP_UPSTREAM_FAILED, "HTTP/0.9");
    say(fixture, "", &closing);
    assert_fails(fixture, APP_UPSTREAM_FAILED, "Empty reply");
    say(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", &closing);
    assert_fails(fixture, APP_UPSTREAM_FAILED, "95 bytes remaining");
    say(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        &(struct origin_options){.reset = true});
    assert_fails(fixture, APP_UPSTREAM_FAILED, "");
}

static void a_refused_connection_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    origin_stop(&fixture->origin);
    assert_fails(fixture, APP_UPSTREAM_FAILED, "Failed to connect");
    fixture->request.url = "file:///etc/passwd";
    assert_fails(fixture, APP_UPSTREAM_FAILED, "file");
    fixture->request.url = "";
    assert_fails(fixture, APP_UPSTREAM_FAILED, "");
}

static void an_answer_that_comes_too_late_is_a_timeout(void **state)
{
    struct fixture *fixture = *state;
    say(fixture, "HTTP/1.1 200 OK\r\n\r\n", &(struct origin_options){.delay_ms = 60000});
    int64_t start_ns = clock_now_ns();
    fixture->request.deadline_ns = deadline_in_ms(150);
    assert_fails(fixture, APP_UPSTREAM_TIMEOUT, "timed out");
    int64_t took_ns = clock_now_ns() - start_ns;
    assert_true(took_ns >= 75 * NS_PER_MS && took_ns < 10 * NS_PER_S);
}

static void an_answer_that_drips_is_a_timeout(void **state)
{
    struct fixture *fixture = *state;
    say(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabcdefghijklmnopqrstuvwxyz",
        &(struct origin_options){.drip_bytes = 1, .drip_ms = 20});
    fixture->request.deadline_ns = deadline_in_ms(300);
    assert_fails(fixture, APP_UPSTREAM_TIMEOUT, "timed out");
}

static void a_deadline_that_has_passed_sends_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture->request.deadline_ns = clock_now_ns();
    assert_fails(fixture, APP_UPSTREAM_TIMEOUT, "Timeout");
    assert_int_equal(origin_connections(fixture->origin), 0);
}

static void a_connection_is_kept_for_the_next_call(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/x", "200 OK", "", "ok");
    for (int i = 0; i < 5; i++)
        assert_int_equal(run(fixture), APP_OK);
    assert_int_equal(origin_requests(fixture->origin, "/x"), 5);
    assert_int_equal(origin_connections(fixture->origin), 1);
}

static void a_kept_connection_that_was_closed_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    say(fixture, response, &(struct origin_options){.close = true});
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run(fixture), APP_OK);
        usleep(50000); /* so that the close has arrived */
    }
    assert_int_equal(origin_connections(fixture->origin), 3);
}

static void a_connection_that_dies_under_the_next_request_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    say(fixture, response, &(struct origin_options){.drop_reused = 1});
    assert_int_equal(run(fixture), APP_OK);
    assert_int_equal(run(fixture), APP_OK);
    assert_string_equal(fixture->answer.body.data, "ok");
    assert_int_equal(origin_connections(fixture->origin), 2);
    assert_int_equal(origin_requests(fixture->origin, "/x"), 2);
}

static void a_file_is_sent_again_when_its_connection_dies(void **state)
{
    struct fixture *fixture = *state;
    static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    char *data = malloc(MANY_BYTES);
    assert_non_null(data);
    for (size_t i = 0; i < MANY_BYTES; i++)
        data[i] = (char)(i * 7);
    /* Dropped when all was sent, and dropped while it is being sent. */
    for (int before_body = 0; before_body < 2; before_body++) {
        struct http_file_part file;
        say(fixture, response,
            &(struct origin_options){.drop_reused = 1, .drop_before_body = before_body == 1});
        char other_url[110];
        (void)snprintf(other_url, sizeof(other_url), "%s/other", fixture->url);
        fixture->request.file = NULL;
        fixture->request.url = other_url;
        assert_int_equal(run(fixture), APP_OK);
        fixture->request.url = fixture->url;
        unsigned connections = origin_connections(fixture->origin);
        ask_with_file(fixture, &file, data, MANY_BYTES);
        enum app_err err = run(fixture);
        if (err)
            print_error("before_body %d: %s\n", before_body, fixture->why.detail);
        assert_int_equal(err, APP_OK);
        assert_file_arrived(fixture, data, MANY_BYTES);
        assert_int_equal(origin_connections(fixture->origin), connections + 1);
    }
    free(data);
}

static void a_request_to_be_sent_once_is_not_sent_again(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/x", "200 OK", "", "ok");
    assert_int_equal(run(fixture), APP_OK);
    fixture->request.method = "POST";
    fixture->request.body = "pay";
    fixture->request.body_len = 3;
    fixture->request.once = true;
    assert_int_equal(run(fixture), APP_OK);
    assert_int_equal(origin_connections(fixture->origin), 2);
    say(fixture, "", &(struct origin_options){.close = true});
    assert_fails(fixture, APP_UPSTREAM_FAILED, "Empty reply");
    assert_int_equal(origin_requests(fixture->origin, "/x"), 3);
    assert_int_equal(origin_connections(fixture->origin), 3);
}

static void a_proxy_in_the_environment_is_not_used(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/x", "200 OK", "", "ok");
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1/", 1), 0);
    assert_int_equal(setenv("all_proxy", "http://127.0.0.1:1/", 1), 0);
    enum app_err err = run(fixture);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    assert_int_equal(err, APP_OK);
}

static void a_failure_leaves_the_client_usable(void **state)
{
    struct fixture *fixture = *state;
    say(fixture, "", &(struct origin_options){.close = true});
    assert_fails(fixture, APP_UPSTREAM_FAILED, "Empty reply");
    origin_answer(fixture->origin, "/x", "200 OK", "", "ok");
    assert_int_equal(run(fixture), APP_OK);
    /* Nothing of a request is left over for the next one. */
    struct http_file_part file;
    ask_with_file(fixture, &file, file_bytes, sizeof(file_bytes));
    assert_int_equal(run(fixture), APP_OK);
    fixture->request.method = "GET";
    fixture->request.file = NULL;
    assert_int_equal(run(fixture), APP_OK);
    assert_header(fixture, "", "GET /x HTTP/1.1");
    assert_header(fixture, "Content-Length", "");
}

static int global_init(void **state)
{
    (void)state;
    return http_client_global_init() ? -1 : 0;
}

static int global_release(void **state)
{
    (void)state;
    http_client_global_release();
    return 0;
}

#define CLIENT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(an_answer_has_status_body_and_type),
        CLIENT_TEST(every_status_is_an_answer),
        CLIENT_TEST(a_content_type_of_any_length_is_cut),
        CLIENT_TEST(headers_go_out_as_given),
        CLIENT_TEST(a_header_that_would_become_two_is_not_sent),
        CLIENT_TEST(a_body_is_posted_without_waiting_for_leave),
        CLIENT_TEST(a_post_without_a_body_has_length_zero),
        CLIENT_TEST(a_file_is_sent_as_a_multipart_form),
        CLIENT_TEST(basic_authorization_is_sent_when_there_is_a_user),
        CLIENT_TEST(an_answer_of_the_most_bytes_is_taken_and_one_more_is_not),
        CLIENT_TEST(an_answer_without_end_is_cut_off),
        CLIENT_TEST(what_is_not_http_is_a_failure),
        CLIENT_TEST(a_refused_connection_is_a_failure),
        CLIENT_TEST(an_answer_that_comes_too_late_is_a_timeout),
        CLIENT_TEST(an_answer_that_drips_is_a_timeout),
        CLIENT_TEST(a_deadline_that_has_passed_sends_nothing),
        CLIENT_TEST(a_connection_is_kept_for_the_next_call),
        CLIENT_TEST(a_kept_connection_that_was_closed_is_replaced),
        CLIENT_TEST(a_connection_that_dies_under_the_next_request_is_replaced),
        CLIENT_TEST(a_file_is_sent_again_when_its_connection_dies),
        CLIENT_TEST(a_request_to_be_sent_once_is_not_sent_again),
        CLIENT_TEST(a_proxy_in_the_environment_is_not_used),
        CLIENT_TEST(a_failure_leaves_the_client_usable),
    };
    return cmocka_run_group_tests(tests, global_init, global_release);
}

/* SPDX-License-Identifier: MIT */
/* The server under real connections; its handler reports what it was given. */
#include "lib/httpd/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "support/raw_http.h"

enum { MAX_BODY = 100 * 1000, MAX_CONNECTIONS = 4, IDLE_S = 1 };

struct fixture {
    struct log_sink sink;
    struct log log;
    struct httpd *server;
    uint16_t port;
    pthread_mutex_t lock; /* held to keep the handler of /wait inside */
    atomic_int inside;
    atomic_int calls;
};

/* Reports method, path, media type, body and the field "f"; some paths do more. */
static void answer(void *context, const struct httpd_request *request,
                   struct httpd_response *response)
{
    struct fixture *fixture = context;
    atomic_fetch_add(&fixture->calls, 1);
    if (strcmp(request->path, "/wait") == 0) {
        atomic_fetch_add(&fixture->inside, 1);
        pthread_mutex_lock(&fixture->lock);
        pthread_mutex_unlock(&fixture->lock);
    }
    if (strcmp(request->path, "/nothing") == 0) {
        response->status = 204;
        return;
    }
    if (strcmp(request->path, "/big") == 0) {
        static const char block[65536];
        for (int i = 0; i < 256; i++)
            assert_int_equal(buf_append(&response->body, block, sizeof(block)), APP_OK);
        return;
    }
    size_t len = 12345;
    const char *field = httpd_request_field(request, "f", &len);
    const char *header = httpd_request_header(request, "x-test");
    response->content_type = "text/x-report";
    response->extra_name = "X-Extra";
    (void)snprintf(response->extra_value, sizeof(response->extra_value), "extra value");
    if (strcmp(request->path, "/teapot") == 0)
        response->status = 418;
    assert_int_equal(
        buf_printf(&response->body, "%s %s type=%s body=%zu:%.40s field=%zu:%.40s h=%s",
                   request->method, request->path, request->content_type, request->body_len,
                   request->body, len, field ? field : "(none)", header ? header : "(none)"),
        APP_OK);
}

static struct httpd_options options_of(struct fixture *fixture)
{
    return (struct httpd_options){
        .address = "127.0.0.1",
        .max_connections = MAX_CONNECTIONS,
        .max_body = MAX_BODY,
        .idle_timeout_s = IDLE_S,
        .handler = answer,
        .context = fixture,
        .log = &fixture->log,
    };
}

static int start(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (!fixture)
        return -1;
    fixture->sink.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    pthread_mutex_init(&fixture->lock, NULL);
    struct httpd_options options = options_of(fixture);
    struct err_buf why = {0};
    if (httpd_start(&options, &fixture->server, &why))
        return -1;
    fixture->port = httpd_port(fixture->server);
    *state = fixture;
    return 0;
}

static int stop(void **state)
{
    struct fixture *fixture = *state;
    httpd_stop(&fixture->server);
    pthread_mutex_destroy(&fixture->lock);
    close(fixture->sink.fd);
    free(fixture);
    return 0;
}

static void assert_contains(const struct buf *answer, const char *text)
{
    if (!answer->data || !strstr(answer->data, text))
        fail_msg("\"%s\" is not in the answer: %s", text, answer->data ? answer->data : "(none)");
}

static void wait_for(atomic_int *value, int wanted)
{
    int64_t deadline = deadline_in_ms(10000);
    while (atomic_load(value) != wanted && clock_now_ns() < deadline)
        usleep(1000);
    assert_int_equal(atomic_load(value), wanted);
}

static int64_t ms_since(int64_t start_ns)
{
    return (clock_now_ns() - start_ns) / NS_PER_MS;
}

/* --- Requests and answers ------------------------------------------------------- */

static void the_handler_gets_method_decoded_path_and_headers(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    assert_int_equal(
        raw_http_get(fixture->port, "GET", "/a%20b%2Fc%zz?q=%41", "X-TEST: 7\r\n", &out), 200);
    assert_contains(&out, "GET /a b/c%zz type= body=0: field=12345:(none) h=7");
    assert_contains(&out, "Content-Type: text/x-report\r\n");
    assert_contains(&out, "X-Extra: extra value\r\n");
    buf_release(&out);
}

static void an_encoded_nul_does_not_cut_the_path(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    assert_int_equal(raw_http_get(fixture->port, "GET", "/a%00b", "", &out), 200);
    assert_contains(&out, "GET /a%00b type=");
    buf_release(&out);
}

static void the_status_is_the_handlers(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    assert_int_equal(raw_http_get(fixture->port, "GET", "/teapot", "", &out), 418);
    buf_release(&out);
    assert_int_equal(raw_http_get(fixture->port, "GET", "/nothing", "", &out), 204);
    assert_string_equal(raw_http_body(&out), "");
    buf_release(&out);
}

static void head_has_the_length_but_no_body(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    assert_int_equal(raw_http_get(fixture->port, "HEAD", "/x", "", &out), 200);
    assert_contains(&out, "Content-Length: 49\r\n");
    assert_string_equal(raw_http_body(&out), "");
    buf_release(&out);
}

static void any_method_reaches_the_handler(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    assert_int_equal(raw_http_get(fixture->port, "DELETE", "/x", "", &out), 200);
    assert_contains(&out, "DELETE /x ");
    buf_release(&out);
    assert_int_equal(raw_http_get(fixture->port, "BREW", "/x", "", &out), 200);
    assert_contains(&out, "BREW /x ");
    buf_release(&out);
}

static void a_large_answer_arrives_whole(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    assert_int_equal(raw_http_get(fixture->port, "GET", "/big", "", &out), 200);
    assert_int_equal(out.len - (size_t)(raw_http_body(&out) - out.data), 256 * 65536);
    buf_release(&out);
}

static void a_connection_serves_several_requests(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    buf_init(&out, 1 << 20);
    int fd = raw_http_connect(fixture->port);
    for (int i = 0; i < 3; i++) {
        buf_reset(&out);
        assert_true(raw_http_send_str(fd, "POST /again HTTP/1.1\r\nHost: t\r\n"
                                          "Content-Length: 3\r\n\r\nabc"));
        assert_true(raw_http_read_answer(fd, &out));
        assert_contains(&out, "POST /again type= body=3:abc");
    }
    close(fd);
    buf_release(&out);
}

/* --- Bodies ------------------------------------------------------------------------ */

static void a_raw_body_is_passed_with_its_type(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    assert_int_equal(
        raw_http_post(fixture->port, "/x", "Content-Type: Image/JPEG; q=1\r\n", "ab\0cd", 5, &out),
        200);
    assert_contains(&out, "type=image/jpeg body=5:ab field=12345:(none)");
    buf_release(&out);
}

static void a_chunked_body_is_put_together(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    static const char request[] = "POST /x HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    assert_int_equal(raw_http_ask(fixture->port, request, sizeof(request) - 1, &out), 200);
    assert_contains(&out, "body=7:abcdefg");
    buf_release(&out);
}

static int post_zeros(uint16_t port, size_t len, struct buf *out)
{
    char *body = calloc(1, len);
    assert_non_null(body);
    int status = raw_http_post(port, "/x", "", body, len, out);
    free(body);
    return status;
}

static void a_body_of_the_limit_is_taken_and_one_byte_more_is_not(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    assert_int_equal(post_zeros(fixture->port, MAX_BODY - 1, &out), 200);
    buf_release(&out);
    assert_int_equal(post_zeros(fixture->port, MAX_BODY, &out), 200);
    assert_contains(&out, "body=100000:");
    buf_release(&out);
    int before = atomic_load(&fixture->calls);
    assert_int_equal(post_zeros(fixture->port, MAX_BODY + 1, &out), 413);
    assert_string_equal(raw_http_body(&out), "too large\n");
    buf_release(&out);
    assert_int_equal(atomic_load(&fixture->calls), before);
}

static void a_much_larger_body_is_refused_before_it_is_sent(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    static const char head[] = "POST /x HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999\r\n\r\n";
    assert_int_equal(raw_http_ask(fixture->port, head, sizeof(head) - 1, &out), 413);
    buf_release(&out);
}

static void a_client_that_expects_100_is_refused_before_it_sends(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    static const char head[] = "POST /x HTTP/1.1\r\nHost: t\r\nContent-Length: 100001\r\n"
                               "Expect: 100-continue\r\n\r\n";
    assert_int_equal(raw_http_ask(fixture->port, head, sizeof(head) - 1, &out), 413);
    buf_release(&out);
}

static void a_chunked_body_above_the_limit_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct buf request;
    struct buf out;
    buf_init(&request, 1 << 20);
    assert_int_equal(buf_append_str(&request, "POST /x HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
                                              "Transfer-Encoding: chunked\r\n\r\n186a1\r\n"),
                     APP_OK);
    for (int i = 0; i < MAX_BODY + 1; i++)
        assert_int_equal(buf_append(&request, "x", 1), APP_OK);
    assert_int_equal(buf_append_str(&request, "\r\n0\r\n\r\n"), APP_OK);
    assert_int_equal(raw_http_ask(fixture->port, request.data, request.len, &out), 413);
    buf_release(&out);
    buf_release(&request);
}

static void an_endless_chunked_body_is_cut(void **state)
{
    struct fixture *fixture = *state;
    static const char zeros[10000];
    int fd = raw_http_connect(fixture->port);
    assert_true(raw_http_send_str(fd, "POST /x HTTP/1.1\r\nHost: t\r\n"
                                      "Transfer-Encoding: chunked\r\n\r\n7fffffff\r\n"));
    int sent = 0;
    while (sent < 5000 && raw_http_send(fd, zeros, sizeof(zeros)))
        sent++;
    assert_true(sent < 5000);
    close(fd);
}

static void a_broken_chunk_size_ends_in_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    static const char request[] =
        "POST /x HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
        "zz\r\nabc\r\n";
    int before = atomic_load(&fixture->calls);
    assert_int_equal(raw_http_ask(fixture->port, request, sizeof(request) - 1, &out), 400);
    buf_release(&out);
    assert_int_equal(atomic_load(&fixture->calls), before);
}

/* --- Forms -------------------------------------------------------------------------- */

#define URLENCODED "Content-Type: application/x-www-form-urlencoded\r\n"
#define MULTIPART  "Content-Type: multipart/form-data; boundary=XyZ\r\n"
#define PART(name) "--XyZ\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"

static void ask_form(struct fixture *fixture, const char *headers, const char *body,
                     const char *expected)
{
    struct buf out;
    assert_int_equal(raw_http_post(fixture->port, "/x", headers, body, strlen(body), &out), 200);
    assert_contains(&out, expected);
    buf_release(&out);
}

static void an_urlencoded_field_is_decoded(void **state)
{
    ask_form(*state, URLENCODED, "a=1&f=http%3A//h/p%3Fx+y&b=2", "field=14:http://h/p?x y");
    ask_form(*state, URLENCODED, "f=http://h/?a=b==", "field=15:http://h/?a=b==");
    ask_form(*state, URLENCODED, "f=first&f=second", "field=5:first");
    ask_form(*state, URLENCODED, "%66=named", "field=5:named");
    ask_form(*state, URLENCODED, "f=%4", "field=2:%4");
    ask_form(*state, URLENCODED, "f=%zz%", "field=4:%zz%");
    ask_form(*state, URLENCODED, "f=", "field=0: h=");
    ask_form(*state, URLENCODED, "&&=&f", "field=0: h=");
    ask_form(*state, URLENCODED, "ff=1&F=2", "field=12345:(none)");
    ask_form(*state, URLENCODED, "", "field=12345:(none)");
}

static void an_urlencoded_body_is_there_raw_as_well(void **state)
{
    ask_form(*state, URLENCODED, "f=%41", "body=5:f=%41 field=1:A");
}

static void a_multipart_field_is_found(void **state)
{
    ask_form(*state, MULTIPART, PART("a") "1\r\n" PART("f") "two\r\n--XyZ--\r\n", "field=3:two");
    ask_form(*state, MULTIPART, PART("f") "\r\n--XyZ--\r\n", "field=0: h=");
    ask_form(*state, MULTIPART, PART("f") "\r\r\n\n--Xy\r\n--XyZ--\r\n",
             "body=0: field=8:\r\r\n\n--Xy h=");
    ask_form(*state, MULTIPART, PART("g") "1\r\n--XyZ--\r\n", "field=12345:(none)");
    ask_form(*state, MULTIPART, "--XyZ\r\nContent-Disposition: form-data\r\n\r\n1\r\n--XyZ--\r\n",
             "field=12345:(none)");
}

static void a_large_multipart_file_arrives_whole(void **state)
{
    struct fixture *fixture = *state;
    struct buf body;
    struct buf out;
    buf_init(&body, 1 << 20);
    assert_int_equal(buf_append_str(&body, PART("f")), APP_OK);
    for (int i = 0; i < 90000; i++)
        assert_int_equal(buf_append(&body, &"\r\n--XyZ"[i % 4], 1), APP_OK);
    assert_int_equal(buf_append_str(&body, "\r\n--XyZ--\r\n"), APP_OK);
    assert_int_equal(raw_http_post(fixture->port, "/x", MULTIPART, body.data, body.len, &out), 200);
    assert_contains(&out, "field=90000:\r\n--\r\n--");
    buf_release(&out);
    buf_release(&body);
}

static void a_multipart_body_without_its_boundary_has_no_fields(void **state)
{
    ask_form(*state, MULTIPART, "something else altogether", "field=12345:(none)");
    ask_form(*state, MULTIPART, "", "field=12345:(none)");
}

static void ask_bad_form(struct fixture *fixture, const char *headers, const char *body)
{
    struct buf out;
    int before = atomic_load(&fixture->calls);
    int status = raw_http_post(fixture->port, "/x", headers, body, strlen(body), &out);
    if (status != 400)
        fail_msg("status %d for: %s", status, body);
    assert_string_equal(raw_http_body(&out), "the request is malformed\n");
    buf_release(&out);
    assert_int_equal(atomic_load(&fixture->calls), before);
}

static void a_malformed_multipart_body_is_refused(void **state)
{
    ask_bad_form(*state, "Content-Type: multipart/form-data\r\n", "--X\r\n");
    ask_bad_form(*state, "Content-Type: multipart/form-data; boundary=\r\n", "--\r\n");
    ask_bad_form(*state, MULTIPART, PART("f") "cut of");
    ask_bad_form(*state, MULTIPART, "--XyZ\r\nContent-Dispo");
    ask_bad_form(*state, MULTIPART, "--XyZ\r\n\r\n");
}

static void odd_boundaries_do_no_harm(void **state)
{
    struct fixture *fixture = *state;
    static const char *const types[] = {
        "Content-Type: multipart/form-data; boundary=\"\r\n",
        "Content-Type: multipart/form-data; boundary=\"\"\r\n",
        "Content-Type: multipart/form-data; boundary=\"a\r\n",
    };
    static const char body[] =
        "--\"\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n1\r\n--\"--";
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct buf out;
        int status = raw_http_post(fixture->port, "/x", types[i], body, sizeof(body) - 1, &out);
        assert_true(status == 200 || status == 400);
        buf_release(&out);
    }
}

/* Fields f0, f1, ... of which "f" is the one at `position`. */
static void build_fields(struct buf *body, int position, bool multipart)
{
    buf_init(body, 1 << 16);
    for (int i = 0; i <= position; i++) {
        char name[16] = "f";
        if (i < position)
            (void)snprintf(name, sizeof(name), "f%d", i);
        enum app_err err =
            multipart ? buf_printf(body,
                                   "--XyZ\r\nContent-Disposition: form-data; name=\"%s\"\r\n"
                                   "\r\nv\r\n",
                                   name)
                      : buf_printf(body, "%s=v&", name);
        assert_int_equal(err, APP_OK);
    }
    if (multipart)
        assert_int_equal(buf_append_str(body, "--XyZ--\r\n"), APP_OK);
}

static void the_sixteenth_field_is_seen_and_the_seventeenth_is_not(void **state)
{
    struct buf body;
    for (int multipart = 0; multipart < 2; multipart++) {
        const char *type = multipart ? MULTIPART : URLENCODED;
        build_fields(&body, LIMIT_HTTPD_FIELDS - 1, multipart);
        ask_form(*state, type, body.data, "field=1:v");
        buf_release(&body);
        build_fields(&body, LIMIT_HTTPD_FIELDS, multipart);
        ask_form(*state, type, body.data, "field=12345:(none)");
        buf_release(&body);
    }
}

/* --- Clients that misbehave ----------------------------------------------------------- */

static void a_malformed_request_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    static const char no_host[] = "GET / HTTP/1.1\r\n\r\n";
    assert_int_equal(raw_http_ask(fixture->port, no_host, sizeof(no_host) - 1, &out), 400);
    buf_release(&out);
    static const char noise[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n";
    assert_int_equal(raw_http_ask(fixture->port, noise, sizeof(noise) - 1, &out), 0);
    buf_release(&out);
    assert_int_equal(atomic_load(&fixture->calls), 0);
}

static void a_huge_head_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct buf request;
    struct buf out;
    buf_init(&request, 1 << 20);
    assert_int_equal(buf_append_str(&request, "GET / HTTP/1.1\r\nHost: t\r\nX-Long: "), APP_OK);
    for (int i = 0; i < 100 * 1000; i++)
        assert_int_equal(buf_append(&request, "x", 1), APP_OK);
    assert_int_equal(buf_append_str(&request, "\r\n\r\n"), APP_OK);
    int status = raw_http_ask(fixture->port, request.data, request.len, &out);
    assert_true(status == 431 || status == 413);
    buf_release(&out);
    buf_release(&request);
    assert_int_equal(atomic_load(&fixture->calls), 0);
}

static void an_idle_connection_is_closed(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    buf_init(&out, 1024);
    int64_t start_ns = clock_now_ns();
    int fd = raw_http_connect(fixture->port);
    assert_true(raw_http_read_all(fd, &out));
    assert_int_equal(out.len, 0);
    assert_true(ms_since(start_ns) >= IDLE_S * 1000 - 100);
    buf_release(&out);
    close(fd);
}

/* Sends `piece` every 200 ms; how long until the server cuts the connection. */
static int64_t trickle(uint16_t port, const char *head, const char *piece)
{
    int64_t start_ns = clock_now_ns();
    int fd = raw_http_connect(port);
    assert_true(raw_http_send_str(fd, head));
    char byte;
    while (ms_since(start_ns) < 9000) {
        if (!raw_http_send_str(fd, piece) || recv(fd, &byte, 1, MSG_DONTWAIT) == 0 ||
            (errno != EAGAIN && errno != EWOULDBLOCK))
            break;
        usleep(200 * 1000);
    }
    close(fd);
    return ms_since(start_ns);
}

static void a_head_that_trickles_in_is_cut(void **state)
{
    struct fixture *fixture = *state;
    int64_t ms = trickle(fixture->port, "GET / HTTP/1.1\r\n", "X: y\r\n");
    assert_in_range(ms, IDLE_S * 1000 - 100, 9000 - 1);
    assert_int_equal(atomic_load(&fixture->calls), 0);
}

static void a_body_that_trickles_in_is_cut(void **state)
{
    struct fixture *fixture = *state;
    int64_t ms =
        trickle(fixture->port, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9999\r\n\r\n", "x");
    assert_in_range(ms, 2000, 9000 - 1); /* four times the idle time */
    assert_int_equal(atomic_load(&fixture->calls), 0);
}

static void a_client_that_does_not_read_its_answer_is_cut(void **state)
{
    struct fixture *fixture = *state;
    int small = 4096;
    int64_t start_ns = clock_now_ns();
    int fd = raw_http_connect(fixture->port);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    assert_true(raw_http_send_str(fd, "GET /big HTTP/1.1\r\nHost: t\r\n\r\n"));
    wait_for(&fixture->calls, 1);
    httpd_stop(&fixture->server); /* which waits for answers that go out */
    assert_true(ms_since(start_ns) < 9000);
    close(fd);
}

static void clients_that_leave_in_the_middle_do_no_harm(void **state)
{
    struct fixture *fixture = *state;
    static const char *const starts[] = {
        "",
        "POS",
        "POST / HTTP/1.1\r\nHost: t\r\n",
        "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5000\r\n\r\nsome",
        "POST / HTTP/1.1\r\nHost: t\r\n" MULTIPART "Content-Length: 5000\r\n\r\n" PART("f") "some",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n100\r\nsome",
        "GET /big HTTP/1.1\r\nHost: t\r\n\r\n",
    };
    struct linger reset = {.l_onoff = 1};
    for (size_t i = 0; i < 2 * sizeof(starts) / sizeof(starts[0]); i++) {
        int fd = raw_http_connect(fixture->port);
        assert_true(raw_http_send_str(fd, starts[i / 2]));
        usleep(5000);
        if (i % 2) /* a reset instead of an orderly end */
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        close(fd);
    }
    struct buf out;
    assert_int_equal(raw_http_get(fixture->port, "GET", "/x", "", &out), 200);
    buf_release(&out);
}

static void one_connection_too_many_is_closed_and_the_next_one_served(void **state)
{
    struct fixture *fixture = *state;
    int held[MAX_CONNECTIONS];
    pthread_mutex_lock(&fixture->lock);
    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        held[i] = raw_http_connect(fixture->port);
        assert_true(raw_http_send_str(held[i], "GET /wait HTTP/1.1\r\nHost: t\r\n"
                                               "Connection: close\r\n\r\n"));
    }
    wait_for(&fixture->inside, MAX_CONNECTIONS);
    struct buf out;
    int late = raw_http_connect(fixture->port);
    buf_init(&out, 1 << 20);
    assert_true(raw_http_read_all(late, &out));
    assert_int_equal(out.len, 0);
    close(late);
    pthread_mutex_unlock(&fixture->lock);

    for (int i = 0; i < MAX_CONNECTIONS; i++) {
        assert_true(raw_http_read_all(held[i], &out));
        assert_int_equal(raw_http_status(&out), 200);
        buf_release(&out);
        close(held[i]);
    }
    int status = 0;
    for (int i = 0; i < 100 && status == 0; i++) { /* its thread may need a moment to end */
        status = raw_http_get(fixture->port, "GET", "/x", "", &out);
        buf_release(&out);
        usleep(10 * 1000);
    }
    assert_int_equal(status, 200);
}

/* --- Life cycle ------------------------------------------------------------------------ */

static void *stop_server(void *argument)
{
    struct fixture *fixture = argument;
    httpd_stop(&fixture->server);
    return NULL;
}

static void a_running_handler_ends_and_its_answer_is_sent_when_the_server_stops(void **state)
{
    struct fixture *fixture = *state;
    pthread_mutex_lock(&fixture->lock);
    int fd = raw_http_connect(fixture->port);
    assert_true(raw_http_send_str(fd, "GET /wait HTTP/1.1\r\nHost: t\r\n\r\n"));
    wait_for(&fixture->inside, 1);
    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, stop_server, fixture), 0);
    usleep(100 * 1000);
    pthread_mutex_unlock(&fixture->lock);

    struct buf out;
    buf_init(&out, 1 << 20);
    assert_true(raw_http_read_all(fd, &out));
    assert_contains(&out, "GET /wait ");
    assert_contains(&out, "Connection: close\r\n");
    buf_release(&out);
    close(fd);
    pthread_join(stopper, NULL);
}

static void stopping_does_not_wait_for_idle_or_half_sent_requests(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    buf_init(&out, 1 << 20);
    int kept = raw_http_connect(fixture->port);
    assert_true(raw_http_send_str(kept, "GET /x HTTP/1.1\r\nHost: t\r\n\r\n"));
    assert_true(raw_http_read_answer(kept, &out));
    int half = raw_http_connect(fixture->port);
    assert_true(
        raw_http_send_str(half, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 50\r\n\r\nx"));
    int64_t start_ns = clock_now_ns();
    httpd_stop(&fixture->server);
    assert_true(ms_since(start_ns) < 900);
    close(kept);
    close(half);
    buf_release(&out);
}

static void stopping_twice_or_nothing_is_allowed(void **state)
{
    struct fixture *fixture = *state;
    httpd_stop(&fixture->server);
    assert_null(fixture->server);
    httpd_stop(&fixture->server);
}

static void a_server_starts_again_on_the_same_port(void **state)
{
    struct fixture *fixture = *state;
    struct buf out;
    assert_int_equal(raw_http_get(fixture->port, "GET", "/x", "", &out), 200);
    buf_release(&out);
    httpd_stop(&fixture->server);
    struct httpd_options options = options_of(fixture);
    options.port = fixture->port;
    struct err_buf why = {0};
    assert_int_equal(httpd_start(&options, &fixture->server, &why), APP_OK);
    assert_int_equal(raw_http_get(fixture->port, "GET", "/x", "", &out), 200);
    buf_release(&out);
}

static void the_empty_address_means_every_address(void **state)
{
    struct fixture *fixture = *state;
    struct httpd *server = NULL;
    struct httpd_options options = options_of(fixture);
    options.address = "";
    struct err_buf why = {0};
    assert_int_equal(httpd_start(&options, &server, &why), APP_OK);
    struct buf out;
    assert_int_equal(raw_http_get(httpd_port(server), "GET", "/x", "", &out), 200);
    buf_release(&out);
    httpd_stop(&server);
}

static void an_address_that_cannot_be_had_is_named(void **state)
{
    struct fixture *fixture = *state;
    struct httpd *junk = (struct httpd *)fixture;
    struct httpd *server = junk;
    struct httpd_options options = options_of(fixture);
    struct err_buf why = {0};
    options.port = fixture->port;
    assert_int_equal(httpd_start(&options, &server, &why), APP_CONFIG);
    assert_non_null(strstr(why.text, "cannot listen on 127.0.0.1 port"));
    assert_ptr_equal(server, junk);
    options.address = "300.0.0.1.";
    assert_int_equal(httpd_start(&options, &server, &why), APP_CONFIG);
    assert_non_null(strstr(why.text, "cannot listen on 300.0.0.1."));
    assert_ptr_equal(server, junk);
}

static void a_request_made_by_hand_has_no_headers_and_fields(void **state)
{
    (void)state;
    struct httpd_request request = {.content_type = "application/x-www-form-urlencoded"};
    size_t len = 77;
    assert_null(httpd_request_header(&request, "Host"));
    assert_null(httpd_request_field(&request, "f", &len));
    assert_int_equal(len, 77);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(the_handler_gets_method_decoded_path_and_headers),
        WITH_SERVER(an_encoded_nul_does_not_cut_the_path),
        WITH_SERVER(the_status_is_the_handlers),
        WITH_SERVER(head_has_the_length_but_no_body),
        WITH_SERVER(any_method_reaches_the_handler),
        WITH_SERVER(a_large_answer_arrives_whole),
        WITH_SERVER(a_connection_serves_several_requests),
        WITH_SERVER(a_raw_body_is_passed_with_its_type),
        WITH_SERVER(a_chunked_body_is_put_together),
        WITH_SERVER(a_body_of_the_limit_is_taken_and_one_byte_more_is_not),
        WITH_SERVER(a_much_larger_body_is_refused_before_it_is_sent),
        WITH_SERVER(a_client_that_expects_100_is_refused_before_it_sends),
        WITH_SERVER(a_chunked_body_above_the_limit_is_refused),
        WITH_SERVER(an_endless_chunked_body_is_cut),
        WITH_SERVER(a_broken_chunk_size_ends_in_an_error),
        WITH_SERVER(an_urlencoded_field_is_decoded),
        WITH_SERVER(an_urlencoded_body_is_there_raw_as_well),
        WITH_SERVER(a_multipart_field_is_found),
        WITH_SERVER(a_large_multipart_file_arrives_whole),
        WITH_SERVER(a_multipart_body_without_its_boundary_has_no_fields),
        WITH_SERVER(a_malformed_multipart_body_is_refused),
        WITH_SERVER(odd_boundaries_do_no_harm),
        WITH_SERVER(the_sixteenth_field_is_seen_and_the_seventeenth_is_not),
        WITH_SERVER(a_malformed_request_is_refused),
        WITH_SERVER(a_huge_head_is_refused),
        WITH_SERVER(an_idle_connection_is_closed),
        WITH_SERVER(a_head_that_trickles_in_is_cut),
        WITH_SERVER(a_body_that_trickles_in_is_cut),
        WITH_SERVER(a_client_that_does_not_read_its_answer_is_cut),
        WITH_SERVER(clients_that_leave_in_the_middle_do_no_harm),
        WITH_SERVER(one_connection_too_many_is_closed_and_the_next_one_served),
        WITH_SERVER(a_running_handler_ends_and_its_answer_is_sent_when_the_server_stops),
        WITH_SERVER(stopping_does_not_wait_for_idle_or_half_sent_requests),
        WITH_SERVER(stopping_twice_or_nothing_is_allowed),
        WITH_SERVER(a_server_starts_again_on_the_same_port),
        WITH_SERVER(the_empty_address_means_every_address),
        WITH_SERVER(an_address_that_cannot_be_had_is_named),
        cmocka_unit_test(a_request_made_by_hand_has_no_headers_and_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

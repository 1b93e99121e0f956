/* SPDX-License-Identifier: MIT */
#include "unit/lib/net/fetch_fixture.h"

#include <zlib.h>

static void say(struct fixture *fixture, const char *target, const char *response,
                const struct origin_options *options)
{
    origin_on(fixture->origin, target, response, strlen(response), options);
}

static void a_picture_is_fetched(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/a.png", "200 OK", "", "picture");
    fixture->fetch.request_id = "abc-1";
    assert_int_equal(fetch(fixture, "/a.png"), APP_OK);
    assert_string_equal(fixture->body.data, "picture");

    static const char *const headers[][2] = {
        {"", "GET /a.png HTTP/1.1"},
        {"User-Agent", "emojify-api/" APP_VERSION " (+https://github.com/emojify-app)"},
        {"X-Request-Id", "abc-1"},
        {"Accept-Encoding", "identity"},
        {"Authorization", ""},
        {"Cookie", ""},
        {"Referer", ""},
    };
    char value[200];
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        origin_last_header(fixture->origin, "/a.png", headers[i][0], value, sizeof(value));
        assert_string_equal(value, headers[i][1]);
    }
}

static void what_the_buffer_held_before_is_gone(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/a", "200 OK", "", "new");
    assert_int_equal(buf_append_str(&fixture->body, "old"), APP_OK);
    assert_int_equal(fetch(fixture, "/a"), APP_OK);
    assert_string_equal(fixture->body.data, "new");
}

static void an_empty_answer_is_an_answer(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/a", "200 OK", "", "");
    assert_int_equal(fetch(fixture, "/a"), APP_OK);
    assert_int_equal(fixture->body.len, 0);
    say(fixture, "/a", "HTTP/1.1 204 No Content\r\n\r\n", NULL);
    assert_int_equal(fetch(fixture, "/a"), APP_OK);
    assert_int_equal(fixture->body.len, 0);
}

/* An answer whose body is `len` zeros, coded by gzip. */
static void answer_zeros_by_gzip(struct fixture *fixture, size_t len)
{
    static char zeros[1 << 16];
    static unsigned char response[1 << 20];
    z_stream stream = {.zalloc = NULL};
    char head[] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n";
    memcpy(response, head, sizeof(head) - 1);
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = response + sizeof(head) - 1;
    stream.avail_out = sizeof(response) - sizeof(head);
    for (size_t done = 0; done < len; done += stream.avail_in) {
        stream.next_in = (unsigned char *)zeros;
        stream.avail_in = (uInt)(len - done < sizeof(zeros) ? len - done : sizeof(zeros));
        size_t step = stream.avail_in;
        assert_int_equal(deflate(&stream, Z_NO_FLUSH), Z_OK);
        assert_int_equal(stream.avail_in, 0);
        stream.avail_in = (uInt)step;
    }
    stream.avail_in = 0;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    const struct origin_options options = {.close = true};
    origin_on(fixture->origin, "/a", response, sizeof(response) - 1 - stream.avail_out, &options);
    (void)deflateEnd(&stream);
}

static void a_body_that_was_coded_unasked_is_decoded_within_the_limit(void **state)
{
    struct fixture *fixture = *state;
    size_t most = fixture->fetch.max_bytes;
    answer_zeros_by_gzip(fixture, most);
    assert_int_equal(fetch(fixture, "/a"), APP_OK);
    assert_int_equal(fixture->body.len, most);
    assert_int_equal(fixture->body.data[most - 1], 0);
    answer_zeros_by_gzip(fixture, most + 1);
    assert_int_equal(fetch(fixture, "/a"), APP_TOO_LARGE);
}

static void a_coding_that_is_broken_or_unknown_is_the_servers_fault(void **state)
{
    struct fixture *fixture = *state;
    static const char text[] =
        "the picture's server sent a content coding that is broken or unknown";
    origin_answer(fixture->origin, "/a", "200 OK", "Content-Encoding: gzip\r\n", "\x1f\x8bxyz");
    assert_outcome(fixture, fetch(fixture, "/a"), APP_ORIGIN_FAILED, text);
    origin_answer(fixture->origin, "/b", "200 OK", "Content-Encoding: rot13\r\n", "cvpgher");
    assert_outcome(fixture, fetch(fixture, "/b"), APP_ORIGIN_FAILED, text);
}

static void path_and_query_go_out_as_they_were_normalised(void **state)
{
    struct fixture *fixture = *state;
    static const char *const targets[][2] = {
        {"/a%23b", "/a%23b"},
        {"/a/../b/./c", "/a/../b/./c"},
        {"/a%2fb", "/a%2fb"},
        {"/a?x=1&y=%41", "/a?x=1&y=%41"},
        {"/a#b", "/a"},
        {"/a?x#y#z", "/a?x"},
        {"/a?x=a b", "/a?x=a%20b"},
        {"/a?\xc3\xbc", "/a?%C3%BC"},
        {"?x=1", "/?x=1"},
        {"", "/"},
        {"/a??b?", "/a??b?"},
    };
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        origin_answer(fixture->origin, targets[i][1], "200 OK", "", targets[i][1]);
        enum app_err err = fetch(fixture, targets[i][0]);
        if (err)
            print_error("%s: %s\n", targets[i][0], fixture->why.text);
        assert_int_equal(err, APP_OK);
        assert_string_equal(fixture->body.data, targets[i][1]);
    }
}

static void an_international_name_is_looked_up_in_its_ascii_form(void **state)
{
    struct fixture *fixture = *state;
    origin_answer(fixture->origin, "/", "200 OK", "", "ok");
    assert_int_equal(fetch_from(fixture, "b%C3%BCcher.test", "/"), APP_OK);
    char host[100];
    origin_last_header(fixture->origin, "/", "Host", host, sizeof(host));
    assert_memory_equal(host, "xn--bcher-kva.test:", 19);
}

static void a_status_that_is_no_success_is_told(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *line;
        enum app_err err;
        const char *text;
    } statuses[] = {
        {"404 Not Found", APP_FETCH_FAILED,
         "the picture could not be fetched: the server answered 404"},
        {"401 No", APP_FETCH_FAILED, "the picture could not be fetched: the server answered 401"},
        {"400 No", APP_FETCH_FAILED, "the picture could not be fetched: the server answered 400"},
        {"304 Same", APP_FETCH_FAILED, "the picture could not be fetched: the server answered 304"},
        {"300 Choose", APP_FETCH_FAILED,
         "the picture could not be fetched: the server answered 300"},
        {"302 Nowhere", APP_FETCH_FAILED,
         "the picture could not be fetched: the server answered 302"},
        {"206 Partial Content", APP_ORIGIN_FAILED,
         "the picture's server sent a part, which nobody had asked for"},
        {"600 What", APP_FETCH_FAILED, "the picture could not be fetched: the server answered 600"},
        {"500 Oops", APP_ORIGIN_FAILED, "the picture's server answered 500"},
        {"503 Later", APP_ORIGIN_FAILED, "the picture's server answered 503"},
        {"599 Last", APP_ORIGIN_FAILED, "the picture's server answered 599"},
    };
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        origin_answer(fixture->origin, "/a", statuses[i].line, "", "an error page");
        assert_outcome(fixture, fetch(fixture, "/a"), statuses[i].err, statuses[i].text);
    }
}

static void the_status_counts_whatever_its_body_does(void **state)
{
    struct fixture *fixture = *state;
    static const char text[] = "the picture could not be fetched: the server answered 404";
    say(fixture, "/a", "HTTP/1.1 404 No\r\n\r\n", &(struct origin_options){.endless = true});
    assert_outcome(fixture, fetch(fixture, "/a"), APP_FETCH_FAILED, text);
    say(fixture, "/a", "HTTP/1.1 404 No\r\nContent-Length: 99999999999\r\n\r\nshort", NULL);
    assert_outcome(fixture, fetch(fixture, "/a"), APP_FETCH_FAILED, text);
    say(fixture, "/a", "HTTP/1.1 404 No\r\nContent-Length: 100\r\n\r\nshort",
        &(struct origin_options){.close = true});
    assert_outcome(fixture, fetch(fixture, "/a"), APP_FETCH_FAILED, text);
}

static void a_length_that_is_told_in_two_ways_is_a_broken_server(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *lines;
        enum app_err err;
    } cases[] = {
        {"Content-Length: 5\r\nContent-Length: 6\r\n", APP_ORIGIN_FAILED},
        {"Content-Length: 6\r\nContent-Length: 5\r\n", APP_ORIGIN_FAILED},
        {"Content-Length: 5, 6\r\n", APP_ORIGIN_FAILED},
        {"Content-Length: 05\r\nContent-Length: 5\r\n", APP_ORIGIN_FAILED},
        {"Content-Length: 5\r\nContent-Length: 5\r\n", APP_OK},
        {"Content-Length: 5\r\n", APP_OK},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char answer[200];
        (void)snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\n%s\r\nhello", cases[i].lines);
        say(fixture, "/a", answer, &(struct origin_options){.close = true});
        assert_int_equal(fetch(fixture, "/a"), cases[i].err);
        if (cases[i].err)
            assert_string_equal(fixture->why.text,
                                "the picture's server told the length in more than one way");
    }
}

static void redirects_of_every_kind_are_followed_by_get(void **state)
{
    struct fixture *fixture = *state;
    static const char *const statuses[] = {"301 A", "302 B", "303 C", "307 D", "308 E"};
    origin_answer(fixture->origin, "/to", "200 OK", "", "there");
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        redirect(fixture, "/from", statuses[i], "/to");
        assert_int_equal(fetch(fixture, "/from"), APP_OK);
        assert_string_equal(fixture->body.data, "there");
    }
    char line[100];
    origin_last_header(fixture->origin, "/to", "", line, sizeof(line));
    assert_string_equal(line, "GET /to HTTP/1.1");
    assert_int_equal(origin_connections(fixture->origin), 1);
}

static void a_location_is_relative_to_the_url_that_gave_it(void **state)
{
    struct fixture *fixture = *state;
    char absolute[100];
    char other_host[100];
    int port = origin_port(fixture->origin);
    (void)snprintf(absolute, sizeof(absolute), "HTTP://public.test:%d/abs", port);
    (void)snprintf(other_host, sizeof(other_host), "//127.0.0.1:%d/net", port);
    const char *const locations[][2] = {
        {absolute, "/abs"},           {other_host, "/net"},     {"/root", "/root"},
        {"sibling", "/d/sibling"},    {"../up", "/up"},         {"?q=1", "/d/from?q=1"},
        {"/a b?c d", "/a%20b?c%20d"}, {"/x#fragment", "/x"},    {"./y/../z", "/d/z"},
        {"/%C3%BC", "/%C3%BC"},       {"/\xc3\xbc", "/%C3%BC"},
    };
    for (size_t i = 0; i < sizeof(locations) / sizeof(locations[0]); i++) {
        redirect(fixture, "/d/from?old", "302 Found", locations[i][0]);
        origin_answer(fixture->origin, locations[i][1], "200 OK", "", locations[i][1]);
        enum app_err err = fetch(fixture, "/d/from?old");
        if (err)
            print_error("%s: %s\n", locations[i][0], fixture->why.text);
        assert_int_equal(err, APP_OK);
        assert_string_equal(fixture->body.data, locations[i][1]);
    }
}

static void redirect_in_a_row(struct fixture *fixture, int count)
{
    for (int i = 0; i < count; i++) {
        char from[20];
        char to[20];
        (void)snprintf(from, sizeof(from), "/%d", i);
        (void)snprintf(to, sizeof(to), "/%d", i + 1);
        redirect(fixture, from, "302 Found", to);
    }
    char last[20];
    (void)snprintf(last, sizeof(last), "/%d", count);
    origin_answer(fixture->origin, last, "200 OK", "", "end");
}

static void the_most_redirects_are_followed_and_one_more_is_not(void **state)
{
    struct fixture *fixture = *state;
    redirect_in_a_row(fixture, LIMIT_FETCH_REDIRECTS);
    assert_int_equal(fetch(fixture, "/0"), APP_OK);
    assert_string_equal(fixture->body.data, "end");
    redirect_in_a_row(fixture, LIMIT_FETCH_REDIRECTS + 1);
    assert_outcome(fixture, fetch(fixture, "/0"), APP_FETCH_FAILED,
                   "the picture could not be fetched: it was redirected more than 10 times");
    redirect(fixture, "/loop", "301 Moved", "/loop");
    assert_outcome(fixture, fetch(fixture, "/loop"), APP_FETCH_FAILED,
                   "the picture could not be fetched: it was redirected more than 10 times");
    assert_int_equal(origin_requests(fixture->origin, "/loop"), LIMIT_FETCH_REDIRECTS + 1);
}

static void a_redirect_out_of_the_web_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const locations[][2] = {
        {"file:///etc/passwd", "the address it was redirected to is neither http nor https"},
        {"ftp://public.test/", "the address it was redirected to is neither http nor https"},
        {"gopher://127.0.0.1:6379/_x",
         "the address it was redirected to is neither http nor https"},
        {"http://user:pw@public.test/", "the address it was redirected to has a user or password"},
        {"http://user@public.test/", "the address it was redirected to has a user or password"},
        {"http://a b/", "the address it was redirected to cannot be understood"},
        {"http://public.test:99999/", "the address it was redirected to cannot be understood"},
        {"http://", "the address it was redirected to cannot be understood"},
        {"javascript:alert(1)", "the address it was redirected to cannot be understood"},
    };
    for (size_t i = 0; i < sizeof(locations) / sizeof(locations[0]); i++) {
        char text[200];
        (void)snprintf(text, sizeof(text), "the picture could not be fetched: %s", locations[i][1]);
        redirect(fixture, "/a", "302 Found", locations[i][0]);
        assert_outcome(fixture, fetch(fixture, "/a"), APP_FETCH_FAILED, text);
    }
}

static void an_unknown_name_is_told(void **state)
{
    struct fixture *fixture = *state;
    assert_outcome(fixture, fetch_url(fixture, "http://no-such-name.test/a"), APP_FETCH_FAILED,
                   "the picture could not be fetched: the name no-such-name.test is unknown");
    char name[241];
    char url[300];
    char text[300];
    memset(name, 'x', 240);
    name[240] = '\0';
    (void)snprintf(url, sizeof(url), "http://%s/", name);
    (void)snprintf(text, sizeof(text),
                   "the picture could not be fetched: the name %.100s is unknown", name);
    assert_outcome(fixture, fetch_url(fixture, url), APP_FETCH_FAILED, text);
}

static void a_url_that_curl_does_not_understand_is_told(void **state)
{
    struct fixture *fixture = *state;
    static const char *const urls[] = {"",
                                       "http://",
                                       "http://h:99999/",
                                       "http://[::1/",
                                       "http://a<b/",
                                       "ftp://public.test/",
                                       "file:///etc/passwd",
                                       "public.test",
                                       "http://u@public.test/"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        enum app_err err = fetch_url(fixture, urls[i]);
        if (err != APP_FETCH_FAILED)
            print_error("%s: %s\n", urls[i], fixture->why.text);
        assert_int_equal(err, APP_FETCH_FAILED);
        assert_memory_equal(fixture->why.text, "the picture could not be fetched: ", 34);
    }
}

static void a_server_that_cannot_be_reached_or_breaks_off_has_failed(void **state)
{
    struct fixture *fixture = *state;
    const struct origin_options closing = {.close = true};
    say(fixture, "/a", "", &closing);
    assert_outcome(fixture, fetch(fixture, "/a"), APP_ORIGIN_FAILED,
                   "the picture's server did not answer");
    say(fixture, "/a", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", &closing);
    assert_outcome(fixture, fetch(fixture, "/a"), APP_ORIGIN_FAILED,
                   "the picture's server broke off");
    say(fixture, "/a", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", &closing);
    assert_outcome(fixture, fetch(fixture, "/a"), APP_ORIGIN_FAILED,
                   "the picture's server broke off");
    say(fixture, "/a", "<html>", &closing);
    assert_outcome(fixture, fetch(fixture, "/a"), APP_ORIGIN_FAILED,
                   "the picture's server does not speak HTTP");
    say(fixture, "/a", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", &closing);
    assert_int_equal(fetch(fixture, "/a"), APP_ORIGIN_FAILED);
    say(fixture, "/a", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        &(struct origin_options){.reset = true});
    assert_outcome(fixture, fetch(fixture, "/a"), APP_ORIGIN_FAILED,
                   "the picture's server broke off");
}

static void a_server_without_tls_is_not_asked_in_the_clear(void **state)
{
    struct fixture *fixture = *state;
    char url[100];
    (void)snprintf(url, sizeof(url), "https://public.test:%d/", origin_port(fixture->origin));
    fixture->fetch.deadline_ns = deadline_in_ms(300);
    assert_outcome(fixture, fetch_url(fixture, url), APP_ORIGIN_TIMEOUT,
                   "the picture's server took too long");
    assert_int_equal(origin_requests(fixture->origin, NULL), 0);
}

/* openssl's server with a certificate that nobody signed; ends after one connection or 30 s. */
static pid_t start_tls_server(int *port)
{
    static char script[] =
        "dir=$(mktemp -d) && trap 'rm -r $dir' EXIT && cd $dir && "
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 "
        "-subj /CN=public.test -addext subjectAltName=DNS:public.test -keyout k -out c 2>/dev/null "
        "&& timeout 30 openssl s_server -accept 127.0.0.1:0 -naccept 1 -www -key k -cert c 2>&1";
    char *const arguments[] = {(char[]){"sh"}, (char[]){"-c"}, script, NULL};
    int pipe_ends[2];
    pid_t pid = -1;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO), 0);
    assert_int_equal(posix_spawn(&pid, "/bin/sh", &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_ends[1]);

    FILE *output = fdopen(pipe_ends[0], "r");
    assert_non_null(output);
    char line[200];
    *port = 0;
    while (*port == 0 && fgets(line, sizeof(line), output))
        (void)sscanf(line, "ACCEPT 127.0.0.1:%d", port);
    fclose(output);
    return pid;
}

static void a_certificate_that_nobody_signed_is_refused(void **state)
{
    struct fixture *fixture = *state;
    if (access("/usr/bin/openssl", X_OK) != 0)
        skip();
    int port;
    pid_t pid = start_tls_server(&port);
    char url[100];
    (void)snprintf(url, sizeof(url), "https://public.test:%d/", port);
    enum app_err err = fetch_url(fixture, url);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_not_equal(port, 0);
    assert_outcome(fixture, err, APP_ORIGIN_FAILED,
                   "the certificate of the picture's server is not valid");
}

static void a_picture_of_the_most_bytes_is_taken_and_one_more_is_not(void **state)
{
    struct fixture *fixture = *state;
    static const char body[] = "1234567890";
    origin_answer(fixture->origin, "/length", "200 OK", "", body);
    say(fixture, "/close", "HTTP/1.1 200 OK\r\n\r\n1234567890",
        &(struct origin_options){.close = true});
    say(fixture, "/chunks",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
        "chunked\r\n\r\n5\r\n12345\r\n5\r\n67890\r\n0\r\n\r\n",
        NULL);
    static const char *const targets[] = {"/length", "/close", "/chunks"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        fixture->fetch.max_bytes = 10;
        assert_int_equal(fetch(fixture, targets[i]), APP_OK);
        assert_string_equal(fixture->body.data, body);
        fixture->fetch.max_bytes = 11;
        assert_int_equal(fetch(fixture, targets[i]), APP_OK);
        fixture->fetch.max_bytes = 9;
        assert_outcome(fixture, fetch(fixture, targets[i]), APP_TOO_LARGE,
                       "the picture has more than 9 bytes");
    }
}

static void a_length_that_is_too_large_is_refused_before_the_picture_comes(void **state)
{
    struct fixture *fixture = *state;
    /* No byte of the body ever comes: waiting for one would be a timeout. */
    say(fixture, "/a", "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", NULL);
    assert_outcome(fixture, fetch(fixture, "/a"), APP_TOO_LARGE,
                   "the picture has more than 1000 bytes");
}

static void a_picture_without_end_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    say(fixture, "/a", "HTTP/1.1 200 OK\r\n\r\n", &(struct origin_options){.endless = true});
    assert_outcome(fixture, fetch(fixture, "/a"), APP_TOO_LARGE,
                   "the picture has more than 1000 bytes");
}

static void a_buffer_smaller_than_the_limit_is_not_overrun(void **state)
{
    struct fixture *fixture = *state;
    buf_release(&fixture->body);
    buf_init(&fixture->body, 4);
    origin_answer(fixture->origin, "/a", "200 OK", "", "12345");
    assert_int_equal(fetch(fixture, "/a"), APP_TOO_LARGE);
}

static void a_length_that_lies_does_not_matter(void **state)
{
    struct fixture *fixture = *state;
    say(fixture, "/a", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n12345678", NULL);
    assert_int_equal(fetch(fixture, "/a"), APP_OK);
    assert_string_equal(fixture->body.data, "1234");
    origin_answer(fixture->origin, "/b", "200 OK", "", "next");
    assert_int_equal(fetch(fixture, "/b"), APP_OK);
    assert_string_equal(fixture->body.data, "next");
}

static char *long_answer(size_t header_bytes)
{
    static const char start[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n";
    static const char line[] =
        "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    char *answer = malloc(header_bytes + sizeof(start) + 2 * sizeof(line) + 10);
    assert_non_null(answer);
    char *at = stpcpy(answer, start);
    while ((size_t)(at - answer) < header_bytes)
        at = stpcpy(at, line);
    (void)stpcpy(at, "\r\nok");
    return answer;
}

static void headers_beyond_the_ceiling_are_refused(void **state)
{
    struct fixture *fixture = *state;
    char *fits = long_answer(LIMIT_FETCH_HEADERS - 200);
    char *too_long = long_answer(LIMIT_FETCH_HEADERS + 1);
    say(fixture, "/fits", fits, NULL);
    say(fixture, "/too-long", too_long, NULL);
    free(fits);
    free(too_long);
    assert_int_equal(fetch(fixture, "/fits"), APP_OK);
    assert_string_equal(fixture->body.data, "ok");
    assert_outcome(fixture, fetch(fixture, "/too-long"), APP_ORIGIN_FAILED,
                   "the picture's server answered with too many headers");
    say(fixture, "/endless",
        "HTTP/1.1 200 OK\r\nX-Long: ", &(struct origin_options){.endless = true});
    assert_int_equal(fetch(fixture, "/endless"), APP_ORIGIN_FAILED);
}

static void a_server_that_takes_too_long_is_a_timeout(void **state)
{
    struct fixture *fixture = *state;
    static const char text[] = "the picture's server took too long";
    say(fixture, "/late", "HTTP/1.1 200 OK\r\n\r\n", &(struct origin_options){.delay_ms = 60000});
    say(fixture, "/drip", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabcdefghijklmnopqrstuvwxyz",
        &(struct origin_options){.drip_bytes = 1, .drip_ms = 20});
    static const char *const targets[] = {"/late", "/drip"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        int64_t start_ns = clock_now_ns();
        fixture->fetch.deadline_ns = deadline_in_ms(200);
        assert_outcome(fixture, fetch(fixture, targets[i]), APP_ORIGIN_TIMEOUT, text);
        int64_t took_ns = clock_now_ns() - start_ns;
        assert_true(took_ns >= 100 * NS_PER_MS && took_ns < 10 * NS_PER_S);
    }
    fixture->fetch.deadline_ns = clock_now_ns();
    unsigned before = origin_requests(fixture->origin, NULL);
    assert_outcome(fixture, fetch(fixture, "/late"), APP_ORIGIN_TIMEOUT, text);
    assert_int_equal(origin_requests(fixture->origin, NULL), before);
}

static void all_redirects_together_have_one_deadline(void **state)
{
    struct fixture *fixture = *state;
    say(fixture, "/loop", "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n",
        &(struct origin_options){.delay_ms = 100});
    fixture->fetch.deadline_ns = deadline_in_ms(250);
    assert_outcome(fixture, fetch(fixture, "/loop"), APP_ORIGIN_TIMEOUT,
                   "the picture's server took too long");
    assert_in_range(origin_requests(fixture->origin, "/loop"), 1, 3);
}

static void a_slow_lookup_does_not_hold_the_deadline_up(void **state)
{
    struct fixture *fixture = *state;
    int64_t start_ns = clock_now_ns();
    fixture->fetch.deadline_ns = deadline_in_ms(200);
    assert_outcome(fixture, fetch_from(fixture, "slow.test", "/"), APP_ORIGIN_TIMEOUT,
                   "the picture's server took too long");
    http_client_free(&fixture->client);
    /* The lookup takes two seconds and is still under way: nobody waited for it. */
    assert_int_equal(lookups_running, 1);
    assert_true(clock_now_ns() - start_ns < 1800 * NS_PER_MS);
    /* Until it ends, so that the leak checker sees that it cleans up. */
    while (lookups_running > 0)
        usleep(10000);
    usleep(100000);
}

static void a_fetch_without_interest_in_the_reason_works(void **state)
{
    struct fixture *fixture = *state;
    fixture->fetch.url = "http://private.test/";
    assert_int_equal(http_client_fetch(fixture->client, &fixture->fetch, &fixture->body, NULL),
                     APP_FORBIDDEN_ADDRESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FETCH_TEST(a_picture_is_fetched),
        FETCH_TEST(what_the_buffer_held_before_is_gone),
        FETCH_TEST(an_empty_answer_is_an_answer),
        FETCH_TEST(a_body_that_was_coded_unasked_is_decoded_within_the_limit),
        FETCH_TEST(a_coding_that_is_broken_or_unknown_is_the_servers_fault),
        FETCH_TEST(path_and_query_go_out_as_they_were_normalised),
        FETCH_TEST(an_international_name_is_looked_up_in_its_ascii_form),
        FETCH_TEST(a_status_that_is_no_success_is_told),
        FETCH_TEST(the_status_counts_whatever_its_body_does),
        FETCH_TEST(a_length_that_is_told_in_two_ways_is_a_broken_server),
        FETCH_TEST(redirects_of_every_kind_are_followed_by_get),
        FETCH_TEST(a_location_is_relative_to_the_url_that_gave_it),
        FETCH_TEST(the_most_redirects_are_followed_and_one_more_is_not),
        FETCH_TEST(a_redirect_out_of_the_web_is_refused),
        FETCH_TEST(an_unknown_name_is_told),
        FETCH_TEST(a_url_that_curl_does_not_understand_is_told),
        FETCH_TEST(a_server_that_cannot_be_reached_or_breaks_off_has_failed),
        FETCH_TEST(a_server_without_tls_is_not_asked_in_the_clear),
        FETCH_TEST(a_certificate_that_nobody_signed_is_refused),
        FETCH_TEST(a_picture_of_the_most_bytes_is_taken_and_one_more_is_not),
        FETCH_TEST(a_length_that_is_too_large_is_refused_before_the_picture_comes),
        FETCH_TEST(a_picture_without_end_is_cut_off),
        FETCH_TEST(a_buffer_smaller_than_the_limit_is_not_overrun),
        FETCH_TEST(a_length_that_lies_does_not_matter),
        FETCH_TEST(headers_beyond_the_ceiling_are_refused),
        FETCH_TEST(a_server_that_takes_too_long_is_a_timeout),
        FETCH_TEST(all_redirects_together_have_one_deadline),
        FETCH_TEST(a_slow_lookup_does_not_hold_the_deadline_up),
        FETCH_TEST(a_fetch_without_interest_in_the_reason_works),
    };
    return cmocka_run_group_tests(tests, global_init, global_release);
}

/* SPDX-License-Identifier: MIT */
#include "api/auth/admin_guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "api/auth/guess_limit.h"
#include "support/cmocka.h"
#include "support/loopback.h"

#define TOKEN   "correct-horse-battery"
#define BEARER  "HTTP_AUTHORIZATION=Bearer " TOKEN
#define REQUEST "REQUEST_METHOD=GET", "REQUEST_URI=/debug/pprof/profile", "REMOTE_ADDR=192.0.2.7"

enum { LOG_SIZE = 4096 };

/* One request to a guard, and what it logged. */
struct visit {
    enum app_err err;
    struct err_buf why;
    char challenge[128]; /* WWW-Authenticate; "" when there is none */
    char retry[16];      /* Retry-After; the same */
    char log[LOG_SIZE];
};

static void read_log(int fd, struct visit *visit)
{
    ssize_t len = pread(fd, visit->log, sizeof(visit->log) - 1, 0);
    assert_true(len >= 0);
    visit->log[len] = '\0';
    close(fd);
}

/* What is asked of a guard. */
enum question { TOKEN_OF, SITE_OF, HOST_OF };
static enum question asked = TOKEN_OF;

static enum app_err ask(const struct admin_guard *guard, struct loopback *loopback,
                        struct err_buf *why)
{
    if (asked == HOST_OF)
        return admin_guard_check_host(guard, &loopback->request, why);
    if (asked == SITE_OF)
        return admin_guard_check_site(guard, &loopback->request, why);
    return admin_guard_check(guard, &loopback->request, &loopback->response, why);
}

/* The response is ended as the handler would, for its headers to be seen. */
static void visit(struct admin_guard *guard, const char *const *environment, struct visit *visit)
{
    struct loopback loopback;
    *visit = (struct visit){.why = {.text = ""}};
    loopback_init(&loopback, environment, NULL, 0);
    assert_int_equal(loopback.init_err, APP_OK);
    loopback.sink.fd = memfd_create("log", MFD_CLOEXEC);
    loopback.sink.level = LOG_TRACE;
    visit->err = ask(guard, &loopback, &visit->why);
    if (visit->err) {
        (void)response_error(&loopback.response, visit->err, visit->why.text);
        const char *challenge = loopback_header(&loopback, "WWW-Authenticate");
        (void)snprintf(visit->challenge, sizeof(visit->challenge), "%s",
                       challenge ? challenge : "");
        const char *retry = loopback_header(&loopback, "Retry-After");
        (void)snprintf(visit->retry, sizeof(visit->retry), "%s", retry ? retry : "");
        assert_int_equal(loopback.response.status, app_err_status(visit->err));
    }
    read_log(loopback.sink.fd, visit);
    loopback_release(&loopback);
    assert_null(strstr(visit->log, TOKEN));
}

/* A guard that nobody has guessed at yet. */
static struct admin_guard guard_of(const char *token)
{
    static struct guess_limit *guesses;
    guess_limit_free(&guesses);
    assert_int_equal(guess_limit_new("/proc/self/nothing", &guesses), APP_OK);
    return (struct admin_guard){.token = token, .hosts = "", .guesses = guesses};
}

static enum app_err answer_to(struct admin_guard *guard, const char *header)
{
    struct visit seen;
    visit(guard, (const char *const[]){REQUEST, header, NULL}, &seen);
    return seen.err;
}

/* A Basic header of "user:password". */
static void basic(const char *pair, char header[256])
{
    unsigned char encoded[200];
    assert_true(strlen(pair) < 140);
    EVP_EncodeBlock(encoded, (const unsigned char *)pair, (int)strlen(pair));
    (void)snprintf(header, 256, "HTTP_AUTHORIZATION=Basic %s", (const char *)encoded);
}

static enum app_err answer_to_basic(struct admin_guard *guard, const char *pair)
{
    char header[256];
    basic(pair, header);
    return answer_to(guard, header);
}

/* --- Who passes ------------------------------------------------------------------ */

static void the_token_passes_as_a_bearers(void **state)
{
    (void)state;
    struct admin_guard guard = guard_of(TOKEN);
    assert_int_equal(answer_to(&guard, BEARER), APP_OK);
    assert_int_equal(answer_to(&guard, "HTTP_AUTHORIZATION=bearer " TOKEN), APP_OK);
}

static void the_token_passes_as_the_password_of_any_user(void **state)
{
    (void)state;
    struct admin_guard guard = guard_of(TOKEN);
    /* Three lengths: base64 ends in none, one and two '='. */
    assert_int_equal(answer_to_basic(&guard, "any:" TOKEN), APP_OK);
    assert_int_equal(answer_to_basic(&guard, "user:" TOKEN), APP_OK);
    assert_int_equal(answer_to_basic(&guard, "person:" TOKEN), APP_OK);
    assert_int_equal(answer_to_basic(&guard, ":" TOKEN), APP_OK);
}

static void a_token_with_a_colon_passes_as_a_password(void **state)
{
    (void)state;
    struct admin_guard guard = guard_of("correct:horse:battery");
    assert_int_equal(answer_to_basic(&guard, "any:correct:horse:battery"), APP_OK);
}

static void who_passes_is_not_logged(void **state)
{
    (void)state;
    struct admin_guard guard = guard_of(TOKEN);
    struct visit seen;
    visit(&guard, (const char *const[]){REQUEST, BEARER, NULL}, &seen);
    assert_int_equal(seen.err, APP_OK);
    assert_string_equal(seen.log, "");
}

/* --- Who does not ---------------------------------------------------------------- */

static void without_a_token_a_request_is_asked_for_one_at_once(void **state)
{
    (void)state;
    struct admin_guard guard = guard_of(TOKEN);
    struct visit seen;
    visit(&guard, (const char *const[]){REQUEST, NULL}, &seen);
    assert_int_equal(seen.err, APP_UNAUTHORIZED);
    assert_string_equal(seen.why.text, "the admin token is needed");
    assert_string_equal(seen.challenge, "Basic realm=\"emojify-api admin\", charset=\"UTF-8\"");
    assert_string_equal(seen.log, ""); /* as any browser's first request */
}

static void a_wrong_token_is_refused_and_logged(void **state)
{
    (void)state;
    struct admin_guard guard = guard_of(TOKEN);
    struct visit seen;
    visit(&guard,
          (const char *const[]){REQUEST, "HTTP_AUTHORIZATION=Bearer not-the-right-one", NULL},
          &seen);
    assert_int_equal(seen.err, APP_UNAUTHORIZED);
    assert_string_not_equal(seen.challenge, "");
    assert_non_null(strstr(seen.log, "wrong token"));
    assert_non_null(strstr(seen.log, "192.0.2.7"));
    assert_null(strstr(seen.log, "not-the-right-one"));
}

static void what_resembles_the_token_is_refused(void **state)
{
    (void)state;
    struct admin_guard guard = guard_of(TOKEN);
    static const char *const headers[] = {
        "HTTP_AUTHORIZATION=Bearer " TOKEN "x",
        "HTTP_AUTHORIZATION=Bearer correct-horse-batter",
        "HTTP_AUTHORIZATION=Bearer  " TOKEN,
        "HTTP_AUTHORIZATION=Bearer CORRECT-HORSE-BATTERY",
        "HTTP_AUTHORIZATION=Bearer ",
        "HTTP_AUTHORIZATION=Bearer",
        "HTTP_AUTHORIZATION=" TOKEN,
        "HTTP_AUTHORIZATION=Digest " TOKEN,
        "HTTP_AUTHORIZATION=Basic " TOKEN,
        "HTTP_AUTHORIZATION=Basic ",
        "HTTP_AUTHORIZATION=Basic YW55",
        "HTTP_AUTHORIZATION=Basic ====",
        "HTTP_AUTHORIZATION=Basic !!!!YW55OmE=",
        "HTTP_AUTHORIZATION=",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        if (answer_to(&guard, headers[i]) != APP_UNAUTHORIZED)
            fail_msg("%s is not refused", headers[i]);
    assert_int_equal(answer_to_basic(&guard, TOKEN), APP_UNAUTHORIZED);     /* no colon */
    assert_int_equal(answer_to_basic(&guard, TOKEN ":"), APP_UNAUTHORIZED); /* as the user */
    assert_int_equal(answer_to_basic(&guard, "any:" TOKEN "x"), APP_UNAUTHORIZED);
}

static void a_basic_header_of_any_length_is_no_danger(void **state)
{
    (void)state;
    struct admin_guard guard = guard_of(TOKEN);
    static const size_t lengths[] = {1, 2, 3, 4, 1020, 1023, 1024, 1025, 1028, 6000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char header[8192] = "HTTP_AUTHORIZATION=Basic ";
        size_t prefix = strlen(header);
        memset(header + prefix, 'A', lengths[i]);
        header[prefix + lengths[i]] = '\0';
        assert_int_equal(answer_to(&guard, header), APP_UNAUTHORIZED);
    }
}

static void where_no_token_is_set_nothing_passes(void **state)
{
    (void)state;
    struct admin_guard guard = guard_of("");
    assert_int_equal(answer_to(&guard, "HTTP_AUTHORIZATION=Bearer "), APP_UNAUTHORIZED);
    assert_int_equal(answer_to(&guard, BEARER), APP_UNAUTHORIZED);
    assert_int_equal(answer_to_basic(&guard, "any:"), APP_UNAUTHORIZED);
    assert_int_equal(answer_to(&guard, NULL), APP_UNAUTHORIZED);
}

static void after_twenty_wrong_tokens_none_of_that_address_is_looked_at(void **state)
{
    (void)state;
    struct admin_guard guard = guard_of(TOKEN);
    struct visit seen;
    for (int i = 0; i < GUESSES_MAX; i++)
        assert_int_equal(answer_to(&guard, "HTTP_AUTHORIZATION=Bearer wrong"), APP_UNAUTHORIZED);
    visit(&guard, (const char *const[]){REQUEST, "HTTP_AUTHORIZATION=Bearer wrong", NULL}, &seen);
    assert_int_equal(seen.err, APP_BUSY);
    assert_in_range(atoi(seen.retry), 50, 60);
    assert_string_equal(seen.why.text, "too many wrong tokens came from this address");
    assert_string_equal(seen.log, ""); /* a guesser does not fill the log either */
    assert_int_equal(answer_to(&guard, BEARER), APP_BUSY);
    assert_int_equal(answer_to(&guard, NULL), APP_UNAUTHORIZED);
    visit(&guard,
          (const char *const[]){"REQUEST_METHOD=GET", "REQUEST_URI=/debug/",
                                "REMOTE_ADDR=192.0.2.8", BEARER, NULL},
          &seen);
    assert_int_equal(seen.err, APP_OK); /* an admin who is elsewhere */
}

/* --- Other sites' pages ----------------------------------------------------------- */

static void assert_cross_site(struct admin_guard *guard, const char *header, const char *host)
{
    struct visit seen;
    visit(guard, (const char *const[]){REQUEST, BEARER, header, host, NULL}, &seen);
    if (seen.err != APP_FORBIDDEN)
        fail_msg("%s passes: %d", header, (int)seen.err);
    assert_string_equal(seen.challenge, "");
    assert_non_null(strstr(seen.log, "another site's page"));
}

static void assert_own_site(struct admin_guard *guard, const char *header, const char *host)
{
    struct visit seen;
    visit(guard, (const char *const[]){REQUEST, BEARER, header, host, NULL}, &seen);
    if (seen.err)
        fail_msg("%s does not pass: %s", header, seen.why.text);
}

#define HOST "HTTP_HOST=emojify.example:8080"

static void another_sites_page_gets_nothing_even_with_the_token(void **state)
{
    (void)state;
    struct admin_guard guard = guard_of(TOKEN);
    assert_cross_site(&guard, "HTTP_SEC_FETCH_SITE=cross-site", HOST);
    assert_cross_site(&guard, "HTTP_SEC_FETCH_SITE=same-site", HOST);
    assert_cross_site(&guard, "HTTP_SEC_FETCH_SITE=", HOST);
    assert_cross_site(&guard, "HTTP_ORIGIN=http://evil.example", HOST);
    assert_cross_site(&guard, "HTTP_ORIGIN=http://emojify.example", HOST);
    assert_cross_site(&guard, "HTTP_ORIGIN=http://emojify.example:8081", HOST);
    assert_cross_site(&guard, "HTTP_ORIGIN=http://emojify.example:8080.evil.example", HOST);
    assert_cross_site(&guard, "HTTP_ORIGIN=null", HOST);
    assert_cross_site(&guard, "HTTP_ORIGIN=http://emojify.example:8080", NULL);
}

static void our_own_pages_and_what_is_no_page_pass(void **state)
{
    (void)state;
    struct admin_guard guard = guard_of(TOKEN);
    assert_own_site(&guard, "HTTP_SEC_FETCH_SITE=same-origin", HOST);
    assert_own_site(&guard, "HTTP_SEC_FETCH_SITE=none", HOST);
    assert_own_site(&guard, "HTTP_ORIGIN=http://emojify.example:8080", HOST);
    assert_own_site(&guard, "HTTP_ORIGIN=https://Emojify.Example:8080", HOST);
    assert_own_site(&guard, HOST, NULL);
}

static void where_the_web_server_guards_other_sites_and_other_names_are_refused(void **state)
{
    (void)state;
    struct admin_guard guard = guard_of(TOKEN);
    guard.hosts = "emojify.example";
    asked = SITE_OF;
    assert_int_equal(answer_to(&guard, NULL), APP_OK);
    assert_int_equal(answer_to(&guard, "HTTP_AUTHORIZATION=Bearer wrong"), APP_OK);
    assert_int_equal(answer_to(&guard, HOST), APP_OK);
    assert_int_equal(answer_to(&guard, "HTTP_HOST=evil.example"), APP_FORBIDDEN);
    assert_cross_site(&guard, "HTTP_SEC_FETCH_SITE=cross-site", HOST);
    assert_cross_site(&guard, "HTTP_ORIGIN=http://evil.example", HOST);
    asked = TOKEN_OF;
}

/* A page whose own name was made to lead here sends that name as the Host. */
static void names_that_are_not_ours_are_refused(void **state)
{
    (void)state;
    static const char *const known[] = {
        "localhost",  "LOCALHOST:8080",    "127.0.0.1",        "10.1.2.3:80",
        "[::1]",      "[2001:db8::1]:443", "emojify.example",  "Emojify.Example:1",
        "localhost.", "a.internal",        "emojify.example.",
    };
    static const char *const others[] = {
        "evil.example",
        "evil.example:80",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        ":80",
        "[]",
        "internal",
        "1.2.3",
        "0x7f.1",
        "emojify.example.evil",
        "[localhost]",
        "[127.0.0.1]",
        "xlocalhost",
    };
    struct admin_guard guard = guard_of("");
    guard.hosts = "emojify.example, *.internal";
    asked = HOST_OF;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) + sizeof(others) / sizeof(others[0]);
         i++) {
        bool is_known = i < sizeof(known) / sizeof(known[0]);
        char header[64];
        struct visit seen;
        (void)snprintf(header, sizeof(header), "HTTP_HOST=%s",
                       is_known ? known[i] : others[i - sizeof(known) / sizeof(known[0])]);
        visit(&guard, (const char *const[]){REQUEST, header, NULL}, &seen);
        if (seen.err != (is_known ? APP_OK : APP_FORBIDDEN))
            fail_msg("%s: %d", header, (int)seen.err);
        if (!is_known)
            assert_non_null(strstr(seen.log, "ADMIN_HOSTS"));
    }
    assert_int_equal(answer_to(&guard, NULL), APP_OK); /* HTTP/1.0 */
    asked = TOKEN_OF;
}

/* --- Comparing -------------------------------------------------------------------- */

static void bytes_are_equal_when_all_and_their_number_are(void **state)
{
    (void)state;
    assert_true(admin_guard_equal("", 0, "", 0));
    assert_true(admin_guard_equal("a\0b", 3, "a\0b", 3));
    assert_false(admin_guard_equal("a\0b", 3, "a\0c", 3));
    assert_false(admin_guard_equal("a", 1, "a\0", 2));
    assert_false(admin_guard_equal("abc", 3, "abd", 3));
    assert_false(admin_guard_equal("abc", 3, "", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_token_passes_as_a_bearers),
        cmocka_unit_test(the_token_passes_as_the_password_of_any_user),
        cmocka_unit_test(a_token_with_a_colon_passes_as_a_password),
        cmocka_unit_test(who_passes_is_not_logged),
        cmocka_unit_test(without_a_token_a_request_is_asked_for_one_at_once),
        cmocka_unit_test(a_wrong_token_is_refused_and_logged),
        cmocka_unit_test(what_resembles_the_token_is_refused),
        cmocka_unit_test(a_basic_header_of_any_length_is_no_danger),
        cmocka_unit_test(where_no_token_is_set_nothing_passes),
        cmocka_unit_test(after_twenty_wrong_tokens_none_of_that_address_is_looked_at),
        cmocka_unit_test(another_sites_page_gets_nothing_even_with_the_token),
        cmocka_unit_test(our_own_pages_and_what_is_no_page_pass),
        cmocka_unit_test(where_the_web_server_guards_other_sites_and_other_names_are_refused),
        cmocka_unit_test(names_that_are_not_ours_are_refused),
        cmocka_unit_test(bytes_are_equal_when_all_and_their_number_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

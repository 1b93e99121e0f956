/* SPDX-License-Identifier: MIT */
/* A program that has nothing but the public header, and no server. */
#include "profiling/pprof.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/pprof_asker.h"
#include "support/temp_dir.h"

enum { LOG_MAX = 16 * 1024 };

static struct log_sink sink = {.fd = -1, .level = LOG_INFO};
static const struct log own_log = {.sink = &sink, .module = "test"};

struct fixture {
    struct temp_dir dir;
    char run_dir[PATH_MAX];
    struct pprof *pprof;
    struct pprof_asker asker;
};

static int start(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct err_buf why = {.text = ""};
    assert_non_null(fixture);
    temp_dir_init(&fixture->dir);
    temp_dir_path(&fixture->dir, "run", fixture->run_dir);
    sink.fd = memfd_create("log", MFD_CLOEXEC);
    const struct pprof_options options = {
        .run_dir = fixture->run_dir,
        .words = {.program = "a-program",
                  .version = "7.8",
                  .waits = "the moon",
                  .heap_setting = "HEAP_SETTING"},
        .hz = 100,
        .max_seconds = 5,
        .log = &own_log,
    };
    if (pprof_start(&options, &fixture->pprof, &why))
        fail_msg("pprof_start: %s %s", why.text, why.detail);
    fixture->asker = (struct pprof_asker){.pprof = fixture->pprof, .log = &own_log};
    *state = fixture;
    return 0;
}

static int stop(void **state)
{
    struct fixture *fixture = *state;
    pprof_asker_release(&fixture->asker);
    pprof_stop(&fixture->pprof);
    assert_null(fixture->pprof);
    pprof_stop(&fixture->pprof);
    temp_dir_release(&fixture->dir);
    close(sink.fd);
    free(fixture);
    return 0;
}

static void assert_has(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("no %s in %s", part, text ? text : "nothing");
}

static void assert_not_in(const char *text, const char *part)
{
    if (text && strstr(text, part))
        fail_msg("%s is in %s", part, text);
}

/* An error that the caller has to answer. */
static void assert_error(struct pprof_asker *asker, const char *method, const char *uri,
                         enum app_err expected, const char *text)
{
    enum app_err err = pprof_ask(asker, method, uri, NULL);
    if (err != expected || asker->status != 0 || strcmp(asker->why.text, text) != 0)
        fail_msg("%s %s: %s, %d, \"%s\"", method, uri, app_strerror(err), asker->status,
                 asker->why.text);
}

static void assert_logged(const char *part)
{
    char text[LOG_MAX + 1];
    ssize_t len = pread(sink.fd, text, LOG_MAX, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    assert_has(text, part);
}

/* --- Paths ------------------------------------------------------------------------------ */

static void the_index_lists_what_there_is_in_the_programs_words(void **state)
{
    struct fixture *fixture = *state;
    static const char *const parts[] = {
        "<a href=\"flamegraph?seconds=5\">flame graph</a></td><td>CPU of",
        "<a href=\"flamegraph?profile=block\">block</a></td><td>time spent waiting for the "
        "moon</td>",
        "<td>live memory (needs HEAP_SETTING)</td>",
        "<a href=\"goroutine?debug=2\">",
        "<a href=\"saved\">",
        "<h2>1 processes</h2>",
    };
    const char *page = pprof_ask_text(&fixture->asker, "/debug/pprof/");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        assert_has(page, parts[i]);
    assert_not_in(page, "href=\"past");
    assert_not_in(page, "href=\"trace");
    assert_string_equal(fixture->asker.content_type, "text/html; charset=utf-8");
    assert_has(fixture->asker.headers.data, "Content-Security-Policy: default-src 'none'");
}

static void the_path_without_a_slash_leads_to_the_index(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(pprof_ask(&fixture->asker, "GET", "/debug/pprof", NULL), APP_OK);
    assert_int_equal(fixture->asker.status, 301);
    assert_string_equal(fixture->asker.headers.data, "Location: /debug/pprof/\n");
    assert_string_equal(fixture->asker.body.data, "see /debug/pprof/\n");
}

static void what_there_is_not_is_not_found(void **state)
{
    struct pprof_asker *asker = &((struct fixture *)*state)->asker;
    static const char *const others[] = {"/",
                                         "/debug/",
                                         "/debug/pprofx",
                                         "/debug/pprof/a/b",
                                         "/debug/pprof/saved/",
                                         "/debug/pprof/saved/a/b",
                                         "/pprof",
                                         "/pprof/",
                                         "/pprof/a/b"};
    static const char *const unknown[] = {"/debug/pprof/no-such", "/debug/pprof/past",
                                          "/debug/pprof/threads"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_error(asker, "GET", others[i], APP_NOT_FOUND, "");
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_error(asker, "GET", unknown[i], APP_NOT_FOUND, "Unknown profile");
    assert_error(asker, "GET", "/debug/pprof/flamegraph?profile=no-such", APP_NOT_FOUND,
                 "Unknown profile");
    assert_error(asker, "GET", "/debug/pprof/trace", APP_NOT_IMPLEMENTED,
                 "there are no execution traces of a C program; take a profile");
}

static void only_what_changes_something_takes_a_post_and_nothing_a_put(void **state)
{
    struct pprof_asker *asker = &((struct fixture *)*state)->asker;
    static const char *const read_only[] = {
        "/debug/pprof",         "/debug/pprof/",           "/debug/pprof/heap",
        "/debug/pprof/cmdline", "/debug/pprof/flamegraph", "/debug/pprof/saved/x"};
    for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
        assert_error(asker, "POST", read_only[i], APP_METHOD_NOT_ALLOWED, "");
        assert_has(asker->headers.data, "Allow: GET, HEAD\n");
    }
    assert_error(asker, "PUT", "/debug/pprof/sampling", APP_METHOD_NOT_ALLOWED, "");
    assert_has(asker->headers.data, "Allow: GET, HEAD, POST\n");
    assert_int_equal(pprof_ask(asker, "HEAD", "/debug/pprof/sampling", NULL), APP_OK);
    assert_int_equal(asker->status, 200);
}

/* --- Profiles ---------------------------------------------------------------------------- */

static void a_profile_is_a_file_or_a_text(void **state)
{
    struct pprof_asker *asker = &((struct fixture *)*state)->asker;
    const char *text = pprof_ask_text(asker, "/debug/pprof/goroutine");
    assert_memory_equal(text, "\x1f\x8b", 2); /* gzip */
    assert_string_equal(asker->content_type, "application/octet-stream");
    assert_has(asker->headers.data, "Cache-Control: no-store\n");
    assert_has(asker->headers.data, "X-Go-Pprof: 1\n");
    assert_has(asker->headers.data, "X-Profile-Processes: 1/1\n");
    assert_has(asker->headers.data, "Content-Disposition: attachment; filename=\"goroutine\"\n");
    assert_logged("Profile asked for: path=/debug/pprof/goroutine");

    assert_has(pprof_ask_text(asker, "/debug/pprof/goroutine?debug=1"), "control_thread");
    assert_string_equal(asker->content_type, "text/plain; charset=utf-8");
    assert_not_in(asker->body.data, "thread=");
    assert_has(pprof_ask_text(asker, "/debug/pprof/goroutine?debug=2"), "thread=");
    assert_has(pprof_ask_text(asker, "/debug/pprof/mutex?debug=1"), "Showing 0 of 0 functions");
    assert_has(pprof_ask_text(asker, "/debug/pprof/profile?seconds=0.1&debug=1"), "Type: cpu");
    assert_has(pprof_ask_text(asker, "/debug/pprof/flamegraph?profile=threads"),
               "goroutine of a-program");
    assert_has(pprof_ask_text(asker, "/debug/pprof/flamegraph?seconds=0.1"),
               "CPU profile of a-program");
}

static void what_grows_is_told_as_a_difference(void **state)
{
    struct pprof_asker *asker = &((struct fixture *)*state)->asker;
    int64_t before_ns = clock_now_ns();
    (void)pprof_ask_text(asker, "/debug/pprof/block?seconds=0.3");
    assert_true(clock_now_ns() - before_ns >= 300 * NS_PER_MS);
    assert_has(asker->headers.data, "filename=\"block-delta\"");
    assert_error(asker, "GET", "/debug/pprof/block?seconds=0", APP_BAD_REQUEST,
                 "invalid value for \"seconds\" - must be a positive integer");
    assert_error(asker, "GET", "/debug/pprof/block?seconds=1&debug=1", APP_BAD_REQUEST,
                 "seconds and debug params are incompatible");
}

static void nobody_may_ask_for_longer_than_the_program_allows(void **state)
{
    struct pprof_asker *asker = &((struct fixture *)*state)->asker;
    static const char *const paths[] = {"/debug/pprof/profile?seconds=5.1", "/debug/pprof/profile",
                                        "/debug/pprof/block?seconds=6",
                                        "/debug/pprof/flamegraph?seconds=6"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_error(asker, "GET", paths[i], APP_BAD_REQUEST,
                     "profile duration exceeds server's WriteTimeout");
}

static void the_past_needs_a_ring(void **state)
{
    struct pprof_asker *asker = &((struct fixture *)*state)->asker;
    assert_error(asker, "GET", "/debug/pprof/profile?seconds=1&ago=5", APP_NOT_FOUND,
                 "nothing of the past is kept: the ring is off");
    assert_error(asker, "GET", "/debug/pprof/flamegraph?ago=5", APP_NOT_FOUND,
                 "nothing of the past is kept: the ring is off");
}

static void only_cpu_time_is_compared_with_the_past(void **state)
{
    struct pprof_asker *asker = &((struct fixture *)*state)->asker;
    static const char *const others[] = {"block", "heap", "goroutine", "threads"};
    char uri[128];
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        (void)snprintf(uri, sizeof(uri), "/debug/pprof/flamegraph?profile=%s&base=2", others[i]);
        assert_error(asker, "GET", uri, APP_BAD_REQUEST, "base is for profiles of CPU time only");
    }
    assert_error(asker, "GET", "/debug/pprof/flamegraph?base=2", APP_NOT_FOUND,
                 "nothing of the past is kept: the ring is off");
}

static void a_profile_needs_a_place_in_the_pool(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 0};
    temp_dir_path(&fixture->dir, "run/profiles.places", path);
    (void)pprof_ask_text(&fixture->asker, "/debug/pprof/mutex");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
    assert_error(&fixture->asker, "GET", "/debug/pprof/mutex", APP_BUSY,
                 "4 profiles are being taken already");
    close(fd);
    (void)pprof_ask_text(&fixture->asker, "/debug/pprof/mutex");
}

/* --- gperftools' paths --------------------------------------------------------------------- */

static void google_pprof_gets_errors_as_words(void **state)
{
    struct pprof_asker *asker = &((struct fixture *)*state)->asker;
    assert_int_equal(pprof_ask(asker, "GET", "/pprof/allocs", NULL), APP_NOT_FOUND);
    assert_int_equal(asker->status, 404);
    assert_string_equal(asker->body.data, "%warn there is no profile of that name\n");
    assert_int_equal(pprof_ask(asker, "GET", "/pprof/profile?seconds=6", NULL), APP_BAD_REQUEST);
    assert_string_equal(asker->body.data, "%warn profile duration exceeds server's WriteTimeout\n");
    assert_not_in(asker->headers.data, "X-Go-Pprof");
    assert_int_equal(pprof_ask(asker, "GET", "/pprof/heap", NULL), APP_NOT_FOUND);
    assert_has(asker->body.data, "%warn the heap is not sampled: HEAP_SETTING is 0");
}

static void google_pprof_gets_its_own_formats(void **state)
{
    struct pprof_asker *asker = &((struct fixture *)*state)->asker;
    static const uint64_t header[] = {0, 3, 0};
    const char *bytes = pprof_ask_text(asker, "/pprof/profile?seconds=0.1");
    assert_memory_equal(bytes, header, sizeof(header));
    assert_string_equal(pprof_ask_text(asker, "/pprof/symbol"), "num_symbols: 1\n");
    assert_int_equal(pprof_ask(asker, "POST", "/pprof/symbol", "0x1"), APP_OK);
    assert_has(asker->body.data, "0x1 [unknown]");
    assert_int_equal(pprof_ask(asker, "POST", "/debug/pprof/symbol", "0x1"), APP_OK);
    assert_has(asker->body.data, "0x1 [unknown]");
    assert_has(pprof_ask_text(asker, "/pprof/cmdline"), "test_pprof");
}

static void nothing_is_sent_to_nobody(void **state)
{
    struct pprof_asker *asker = &((struct fixture *)*state)->asker;
    asker->send_err = APP_CLIENT_GONE;
    assert_int_equal(pprof_ask(asker, "GET", "/pprof/profile?seconds=0.1", NULL), APP_CLIENT_GONE);
    assert_int_equal(asker->sends, 1);
    asker->send_err = APP_NO_MEMORY; /* before anything went out: the words are tried */
    assert_int_equal(pprof_ask(asker, "GET", "/pprof/profile?seconds=0.1", NULL), APP_NO_MEMORY);
    assert_int_equal(asker->sends, 2);
}

/* --- Sampling -------------------------------------------------------------------------------- */

static void sampling_is_told_and_switched(void **state)
{
    struct pprof_asker *asker = &((struct fixture *)*state)->asker;
    char expected[256];
    (void)snprintf(expected, sizeof(expected),
                   "{\"processes\":[{\"pid\":%ld,\"version\":\"7.8\",\"hz\":0,\"windows\":0,"
                   "\"toggle\":false,\"toggle_left_s\":0,\"ring\":false,\"samples\":0,"
                   "\"dropped\":0}]}",
                   (long)getpid());
    assert_string_equal(pprof_ask_text(asker, "/debug/pprof/sampling"), expected);
    assert_string_equal(asker->content_type, "application/json");

    assert_int_equal(pprof_ask(asker, "POST", "/debug/pprof/sampling", "cpu=on&for=60"), APP_OK);
    assert_has(asker->body.data, "\"toggle\":true");
    assert_has(asker->body.data, "],\"switched\":\"1/1\"}");
    assert_logged("Sampling switched: cpu=on for_s=60");
    assert_int_equal(pprof_ask(asker, "POST", "/debug/pprof/sampling?cpu=off", NULL), APP_OK);
    assert_has(asker->body.data, "\"toggle\":false");

    assert_error(asker, "POST", "/debug/pprof/sampling", APP_BAD_REQUEST, "cpu must be on or off");
    assert_error(asker, "POST", "/debug/pprof/sampling?cpu=on&for=0", APP_BAD_REQUEST,
                 "for must be from 1 to 86400 seconds");
}

/* --- Saved profiles -----------------------------------------------------------------------------
 */

static void a_profile_is_kept_listed_and_given_back(void **state)
{
    struct pprof_asker *asker = &((struct fixture *)*state)->asker;
    char name[128], uri[256];
    assert_string_equal(pprof_ask_text(asker, "/debug/pprof/saved"), "{\"saved\":[]}");
    assert_int_equal(pprof_ask(asker, "POST", "/debug/pprof/saved?seconds=0.1", NULL), APP_OK);
    assert_int_equal(asker->status, 201);
    assert_int_equal(sscanf(asker->body.data, "{\"name\":\"%127[^\"]\"}", name), 1);
    assert_has(name, "-asked.pb.gz");
    assert_has(asker->headers.data, "Location: /debug/pprof/saved/");
    assert_has(asker->headers.data, name);

    assert_has(pprof_ask_text(asker, "/debug/pprof/saved"), name);
    assert_has(pprof_ask_text(asker, "/debug/pprof/"), name);
    (void)snprintf(uri, sizeof(uri), "/debug/pprof/saved/%s", name);
    assert_memory_equal(pprof_ask_text(asker, uri), "\x1f\x8b", 2);
    assert_has(asker->headers.data, name);
    (void)snprintf(uri, sizeof(uri), "/debug/pprof/saved/%s?debug=1", name);
    assert_has(pprof_ask_text(asker, uri), "Type: cpu");
    (void)snprintf(uri, sizeof(uri), "/debug/pprof/flamegraph?saved=%s", name);
    assert_has(pprof_ask_text(asker, uri), "CPU profile of a-program, ");

    static const char *const missing[] = {"/debug/pprof/saved/nothing",
                                          "/debug/pprof/saved/nothing?debug=1",
                                          "/debug/pprof/flamegraph?saved=nothing"};
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
        assert_error(asker, "GET", missing[i], APP_NOT_FOUND, "no profile is saved by that name");
}

static void the_program_may_keep_one_itself(void **state)
{
    struct fixture *fixture = *state;
    struct err_buf why = {.text = ""};
    char path[PATH_MAX];
    const struct pprof_keeping keeping = {0.1, "cpu-route", "it was costly"};
    assert_int_equal(pprof_kept_newest(fixture->pprof, "cpu-"), 0);
    assert_int_equal(pprof_keep(fixture->pprof, &keeping, path, sizeof(path), &why), APP_OK);
    assert_has(path, "/run/profiles/");
    assert_int_equal(access(path, R_OK), 0);
    assert_in_range(time(NULL) - pprof_kept_newest(fixture->pprof, "cpu-"), 0, 10);
    assert_int_equal(pprof_kept_newest(fixture->pprof, "other"), 0);
    char uri[PATH_MAX + 32];
    (void)snprintf(uri, sizeof(uri), "/debug/pprof/saved/%s?debug=1", strrchr(path, '/') + 1);
    assert_has(pprof_ask_text(&fixture->asker, uri), "it was costly");
}

/* --- Other parts of the program ------------------------------------------------------------------
 */

__attribute__((noinline)) static void wait_somewhere(struct pprof *pprof, enum pprof_wait kind)
{
    pprof_waited(pprof, kind, 10 * NS_PER_MS, NULL);
}

static void waits_begin_with_who_told_of_them(void **state)
{
    struct fixture *fixture = *state;
    wait_somewhere(fixture->pprof, PPROF_WAIT_MUTEX);
    const char *text = pprof_ask_text(&fixture->asker, "/debug/pprof/mutex?debug=1");
    const char *line = strstr(text, "  wait_somewhere\n");
    if (!line) {
        fail_msg("%s", text);
        return;
    }
    while (line > text && line[-1] != '\n')
        line--;
    assert_true(strtod(line, NULL) > 9); /* its own, not its callees' */
    assert_has(pprof_ask_text(&fixture->asker, "/debug/pprof/block?debug=1"), "0 of 0 functions");
}

static void other_pages_have_links_and_labels(void **state)
{
    (void)state;
    static const struct pprof_link expected[] = {{"flamegraph?profile=block", "Waits"},
                                                 {"flamegraph?profile=heap", "Memory"},
                                                 {"goroutine?debug=2", "Threads"}};
    struct pprof_link link;
    for (size_t i = 0; i < 3; i++) {
        assert_true(pprof_link_at(i, &link));
        assert_string_equal(link.path, expected[i].path);
        assert_string_equal(link.label, expected[i].label);
    }
    assert_false(pprof_link_at(3, &link));
}

static void a_profile_under_way_ends_when_it_is_closed(void **state)
{
    struct fixture *fixture = *state;
    pprof_close(fixture->pprof);
    int64_t before_ns = clock_now_ns();
    (void)pprof_ask(&fixture->asker, "GET", "/debug/pprof/profile?seconds=5", NULL);
    assert_true(clock_now_ns() - before_ns < 3 * NS_PER_S);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(int argc, char **argv)
{
    struct err_buf why = {.text = ""};
    (void)argc;
#ifdef __SANITIZE_THREAD__
    print_message("SKIPPED: ThreadSanitizer delivers signals late, so nothing is sampled\n");
    return 0;
#endif
    if (pprof_prepare(true, 0, argv, &why) != APP_OK) {
        print_message("pprof_prepare: %s %s\n", why.text, why.detail);
        return EXIT_FAILURE;
    }
    const struct CMUnitTest tests[] = {
        TEST(the_index_lists_what_there_is_in_the_programs_words),
        TEST(the_path_without_a_slash_leads_to_the_index),
        TEST(what_there_is_not_is_not_found),
        TEST(only_what_changes_something_takes_a_post_and_nothing_a_put),
        TEST(a_profile_is_a_file_or_a_text),
        TEST(what_grows_is_told_as_a_difference),
        TEST(nobody_may_ask_for_longer_than_the_program_allows),
        TEST(the_past_needs_a_ring),
        TEST(only_cpu_time_is_compared_with_the_past),
        TEST(a_profile_needs_a_place_in_the_pool),
        TEST(google_pprof_gets_errors_as_words),
        TEST(google_pprof_gets_its_own_formats),
        TEST(nothing_is_sent_to_nobody),
        TEST(sampling_is_told_and_switched),
        TEST(a_profile_is_kept_listed_and_given_back),
        TEST(the_program_may_keep_one_itself),
        TEST(waits_begin_with_who_told_of_them),
        TEST(a_profile_under_way_ends_when_it_is_closed),
        cmocka_unit_test(other_pages_have_links_and_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

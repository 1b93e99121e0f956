/* SPDX-License-Identifier: MIT */
/* run: web=all seconds=6 */
/* Who is kept out of the operators' routes: guessers, and pages that come under another name. */
#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"
#include "support/scene.h"

#define TOKEN "an-admin-token-of-the-test"
#define RIGHT "Authorization: Bearer " TOKEN
#define WRONG "Authorization: Bearer guess-0123456789-abcdef"

enum { GUESSES = 20 };

static int start(void **state)
{
    return scene_start(state, (const char *const[]){"API_PROCESSES=3", "PROFILE_TOKEN=" TOKEN,
                                                    "PROFILE=on", "PROFILE_AUTH=none",
                                                    "ADMIN_HOSTS=known.example", NULL});
}

static void ask(const struct scene *scene, const char *path, const char *header, const char *from,
                struct http_reply *reply)
{
    const char *const headers[] = {header, NULL};
    const char *method = strncmp(path, "/api/cache/", 11) == 0 ? "DELETE" : NULL;
    scene_ask(scene,
              &(struct http_call){.method = method, .url = path, .headers = headers, .from = from},
              reply);
}

static int status_of(const struct scene *scene, const char *path, const char *header,
                     const char *from)
{
    struct http_reply reply;
    ask(scene, path, header, from, &reply);
    http_reply_release(&reply);
    return reply.status;
}

/* Whichever processes of the pool they come to. */
static void after_twenty_wrong_tokens_an_address_is_not_listened_to(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    for (int i = 0; i < GUESSES; i++)
        assert_int_equal(status_of(scene, "/debug/log", WRONG, "127.0.0.1"), 401);
    ask(scene, "/debug/log", RIGHT, "127.0.0.1", &reply);
    assert_error(&reply, 429, "too many wrong tokens came from this address\n");
    const char *after = http_reply_header(&reply, "Retry-After");
    assert_non_null(after);
    assert_in_range(atoi(after), 30, 60);
    http_reply_release(&reply);
    assert_int_equal(status_of(scene, "/debug/log", WRONG, "127.0.0.1"), 429);
    assert_int_equal(status_of(scene, "/debug/log", NULL, "127.0.0.1"), 401);
    assert_int_equal(status_of(scene, "/api/cache/nothing", RIGHT, "127.0.0.1"), 429);
    /* The web server keeps other addresses out of /debug/. */
    assert_int_equal(status_of(scene, "/api/cache/nothing", RIGHT, "127.0.0.2"), 204);
    assert_int_equal(status_of(scene, "/api/health/live", NULL, "127.0.0.1"), 200);
}

static void without_a_token_only_names_of_this_server_are_answered(void **state)
{
    const struct scene *scene = *state;
    static const char *const paths[] = {"/metrics", "/debug/", "/debug/pprof/", "/pprof/cmdline"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_reply reply;
        ask(scene, paths[i], "Host: evil.example", NULL, &reply);
        assert_error(&reply, 403, "this name of the server is not known here: see ADMIN_HOSTS\n");
        http_reply_release(&reply);
        assert_int_equal(status_of(scene, paths[i], "Host: known.example:8080", NULL), 200);
        assert_int_equal(status_of(scene, paths[i], "Host: localhost", NULL), 200);
        assert_int_equal(status_of(scene, paths[i], NULL, NULL), 200);
    }
    assert_int_equal(status_of(scene, "/api/health/live", "Host: evil.example", NULL), 200);
    scene_wait_logged(scene, "api", "Admin request refused", "ADMIN_HOSTS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_twenty_wrong_tokens_an_address_is_not_listened_to),
        cmocka_unit_test(without_a_token_only_names_of_this_server_are_answered),
    };
    return cmocka_run_group_tests(tests, start, scene_stop);
}

/* SPDX-License-Identifier: MIT */
/* run: web=all */
/* Profiles that stay in RUN_DIR, of a pool of four, through the web server. */
#include "support/cmocka.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/pprof.h"

static void assert_contains(const struct http_reply *reply, const char *part)
{
    if (!strstr(http_reply_text(reply), part))
        fail_msg("there is no %s in %.2000s", part, http_reply_text(reply));
}

/* Save a profile of a second; its path. */
static void save(const struct scene *scene, char path[256])
{
    struct http_reply reply;
    pprof_post(scene, "/debug/pprof/saved?seconds=1", "", &reply);
    assert_int_equal(reply.status, 201);
    const char *location = http_reply_header(&reply, "Location");
    assert_non_null(location);
    (void)snprintf(path, 256, "%s", location);
    http_reply_release(&reply);
}

static void a_saved_profile_covers_the_pool_and_can_be_fetched(void **state)
{
    char path[256];
    struct http_reply reply;
    struct pprof_file file;
    struct pprof_load *load = pprof_load_start(*state);
    save(*state, path);
    unsigned requests, failed;
    pprof_load_stop(&load, &requests, &failed);
    assert_int_equal(failed, 0);

    pprof_get(*state, path, &reply);
    assert_int_equal(reply.status, 200);
    assert_header(&reply, "Content-Type", "application/octet-stream");
    pprof_read(&reply, &file);
    /* Behind mod_fcgid the process that answers does nothing else. */
    assert_in_range(file.pid_count, PPROF_SIBLINGS - 1, PPROF_SIBLINGS);
    assert_true(pprof_has_string(&file, "processes 4/4"));
    assert_in_range(file.duration_ns, 900000000, 1500000000);
    pprof_release(&file);
    http_reply_release(&reply);
}

static void a_saved_profile_is_listed_linked_and_drawn(void **state)
{
    char path[256], url[320];
    struct http_reply reply;
    save(*state, path);
    const char *name = strrchr(path, '/') + 1;

    pprof_get(*state, "/debug/pprof/", &reply);
    assert_contains(&reply, name);
    http_reply_release(&reply);

    pprof_get(*state, "/debug/pprof/saved", &reply);
    json_t *answer = assert_json(&reply);
    const json_t *newest = json_array_get(json_object_get(answer, "saved"), 0);
    assert_string_equal(json_string_value(json_object_get(newest, "name")), name);
    assert_string_equal(json_string_value(json_object_get(newest, "path")), path);
    json_decref(answer);
    http_reply_release(&reply);

    (void)snprintf(url, sizeof(url), "/debug/pprof/flamegraph?saved=%s", name);
    pprof_get(*state, url, &reply);
    assert_int_equal(reply.status, 200);
    assert_contains(&reply, name);
    http_reply_release(&reply);

    (void)snprintf(url, sizeof(url), "%s?debug=1", path);
    pprof_get(*state, url, &reply);
    assert_int_equal(reply.status, 200);
    assert_contains(&reply, "flat%");
    http_reply_release(&reply);
}

static void a_name_that_is_none_leads_nowhere(void **state)
{
    static const char *const paths[] = {
        "/debug/pprof/saved/20261122T102334.152Z-cache.pb.gz",
        "/debug/pprof/saved/leader",
        "/debug/pprof/flamegraph?saved=..%2Fleader",
        "/debug/pprof/saved/20261122T102334.152Z-%22x.pb.gz",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct http_reply reply;
        pprof_get(*state, paths[i], &reply);
        assert_int_equal(reply.status, 404);
        http_reply_release(&reply);
        scene_get(*state, paths[i], NULL, &reply);
        assert_int_equal(reply.status, 401);
        http_reply_release(&reply);
    }
}

static void the_switch_says_how_many_processes_it_reached(void **state)
{
    struct http_reply reply;
    pprof_post(*state, "/debug/pprof/sampling", "cpu=on&for=30", &reply);
    json_t *answer = assert_json(&reply);
    assert_string_equal(json_string_value(json_object_get(answer, "switched")), "4/4");
    json_decref(answer);
    http_reply_release(&reply);
    pprof_get(*state, "/debug/pprof/sampling", &reply);
    answer = assert_json(&reply);
    assert_null(json_object_get(answer, "switched"));
    json_decref(answer);
    http_reply_release(&reply);
    pprof_post(*state, "/debug/pprof/sampling", "cpu=off", &reply);
    http_reply_release(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_profile_covers_the_pool_and_can_be_fetched),
        cmocka_unit_test(a_saved_profile_is_listed_linked_and_drawn),
        cmocka_unit_test(a_name_that_is_none_leads_nowhere),
        cmocka_unit_test(the_switch_says_how_many_processes_it_reached),
    };
    return cmocka_run_group_tests(tests, pprof_scene_start, scene_stop);
}

/* SPDX-License-Identifier: MIT */
/* run: seconds=12 */
/* An origin that never answers holds up its own pictures, and nobody else's. */
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/scene.h"

enum { CLIENTS = 12, PICTURES = 5, PROMPT_MS = SCENE_SANITIZED ? 10000 : 2500 };

static int start(void **state)
{
    return scene_start(state, (const char *const[]){"WORKERS=16", NULL});
}

struct crowd {
    char address[64];
    struct scene_url urls[CLIENTS];
    struct http_job *jobs[CLIENTS];
};

static void start_crowd(const struct scene *scene, struct crowd *crowd)
{
    (void)snprintf(crowd->address, sizeof(crowd->address), "%s/api/", scene->stack.base);
    for (int i = 0; i < CLIENTS; i++) {
        char path[32];
        (void)snprintf(path, sizeof(path), "/silent?%d", i);
        origin_on(scene->origin, path, "x", 1, &(struct origin_options){.delay_ms = 20000});
        crowd->urls[i] = scene_url(scene, path);
        const char *url = crowd->urls[i].text;
        crowd->jobs[i] = http_job_start(
            &(struct http_call){.url = crowd->address, .body = url, .body_len = strlen(url)});
    }
}

/* Those whose turn came waited in vain; those for whom there was no room were told so. */
static void end_crowd(struct crowd *crowd)
{
    unsigned refused = 0;
    for (int i = 0; i < CLIENTS; i++) {
        struct http_reply reply;
        assert_true(http_job_wait(&crowd->jobs[i], &reply));
        if (reply.status == 429)
            refused++;
        else
            assert_error(&reply, 504, NULL);
        http_reply_release(&reply);
    }
    assert_in_range(refused, 1, CLIENTS - 1);
}

static void a_silent_origin_holds_up_its_own_pictures_only(void **state)
{
    const struct scene *scene = *state;
    struct crowd crowd;
    start_crowd(scene, &crowd);
    scene_wait_metric(scene, "emojify_fetching", 3); /* of four, the last one is for others */
    for (int i = 0; i < PICTURES; i++) {
        struct http_reply reply;
        char url[128];
        (void)snprintf(url, sizeof(url), "http://localhost:%u/pictures/camera.png#%d",
                       origin_port(scene->origin), i);
        scene_post(scene, url, NULL, &reply);
        if (reply.status != 200 || reply.seconds * 1000 > PROMPT_MS)
            fail_msg("%d after %.1f s: %s", reply.status, reply.seconds, http_reply_text(&reply));
        http_reply_release(&reply);
    }
    assert_true(scene_metric(scene, "emojify_fetching") > 0);
    end_crowd(&crowd);
    scene_wait_metric(scene, "emojify_fetching", 0);
    scene_wait_metric(scene, "emojify_queue_length", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_origin_holds_up_its_own_pictures_only),
    };
    return cmocka_run_group_tests(tests, start, scene_stop);
}

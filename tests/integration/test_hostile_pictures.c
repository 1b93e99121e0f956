/* SPDX-License-Identifier: MIT */
/* run: seconds=20 */
/*
 * Pictures made to do harm, each posted to a running stack: refused or drawn on,
 * in time, with a bounded number of words in the log, and the service goes on. The
 * files are left in build/hostile-pictures/ to be tried by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/cmocka.h"
#include "support/hostile_picture.h"
#include "support/scene.h"

#define DIRECTORY "build/hostile-pictures"

enum {
    QUICK_MS = SCENE_SANITIZED ? 30000 : 3000, /* a refusal, of whatever file */
    DRAWN_MS = SCENE_SANITIZED ? 120000 : 15000,
    LOG_GROWTH_MAX = 2048 /* two or three records */
};

static int start(void **state)
{
    if (vips_init("test") || (mkdir(DIRECTORY, 0755) != 0 && errno != EEXIST))
        return -1;
    return scene_start(state,
                       (const char *const[]){"PICTURE_MEMORY=700M", "EMOJIFY_TIMEOUT=5s",
                                             "FACEBOX_TIMEOUT=2m", "REQUEST_TIMEOUT=3m", NULL});
}

static size_t log_len(const struct scene *scene)
{
    struct buf log;
    scene_log(scene, "api", &log);
    size_t len = log.len;
    buf_release(&log);
    return len;
}

static void keep(const char *name, const struct sample *sample)
{
    char path[128];
    (void)snprintf(path, sizeof(path), DIRECTORY "/%s", name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    if (sample->len > 0)
        assert_int_equal(write(fd, sample->data, sample->len), sample->len);
    close(fd);
}

static void check_answer(const struct hostile_picture *picture, const struct http_reply *reply)
{
    bool refused = reply->status >= 400 && reply->status <= 499;
    bool drawn = reply->status == 200;
    if (!(refused && picture->end != HOSTILE_HARMLESS) &&
        !(drawn && (picture->end == HOSTILE_HARMLESS || picture->end == HOSTILE_EITHER)))
        fail_msg("%s: %d %s", picture->name, reply->status, http_reply_text(reply));
    double limit_ms = picture->end == HOSTILE_REFUSED ? QUICK_MS : DRAWN_MS;
    if (reply->seconds * 1000 > limit_ms)
        fail_msg("%s: %d after %.1f s", picture->name, reply->status, reply->seconds);
}

/* What comes out is a picture and nothing else, whatever went in. */
static void check_result(const struct scene *scene, const struct http_reply *reply)
{
    char path[64];
    struct http_reply picture;
    (void)snprintf(path, sizeof(path), "/api/cache/%.32s", http_reply_text(reply));
    scene_get(scene, path, NULL, &picture);
    assert_int_equal(picture.status, 200);
    assert_true(strncmp(http_reply_header(&picture, "Content-Type"), "image/", 6) == 0);
    assert_header(&picture, "X-Content-Type-Options", "nosniff");
    assert_null(memmem(picture.body.data, picture.body.len, "<script>", 8));
    http_reply_release(&picture);
}

static void every_hostile_picture_is_answered_in_time_and_in_few_words(void **state)
{
    const struct scene *scene = *state;
    const char *const headers[] = {"Content-Type: image/jpeg", NULL};
    const char *worst = "";
    double worst_seconds = 0;
    pid_t api = stack_pid(&scene->stack, "api");
    for (size_t i = 0; i < hostile_picture_count; i++) {
        struct http_reply reply;
        struct sample sample = hostile_pictures[i].make();
        keep(hostile_pictures[i].name, &sample);
        size_t before = log_len(scene);
        scene_ask(scene,
                  &(struct http_call){.url = "/api/",
                                      .headers = headers,
                                      .body = sample.data,
                                      .body_len = sample.len,
                                      .timeout_ms = 2 * DRAWN_MS},
                  &reply);
        print_message("%-28s %8zu bytes: %d in %.3f s\n", hostile_pictures[i].name, sample.len,
                      reply.status, reply.seconds);
        check_answer(&hostile_pictures[i], &reply);
        if (reply.status == 200)
            check_result(scene, &reply);
        size_t growth = log_len(scene) - before;
        if (growth > LOG_GROWTH_MAX)
            fail_msg("%s: %zu bytes of log", hostile_pictures[i].name, growth);
        if (reply.seconds > worst_seconds) {
            worst_seconds = reply.seconds;
            worst = hostile_pictures[i].name;
        }
        http_reply_release(&reply);
        sample_release(&sample);
    }
    print_message("worst: %s, %.3f s\n", worst, worst_seconds);
    assert_int_equal(stack_pid(&scene->stack, "api"), api); /* the same process, alive */
    scene_wait_status(scene, "/api/health", 200, 3000);
    assert_true(scene_metric(scene, "emojify_breaker_open{upstream=\"facebox\"}") == 0);
}

static void the_memory_of_pictures_is_given_back(void **state)
{
    const struct scene *scene = *state;
    char key[33];
    scene_emojify(scene, scene_url(scene, "/pictures/coffee.png").text, key);
    double bytes = scene_metric(scene, "emojify_picture_memory_bytes");
    if (bytes < 0 || bytes > 1e6)
        fail_msg("%.0f bytes", bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_hostile_picture_is_answered_in_time_and_in_few_words),
        cmocka_unit_test(the_memory_of_pictures_is_given_back),
    };
    return cmocka_run_group_tests(tests, start, scene_stop);
}

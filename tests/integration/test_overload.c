/* SPDX-License-Identifier: MIT */
/* run: seconds=36 */
/*
 * What still works when upstreams hang or fail, and what a client is told. Each test leaves the
 * stack healthy, as it found it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/clients/breaker.h"
#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"
#include "support/raw_http.h"
#include "support/scene.h"

#define TOKEN "0123456789abcdef"

#if SCENE_SANITIZED
#define REQUEST_TIMEOUT "15s"
enum { REQUEST_TIMEOUT_MS = 15000 };
#else
#define REQUEST_TIMEOUT "5s"
enum { REQUEST_TIMEOUT_MS = 5000 };
#endif

enum {
    PROMPT_MS = SCENE_SANITIZED ? 5000 : 1000,
    MARGIN_MS = SCENE_SANITIZED ? 5000 : 1000,
    BACK_MS = SCENE_SANITIZED ? 30000 : 2000,
    CROWD = 60
};

static int start(void **state)
{
    return scene_start(state, (const char *const[]){"REQUEST_TIMEOUT=" REQUEST_TIMEOUT,
                                                    "FACEBOX_TIMEOUT=30s", "PROFILE=on",
                                                    "PROFILE_TOKEN=" TOKEN, NULL});
}

/* After a test that failed in the middle, too. */
static int let_all_go_on(void **state)
{
    const struct scene *scene = *state;
    static const char *const names[] = {"cache", "facebox"};
    for (size_t i = 0; i < 2; i++) {
        pid_t pid = stack_pid(&scene->stack, names[i]);
        if (pid > 0)
            (void)kill(pid, SIGCONT);
    }
    return 0;
}

/* Bytes of a photograph that nobody has posted yet: what follows its end does not matter. */
static void new_picture(struct buf *picture, const char *name)
{
    scene_picture("coffee.png", picture);
    assert_int_equal(buf_append_str(picture, name), APP_OK);
}

static int post_picture(const struct scene *scene, const char *name, const char *const *headers,
                        struct http_reply *reply)
{
    struct buf picture;
    new_picture(&picture, name);
    const char *const plain[] = {"Content-Type: image/png", NULL};
    scene_ask(scene,
              &(struct http_call){.url = "/api/",
                                  .headers = headers ? headers : plain,
                                  .body = picture.data,
                                  .body_len = picture.len},
              reply);
    buf_release(&picture);
    return reply->status;
}

static void wait_for_post(const struct scene *scene, const char *name)
{
    int64_t deadline_ns = deadline_in_ms(BACK_MS);
    for (;;) {
        struct http_reply reply;
        int status = post_picture(scene, name, NULL, &reply);
        if (status != 200 && deadline_left_ms(deadline_ns) == 0)
            fail_msg("still %d: %s", status, http_reply_text(&reply));
        http_reply_release(&reply);
        if (status == 200)
            return;
        sleep_ms(20);
    }
}

/* --- Hung upstreams ------------------------------------------------------------- */

struct crowd {
    char key[33];
    char get_url[128];
    char post_url[128];
    char bodies[CROWD][64];
    struct http_job *jobs[CROWD];
};

/* Every other one wants the picture, the rest post URLs that are new. */
static void start_crowd(const struct scene *scene, struct crowd *crowd, const char *word)
{
    (void)snprintf(crowd->get_url, sizeof(crowd->get_url), "%s/api/cache/%s", scene->stack.base,
                   crowd->key);
    (void)snprintf(crowd->post_url, sizeof(crowd->post_url), "%s/api/", scene->stack.base);
    for (int i = 0; i < CROWD; i++) {
        struct http_call call = {.url = crowd->get_url};
        if (i % 2 == 1) {
            (void)snprintf(crowd->bodies[i], sizeof(crowd->bodies[i]),
                           "http://127.0.0.1:%d/none?%s%d", origin_port(scene->origin), word, i);
            call = (struct http_call){.url = crowd->post_url,
                                      .body = crowd->bodies[i],
                                      .body_len = strlen(crowd->bodies[i])};
        }
        crowd->jobs[i] = http_job_start(&call);
    }
}

static void assert_prompt(const struct scene *scene, const char *path)
{
    struct http_reply reply;
    const char *const headers[] = {"Authorization: Bearer " TOKEN, NULL};
    scene_get(scene, path, headers, &reply);
    if (reply.status != 200 || reply.seconds * 1000 > PROMPT_MS)
        fail_msg("%s: %d after %.3f s", path, reply.status, reply.seconds);
    http_reply_release(&reply);
}

static void operators_are_answered_while_cache_and_facebox_hang(void **state)
{
    const struct scene *scene = *state;
    struct crowd crowd = {.key = "not-there-yet"};
    char key[33], path[64];
    unsigned waited = 0, sent_away = 0;
    scene_emojify(scene, scene_url(scene, "/pictures/coffee.png").text, key);
    (void)snprintf(path, sizeof(path), "/api/cache/%s", key);
    scene_wait_status(scene, path, 200, BACK_MS);
    (void)scene_signal(scene, "cache", SIGSTOP);
    (void)scene_signal(scene, "facebox", SIGSTOP);
    sleep_ms(100); /* until the signals have reached every thread */

    start_crowd(scene, &crowd, "hung");
    int64_t end_ns = deadline_in_ms(2500);
    while (deadline_left_ms(end_ns) > 0) {
        assert_prompt(scene, "/api/health/live");
        assert_prompt(scene, "/api/health/ready");
        assert_prompt(scene, "/metrics");
        assert_prompt(scene, "/debug/pprof/");
    }
    for (int i = 0; i < CROWD; i++) {
        struct http_reply reply;
        assert_true(http_job_wait(&crowd.jobs[i], &reply));
        /* 502: a connection that was being made meanwhile; that has 2 s, too. */
        if (reply.status == 504 || (reply.status == 502 && reply.seconds > 1.5))
            waited++;
        else if (reply.status == 503)
            sent_away++;
        else
            fail_msg("%d: %s", reply.status, http_reply_text(&reply));
        if (reply.status == 503)
            assert_header(&reply, "Retry-After", "1");
        http_reply_release(&reply);
    }
    print_message("%u waited, %u were sent away\n", waited, sent_away);
    assert_true(waited >= 1);
    assert_true(sent_away >= CROWD / 2);

    (void)let_all_go_on(state);
    scene_wait_status(scene, path, 200, BACK_MS);
    wait_for_post(scene, "after the crowd");
    scene_wait_status(scene, "/api/health", 200, BACK_MS);
}

/* A page of its own may ask for many pictures at once, and the cache is well. */
static void a_burst_on_a_healthy_cache_is_never_refused(void **state)
{
    const struct scene *scene = *state;
    struct crowd crowd;
    scene_emojify(scene, scene_url(scene, "/pictures/coffee.png").text, crowd.key);
    start_crowd(scene, &crowd, "burst");
    for (int i = 0; i < CROWD; i++) {
        struct http_reply reply;
        assert_true(http_job_wait(&crowd.jobs[i], &reply));
        if (i % 2 == 0 && reply.status != 200)
            fail_msg("%d: %s", reply.status, http_reply_text(&reply));
        http_reply_release(&reply);
    }
}

/* --- Breakers --------------------------------------------------------------------- */

static void assert_breaker(const struct scene *scene, const char *state_name)
{
    struct http_reply reply;
    const char *facebox;
    scene_get(scene, "/api/health", SCENE_JSON, &reply);
    json_t *answer = json_loads(http_reply_text(&reply), 0, NULL);
    assert_int_equal(json_unpack(answer, "{s:{s:s}}", "facebox", "breaker", &facebox), 0);
    assert_string_equal(facebox, state_name);
    json_decref(answer);
    http_reply_release(&reply);
}

static void a_facebox_that_is_down_is_refused_at_once_and_used_when_it_is_back(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    char name[32];
    pid_t pid = stack_pid(&scene->stack, "facebox");
    struct stack_program *program = stack_program_of(&scene->stack, "facebox");
    assert_non_null(program);
    assert_breaker(scene, "closed");
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_true(process_wait_gone(pid, 1000));

    for (int i = 0; i < BREAKER_IN_ROW; i++) {
        (void)snprintf(name, sizeof(name), "down %d", i);
        assert_int_equal(post_picture(scene, name, NULL, &reply), 502);
        http_reply_release(&reply);
    }
    assert_int_equal(post_picture(scene, "refused", NULL, &reply), 503);
    assert_error(&reply, 503, "the face detection is not available now, try again later\n");
    assert_header(&reply, "Retry-After", "1");
    assert_true(reply.seconds * 1000 < PROMPT_MS);
    http_reply_release(&reply);
    const char *const headers[] = {"Content-Type: image/png", "Accept: application/json", NULL};
    (void)post_picture(scene, "refused", headers, &reply);
    assert_problem(&reply, 503, "unavailable");
    http_reply_release(&reply);
    scene_wait_metric(scene, "emojify_breaker_open{upstream=\"facebox\"}", 1);
    assert_true(scene_metric(scene, "emojify_breaker_open{upstream=\"cache\"}") == 0);
    scene_wait_logged(scene, "api", "Upstream keeps failing", "upstream=facebox");
    scene_wait_status(scene, "/api/health", 503, 3000);

    assert_true(stack_program_start(program));
    stack_program_free(&program);
    scene_wait_facebox(scene);
    wait_for_post(scene, "back");
    scene_wait_metric(scene, "emojify_breaker_open{upstream=\"facebox\"}", 0);
    scene_wait_logged(scene, "api", "Upstream is back", "upstream=facebox");
    scene_wait_status(scene, "/api/health", 200, BACK_MS);
    assert_breaker(scene, "closed");
}

static void broken_pictures_open_no_breaker(void **state)
{
    const struct scene *scene = *state;
    const char *const headers[] = {"Content-Type: image/png", NULL};
    for (int i = 0; i < 2 * BREAKER_HISTORY; i++) {
        struct http_reply reply;
        char body[64];
        int len = snprintf(body, sizeof(body), "\x89PNG\r\n\x1a\n and then nothing %d", i);
        scene_ask(scene,
                  &(struct http_call){
                      .url = "/api/", .headers = headers, .body = body, .body_len = (size_t)len},
                  &reply);
        assert_error(&reply, 422, NULL);
        http_reply_release(&reply);
    }
    assert_true(scene_metric(scene, "emojify_breaker_open{upstream=\"facebox\"}") == 0);
    assert_true(scene_metric(scene, "emojify_breaker_open{upstream=\"cache\"}") == 0);
    wait_for_post(scene, "after broken ones");
}

/* --- Deadlines and clients that leave ------------------------------------------------ */

static void a_post_never_takes_longer_than_request_timeout(void **state)
{
    const struct scene *scene = *state;
    struct http_reply reply;
    char path[64];
    (void)scene_signal(scene, "facebox", SIGSTOP);
    for (int i = 0; i < BREAKER_IN_ROW; i++) {
        (void)snprintf(path, sizeof(path), "/slow?%d", i);
        scene_serve_slowly(scene, path, "coffee.png", 2500);
        scene_post(scene, scene_url(scene, path).text, NULL, &reply);
        assert_error(&reply, 504, NULL);
        if (reply.seconds * 1000 < REQUEST_TIMEOUT_MS - 500 ||
            reply.seconds * 1000 > REQUEST_TIMEOUT_MS + MARGIN_MS)
            fail_msg("%.3f s", reply.seconds);
        http_reply_release(&reply);
    }
    (void)scene_signal(scene, "facebox", SIGCONT);
    /* Face detection was not given its 30 s, so nothing is held against it. */
    assert_true(scene_metric(scene, "emojify_breaker_open{upstream=\"facebox\"}") == 0);
    wait_for_post(scene, "after slow ones");
}

/* lighttpd 1.4.69 closes its connection to the application when a client's is reset. */
static void the_work_of_a_client_whose_connection_was_reset_is_dropped(void **state)
{
    const struct scene *scene = *state;
    struct buf picture;
    char head[256];
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    double before = scene_metric(
        scene, "emojify_requests_total{route=\"emojify\",method=\"POST\",status=\"499\"}");
    new_picture(&picture, "left alone");
    (void)scene_signal(scene, "facebox", SIGSTOP);
    int fd = raw_http_connect(scene->stack.port);
    (void)snprintf(head, sizeof(head),
                   "POST /api/ HTTP/1.1\r\nHost: x\r\nX-Request-Id: leaver\r\n"
                   "Content-Type: image/png\r\nContent-Length: %zu\r\n\r\n",
                   picture.len);
    assert_true(raw_http_send_str(fd, head));
    assert_true(raw_http_send(fd, picture.data, picture.len));
    buf_release(&picture);
    sleep_ms(500); /* it waits for face detection by now */
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    int64_t left_ns = clock_now_ns();
    close(fd);
    scene_wait_logged(scene, "api", "request_id=leaver", "status=499");
    assert_true(clock_now_ns() - left_ns < (1000 + MARGIN_MS) * NS_PER_MS);
    scene_wait_metric(scene,
                      "emojify_requests_total{route=\"emojify\",method=\"POST\",status=\"499\"}",
                      before < 0 ? 1 : before + 1);
    (void)scene_signal(scene, "facebox", SIGCONT);
    wait_for_post(scene, "after the leaver");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(operators_are_answered_while_cache_and_facebox_hang,
                                  let_all_go_on),
        cmocka_unit_test(a_burst_on_a_healthy_cache_is_never_refused),
        cmocka_unit_test(a_facebox_that_is_down_is_refused_at_once_and_used_when_it_is_back),
        cmocka_unit_test(broken_pictures_open_no_breaker),
        cmocka_unit_test_teardown(a_post_never_takes_longer_than_request_timeout, let_all_go_on),
        cmocka_unit_test_teardown(the_work_of_a_client_whose_connection_was_reset_is_dropped,
                                  let_all_go_on),
    };
    return cmocka_run_group_tests(tests, start, scene_stop);
}

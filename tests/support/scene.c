/* SPDX-License-Identifier: MIT */
/* The glue that the integration tests would otherwise each have a copy of. */
#include "support/scene.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "support/cmocka.h"
#include "support/process.h"

enum {
    PICTURE_MAX = 16 * 1024 * 1024,
    LOG_MAX = 64 * 1024 * 1024,
    SETTINGS_MAX = 32,
    POLL_MS = 20,
    PATIENCE_MS = 5000,
    SIBLINGS_MAX = 16,
    BUSY_MS = 2500, /* longer than mod_fcgid's pause of a second, shorter than FETCH_TIMEOUT */
    FILL_MS = SCENE_SANITIZED ? 60000 : 20000
};

static const struct {
    const char *name;
    const char *type;
} pictures[] = {
    {"grace_hopper.jpg", "image/jpeg"},
    {"astronaut.png", "image/png"},
    {"camera.png", "image/png"},
    {"coffee.png", "image/png"},
};

static bool read_file(const char *path, size_t max, struct buf *bytes)
{
    char block[65536];
    size_t got;
    bool ok = true;
    buf_init(bytes, max);
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    while (ok && (got = fread(block, 1, sizeof(block), file)) > 0)
        ok = buf_append(bytes, block, got) == APP_OK;
    (void)fclose(file);
    return ok && bytes->len > 0;
}

static bool read_picture(const char *name, struct buf *bytes)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "build/pictures/%s", name);
    return read_file(path, PICTURE_MAX, bytes);
}

void scene_picture(const char *name, struct buf *bytes)
{
    if (!read_picture(name, bytes))
        fail_msg("build/pictures/%s cannot be read: make pictures", name);
}

static void serve(struct origin *origin, const char *path, const char *type, const void *data,
                  size_t len, const struct origin_options *options)
{
    struct buf answer;
    buf_init(&answer, PICTURE_MAX);
    if (buf_printf(&answer, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                   type, len) == APP_OK &&
        buf_append(&answer, data, len) == APP_OK)
        origin_on(origin, path, answer.data, answer.len, options);
    buf_release(&answer);
}

static bool serve_pictures(struct origin *origin)
{
    for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
        char path[128];
        struct buf bytes;
        (void)snprintf(path, sizeof(path), "/pictures/%s", pictures[i].name);
        bool ok = read_picture(pictures[i].name, &bytes);
        if (ok)
            serve(origin, path, pictures[i].type, bytes.data, bytes.len, NULL);
        else
            (void)fprintf(stderr, "%s cannot be read: make pictures\n", pictures[i].name);
        buf_release(&bytes);
        if (!ok)
            return false;
    }
    return true;
}

int scene_start(void **state, const char *const *settings)
{
    const char *all[SETTINGS_MAX + 1] = {"FETCH_ALLOW_CIDR=127.0.0.0/8",
                                         "FETCH_ALLOW_PORTS=1024-65535"};
    for (size_t i = 0; settings && settings[i] && i + 2 < SETTINGS_MAX; i++)
        all[i + 2] = settings[i];

    struct scene *scene = calloc(1, sizeof(*scene));
    if (!scene)
        return -1;
    scene->origin = origin_start();
    if (!serve_pictures(scene->origin) || !stack_start(&scene->stack, all)) {
        origin_stop(&scene->origin);
        free(scene);
        return -1;
    }
    *state = scene;
    return 0;
}

int scene_stop(void **state)
{
    struct scene *scene = *state;
    bool stopped = stack_stop(&scene->stack);
    origin_stop(&scene->origin);
    free(scene);
    if (!stopped)
        (void)fprintf(stderr, "the stack left a process behind\n");
    return stopped ? 0 : -1;
}

struct scene_url scene_url(const struct scene *scene, const char *path)
{
    struct scene_url url;
    (void)snprintf(url.text, sizeof(url.text), "http://127.0.0.1:%d%s", origin_port(scene->origin),
                   path);
    return url;
}

void scene_serve(const struct scene *scene, const char *path, const char *type, const void *data,
                 size_t len)
{
    serve(scene->origin, path, type, data, len, NULL);
}

void scene_serve_slowly(const struct scene *scene, const char *path, const char *picture,
                        unsigned delay_ms)
{
    struct buf bytes;
    scene_picture(picture, &bytes);
    serve(scene->origin, path, "image/png", bytes.data, bytes.len,
          &(struct origin_options){.delay_ms = delay_ms});
    buf_release(&bytes);
}

void scene_ask(const struct scene *scene, const struct http_call *call, struct http_reply *reply)
{
    char *url = NULL;
    struct http_call absolute = *call;
    if (asprintf(&url, "%s%s", scene->stack.base, call->url) < 0)
        fail_msg("out of memory");
    absolute.url = url;
    bool answered = http_perform(&absolute, reply);
    free(url);
    if (!answered)
        fail_msg("%s: no answer: %s", call->url, reply->error);
}

void scene_get(const struct scene *scene, const char *path, const char *const *headers,
               struct http_reply *reply)
{
    scene_ask(scene, &(struct http_call){.url = path, .headers = headers}, reply);
}

void scene_post(const struct scene *scene, const char *text, const char *const *headers,
                struct http_reply *reply)
{
    scene_ask(scene,
              &(struct http_call){
                  .url = "/api/", .headers = headers, .body = text, .body_len = strlen(text)},
              reply);
}

void scene_emojify(const struct scene *scene, const char *url, char key[33])
{
    struct http_reply reply;
    scene_post(scene, url, NULL, &reply);
    if (reply.status != 200 || reply.body.len != MD5_HEX_LEN)
        fail_msg("%s: %d %s", url, reply.status, http_reply_text(&reply));
    memcpy(key, reply.body.data, MD5_HEX_LEN + 1);
    http_reply_release(&reply);
}

pid_t scene_signal(const struct scene *scene, const char *name, int signal_number)
{
    pid_t pid = stack_pid(&scene->stack, name);
    if (pid <= 0 || kill(pid, signal_number) != 0)
        fail_msg("there is no single %s to be sent signal %d", name, signal_number);
    return pid;
}

void scene_wait_status(const struct scene *scene, const char *path, int status, int timeout_ms)
{
    int64_t deadline_ns = deadline_in_ms(timeout_ms);
    for (;;) {
        struct http_reply reply;
        scene_get(scene, path, NULL, &reply);
        int last = reply.status;
        http_reply_release(&reply);
        if (last == status)
            return;
        if (deadline_left_ms(deadline_ns) == 0)
            fail_msg("%s still answers %d after %d ms, not %d", path, last, timeout_ms, status);
        sleep_ms(POLL_MS);
    }
}

/* Every process has a request to work on, the missing ones too. */
static void keep_all_busy(const struct scene *scene, size_t siblings)
{
    struct scene_url urls[SIBLINGS_MAX];
    struct http_job *jobs[SIBLINGS_MAX];
    struct http_reply reply;
    char path[64], address[64];
    assert_in_range(siblings, 1, SIBLINGS_MAX);
    (void)snprintf(address, sizeof(address), "%s/api/", scene->stack.base);
    for (size_t i = 0; i < siblings; i++) {
        (void)snprintf(path, sizeof(path), "/busy-%zu-%lld.png", i, (long long)clock_now_ns());
        scene_serve_slowly(scene, path, "camera.png", BUSY_MS);
        urls[i] = scene_url(scene, path);
        jobs[i] = http_job_start(&(struct http_call){
            .url = address, .body = urls[i].text, .body_len = strlen(urls[i].text)});
    }
    for (size_t i = 0; i < siblings; i++) {
        (void)http_job_wait(&jobs[i], &reply);
        http_reply_release(&reply);
    }
}

void scene_fill_pool(const struct scene *scene, size_t siblings)
{
    int64_t deadline_ns = deadline_in_ms(FILL_MS);
    pid_t pids[SIBLINGS_MAX];
    while (stack_pids(&scene->stack, "api", pids, SIBLINGS_MAX) != siblings) {
        if (deadline_left_ms(deadline_ns) == 0)
            fail_msg("there are still not %zu processes", siblings);
        if (stack_web() == STACK_APACHE_FCGID)
            keep_all_busy(scene, siblings);
        else
            sleep_ms(POLL_MS);
    }
}

/* --- Logs and metrics --------------------------------------------------------- */

void scene_wait_facebox(const struct scene *scene)
{
    char base[128], url[160];
    assert_true(stack_setting(&scene->stack, "api", "FACEBOX", base, sizeof(base)));
    (void)snprintf(url, sizeof(url), "%s/info", base);
    int64_t deadline_ns = deadline_in_ms(30000);
    for (;;) {
        struct http_reply reply;
        bool answered = http_perform(&(struct http_call){.url = url}, &reply);
        http_reply_release(&reply);
        if (answered)
            return;
        if (deadline_left_ms(deadline_ns) == 0)
            fail_msg("%s does not answer", url);
        sleep_ms(10);
    }
}

void scene_log(const struct scene *scene, const char *name, struct buf *text)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%.4000s/%s.log", scene->stack.state, name);
    if (!read_file(path, LOG_MAX, text))
        fail_msg("%s cannot be read", path);
}

static bool has_line(const char *text, const char *one, const char *other)
{
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        if (memmem(line, len, one, strlen(one)) && memmem(line, len, other, strlen(other)))
            return true;
        line += len + (line[len] == '\n');
    }
    return false;
}

void scene_wait_logged(const struct scene *scene, const char *name, const char *one,
                       const char *other)
{
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    for (;;) {
        struct buf text;
        scene_log(scene, name, &text);
        bool found = has_line(text.data, one, other);
        buf_release(&text);
        if (found)
            return;
        if (deadline_left_ms(deadline_ns) == 0)
            fail_msg("%s.log has no line with \"%s\" and \"%s\"", name, one, other);
        sleep_ms(POLL_MS);
    }
}

double scene_metric(const struct scene *scene, const char *series)
{
    struct http_reply reply;
    double value = -1;
    size_t len = strlen(series);
    scene_get(scene, "/metrics", NULL, &reply);
    assert_int_equal(reply.status, 200);
    for (const char *line = http_reply_text(&reply); line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, series, len) == 0 && line[len] == ' ')
            value = strtod(line + len, NULL);
    }
    http_reply_release(&reply);
    return value;
}

void scene_wait_metric(const struct scene *scene, const char *series, double value)
{
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    double last;
    while ((last = scene_metric(scene, series)) != value) {
        if (deadline_left_ms(deadline_ns) == 0)
            fail_msg("%s is %g, not %g", series, last, value);
        sleep_ms(POLL_MS);
    }
}

/* --- What an answer must be like ---------------------------------------------- */

void assert_header(const struct http_reply *reply, const char *name, const char *value)
{
    const char *sent = http_reply_header(reply, name);
    if (!sent)
        fail_msg("there is no %s header", name);
    assert_string_equal(sent, value);
}

/* What every answer of the application has. */
static void assert_own_headers(const struct http_reply *reply)
{
    assert_header(reply, "X-Content-Type-Options", "nosniff");
    const char *id = http_reply_header(reply, "X-Request-Id");
    if (!id || !*id)
        fail_msg("there is no X-Request-Id");
}

static void assert_status(const struct http_reply *reply, int status)
{
    if (reply->status != status)
        fail_msg("%d, not %d: %s", reply->status, status, http_reply_text(reply));
}

void assert_error(const struct http_reply *reply, int status, const char *text)
{
    assert_status(reply, status);
    assert_header(reply, "Content-Type", "text/plain; charset=utf-8");
    assert_own_headers(reply);
    const char *body = http_reply_text(reply);
    const char *newline = strchr(body, '\n');
    if (!newline || newline[1] != '\0' || newline == body)
        fail_msg("not one line: \"%s\"", body);
    if (text)
        assert_string_equal(body, text);
}

static json_t *parse(const struct http_reply *reply)
{
    json_error_t error;
    json_t *object = json_loadb(reply->body.data, reply->body.len, 0, &error);
    if (!object || !json_is_object(object))
        fail_msg("not a JSON object: %s", http_reply_text(reply));
    return object;
}

void assert_problem(const struct http_reply *reply, int status, const char *code)
{
    assert_status(reply, status);
    assert_header(reply, "Content-Type", "application/problem+json");
    assert_own_headers(reply);
    json_t *object = parse(reply);
    const char *sent = json_string_value(json_object_get(object, "code"));
    if (!sent || strcmp(sent, code) != 0 ||
        json_integer_value(json_object_get(object, "status")) != status ||
        !json_is_string(json_object_get(object, "title")))
        fail_msg("not a problem of code %s: %s", code, http_reply_text(reply));
    json_decref(object);
}

json_t *assert_json(const struct http_reply *reply)
{
    assert_status(reply, 200);
    assert_header(reply, "Content-Type", "application/json");
    assert_own_headers(reply);
    return parse(reply);
}

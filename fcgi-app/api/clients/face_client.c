/* SPDX-License-Identifier: MIT */
/*
 * The box is an upstream, but what it says is checked like a stranger's: there
 * are boxes of several makers, and the numbers go straight into drawing.
 */
#include "api/clients/face_client.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include <jansson.h>

#include "api/clients/breaker.h"
#include "api/image/face.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/base/utf8.h"
#include "lib/http/header.h"
#include "lib/net/http_client.h"
#include "lib/telemetry/wait.h"

enum { SHOWN_WORDS = 200, URL_MAX = 4096, PROBE_MS = 1000 };

static enum app_err fail(struct err_buf *why, const char *detail)
{
    err_detail(why, "FaceBox: %s", detail);
    return err_set(why, APP_UPSTREAM_FAILED, "face detection failed");
}

static enum app_err no_memory(struct err_buf *why)
{
    return err_set(why, APP_NO_MEMORY, "%s", app_strerror(APP_NO_MEMORY));
}

/* The client gets a text of ours whatever the transport said, which is in the detail. */
static enum app_err fail_transport(struct err_buf *why, enum app_err err)
{
    if (err == APP_UPSTREAM_TIMEOUT)
        return err_set(why, err, "face detection took too long");
    if (err == APP_UPSTREAM_FAILED)
        return err_set(why, err, "face detection failed");
    return err;
}

static bool join_url(const char *base, const char *path, struct buf *url)
{
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    return buf_append(url, base, len) == APP_OK && buf_append_str(url, path) == APP_OK;
}

/* GET, or POST when there is a file. The answer's body is the caller's. */
static enum app_err ask(const struct face_client *client, const struct face_call *call,
                        const char *path, const struct http_file_part *file,
                        struct http_answer *answer, struct err_buf *why)
{
    struct http_header headers[2 + FACE_CALL_HEADERS_MAX] = {
        {"Accept", "application/json; charset=utf-8"}};
    size_t header_count = 1;
    if (call->request_id)
        headers[header_count++] = (struct http_header){"X-Request-Id", call->request_id};
    for (size_t i = 0; i < call->header_count && i < FACE_CALL_HEADERS_MAX; i++)
        headers[header_count++] = call->headers[i];
    struct buf url;
    buf_init(&url, URL_MAX);
    enum app_err err = APP_NO_MEMORY;
    if (join_url(client->base_url, path, &url)) {
        const struct http_request request = {
            .method = file ? "POST" : "GET",
            .url = url.data,
            .user = client->user[0] ? client->user : NULL,
            .password = client->password,
            .headers = headers,
            .header_count = header_count,
            .file = file,
            .deadline_ns = call->deadline_ns,
            .cancel = call->cancel,
            .max_answer = LIMIT_UPSTREAM_JSON,
        };
        struct wait wait = wait_begin(WAIT_FACEBOX);
        err = http_client_request(call->http, &request, answer, why);
        wait_end(&wait);
    }
    buf_release(&url);
    return err ? fail_transport(why, err) : APP_OK;
}

/*
 * Reads an object with "success": true. Whole numbers are read as real ones, so
 * that one beyond 64 bits is large and not a syntax error.
 */
static enum app_err read_success(const char *json, size_t len, json_t **root, struct err_buf *why)
{
    json_error_t error;
    if (len > LIMIT_UPSTREAM_JSON)
        return fail(why, "the answer is too large");
    json_t *read = json_loadb(len > 0 ? json : "", len, JSON_DECODE_INT_AS_REAL, &error);
    if (!read && json_error_code(&error) == json_error_out_of_memory)
        return no_memory(why);
    if (!read)
        return fail(why, error.text);
    if (json_is_true(json_object_get(read, "success"))) {
        *root = read;
        return APP_OK;
    }

    const char *words = json_string_value(json_object_get(read, "error"));
    char shown[SHOWN_WORDS + 1];
    words = words ? words : "no success, and no reason given";
    utf8_copy_printable(shown, SHOWN_WORDS, words, strlen(words));
    json_decref(read);
    return fail(why, shown);
}

/* Rounded to the nearest pixel, and cut to what an int holds: later checks throw absurd boxes out.
 */
static int to_pixel(double number)
{
    if (number >= INT_MAX)
        return INT_MAX;
    if (number <= INT_MIN)
        return INT_MIN;
    return (int)lround(number);
}

static bool is_absent(const json_t *value)
{
    return !value || json_is_null(value);
}

/* A member of a rectangle; absent is 0. False when it is no number. */
static bool read_pixel(const json_t *rect, const char *name, int *pixel)
{
    const json_t *value = json_object_get(rect, name);
    if (!is_absent(value) && (!json_is_number(value) || !isfinite(json_number_value(value))))
        return false;
    *pixel = to_pixel(json_number_value(value));
    return true;
}

static bool read_box(const json_t *rect, struct box *box)
{
    return read_pixel(rect, "top", &box->top) && read_pixel(rect, "left", &box->left) &&
           read_pixel(rect, "width", &box->width) && read_pixel(rect, "height", &box->height);
}

/* A real FaceBox tells none. False as well when one is missing or is not two finite numbers. */
static bool read_points(const json_t *landmarks, struct face_point points[FACE_POINT__MAX])
{
    static const char *const names[FACE_POINT__MAX] = {
        [FACE_RIGHT_EYE] = "right_eye", [FACE_LEFT_EYE] = "left_eye",
        [FACE_NOSE] = "nose",           [FACE_MOUTH] = "mouth",
        [FACE_RIGHT_EAR] = "right_ear", [FACE_LEFT_EAR] = "left_ear",
    };
    for (size_t i = 0; i < FACE_POINT__MAX; i++) {
        const json_t *point = json_object_get(landmarks, names[i]);
        const json_t *x = json_object_get(point, "x"), *y = json_object_get(point, "y");
        points[i] = (struct face_point){json_number_value(x), json_number_value(y)};
        if (!json_is_number(x) || !json_is_number(y) || !isfinite(points[i].x) ||
            !isfinite(points[i].y))
            return false;
    }
    return true;
}

/* Landmarks are an extra: a face is as good without them. */
static bool read_face(const json_t *object, struct face *face)
{
    const json_t *rect = json_object_get(object, "rect");
    if (!json_is_object(object) || !(is_absent(rect) || json_is_object(rect)))
        return false;
    *face = (struct face){.has_points = false};
    face->has_points = read_points(json_object_get(object, "landmarks"), face->points);
    if (!face->has_points)
        memset(face->points, 0, sizeof(face->points));
    return read_box(rect, &face->box);
}

static enum app_err read_faces(const json_t *root, struct arena *arena, struct face **faces,
                               size_t *face_count, struct err_buf *why)
{
    const json_t *list = json_object_get(root, "faces");
    if (!is_absent(list) && !json_is_array(list))
        return fail(why, "\"faces\" is not an array");

    size_t count = json_array_size(list);
    if (count > LIMIT_FACES)
        count = LIMIT_FACES;
    struct face *read = arena_alloc(arena, (count + 1) * sizeof(*read));
    if (!read)
        return no_memory(why);
    for (size_t i = 0; i < count; i++) {
        if (!read_face(json_array_get(list, i), &read[i]))
            return fail(why, "a face is not an object with a rectangle of numbers");
    }
    *faces = read;
    *face_count = count;
    return APP_OK;
}

enum app_err face_client_parse_check(const char *json, size_t len, struct arena *arena,
                                     struct face **faces, size_t *face_count, struct err_buf *why)
{
    json_t *root = NULL;
    enum app_err err = read_success(json, len, &root, why);
    if (!err)
        err = read_faces(root, arena, faces, face_count, why);
    json_decref(root);
    return err;
}

/*
 * An answer with another status than 200 is a failure, but the box may say in it
 * what was wrong; APP_OK: it is a 200.
 */
static enum app_err check_status(const struct http_answer *answer, struct err_buf *why)
{
    if (answer->status == 200)
        return APP_OK;
    json_t *root = NULL;
    struct err_buf words = {.detail = ""};
    bool success = read_success(answer->body.data, answer->body.len, &root, &words) == APP_OK;
    json_decref(root);
    err_detail(why, "FaceBox answered %d: %.*s", answer->status, SHOWN_WORDS,
               success ? "success" : words.detail);
    return err_set(why, APP_UPSTREAM_FAILED, "face detection failed");
}

/* Whether the box is there at all. The answer does not matter, only how it came. */
static enum app_err probe(const struct face_client *client, const struct face_call *call,
                          int *status, struct err_buf *why)
{
    struct http_answer answer = {.status = 0};
    struct face_call brief = *call;
    brief.deadline_ns = deadline_min(call->deadline_ns, deadline_in_ms(PROBE_MS));
    enum app_err err = ask(client, &brief, "/info", NULL, &answer, why);
    *status = answer.status;
    buf_release(&answer.body);
    return err;
}

/* POST the file, unless the breaker says that there is no point. */
static enum app_err ask_guarded(const struct face_client *client, const struct face_call *call,
                                const struct http_file_part *file, struct http_answer *answer,
                                struct err_buf *why)
{
    struct breaker_pass pass;
    int64_t now_ns = clock_now_ns();
    bool in_full = breaker_is_full_time(now_ns, call->deadline_ns, call->timeout_ms);
    int64_t patience_ns = deadline_min(call->deadline_ns, now_ns + PROBE_MS * NS_PER_MS);
    enum app_err err = breaker_enter(client->breaker, now_ns, patience_ns, &pass, why);
    if (err)
        return err;
    int status = 0;
    if (pass.probe)
        err = probe(client, call, &status, why);
    if (!err && status < 500) {
        breaker_vouch(client->breaker, &pass);
        err = ask(client, call, "/facebox/check", file, answer, why);
        status = answer->status;
    } else if (!err) {
        answer->status = status;
    }
    breaker_leave(client->breaker, &pass, breaker_judge_http(err, status, in_full), clock_now_ns());
    return err;
}

enum app_err face_client_check(const struct face_client *client, const struct face_call *call,
                               const void *picture, size_t len, struct arena *arena,
                               struct face **faces, size_t *face_count, struct err_buf *why)
{
    const struct http_file_part file = {.field = "file",
                                        .filename = "image.dat",
                                        .content_type = "application/octet-stream",
                                        .data = picture,
                                        .len = len};
    struct http_answer answer = {.status = 0};
    enum app_err err = ask_guarded(client, call, &file, &answer, why);
    if (!err)
        err = check_status(&answer, why);
    if (!err)
        err = face_client_parse_check(answer.body.data, answer.body.len, arena, faces, face_count,
                                      why);
    buf_release(&answer.body);
    return err;
}

enum app_err face_client_info(const struct face_client *client, const struct face_call *call,
                              int *version, struct err_buf *why)
{
    struct http_answer answer = {.status = 0};
    json_t *root = NULL;
    enum app_err err = ask(client, call, "/info", NULL, &answer, why);
    if (!err)
        err = check_status(&answer, why);
    if (!err)
        err = read_success(answer.body.data, answer.body.len, &root, why);
    if (!err) {
        const json_t *number = json_object_get(root, "version");
        if (json_is_number(number))
            *version = to_pixel(json_number_value(number));
        else
            err = fail(why, "/info has no version number");
    }
    json_decref(root);
    buf_release(&answer.body);
    return err;
}

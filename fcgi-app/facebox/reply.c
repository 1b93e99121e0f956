/* SPDX-License-Identifier: MIT */
/* Members are in the order of the box's own answers, which jansson keeps. */
#include "facebox/reply.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/utf8.h"

enum { REAL_DIGITS = 6, BUILD_MAX = 128 };

static int append_piece(const char *piece, size_t len, void *out)
{
    return buf_append(out, piece, len) ? -1 : 0;
}

/* Append `root`, which may be NULL when there was no memory for it, and release it. */
static enum app_err write_json(json_t *root, struct buf *out)
{
    if (!root)
        return APP_NO_MEMORY;
    int failed = json_dump_callback(root, append_piece, out,
                                    JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
    json_decref(root);
    return failed ? APP_NO_MEMORY : APP_OK;
}

/* A number with so many digits behind the point as are worth sending. */
static double rounded(double number, double unit)
{
    return round(number / unit) * unit;
}

static json_t *make_landmarks(const struct detection *face)
{
    static const char *const names[DETECTION_POINT__MAX] = {
        [DETECTION_RIGHT_EYE] = "right_eye", [DETECTION_LEFT_EYE] = "left_eye",
        [DETECTION_NOSE] = "nose",           [DETECTION_MOUTH] = "mouth",
        [DETECTION_RIGHT_EAR] = "right_ear", [DETECTION_LEFT_EAR] = "left_ear",
    };
    json_t *landmarks = json_object();
    for (int i = 0; landmarks && i < DETECTION_POINT__MAX; i++) {
        const struct detection_place *point = &face->points[i];
        json_t *place =
            json_pack("{s:f,s:f}", "x", rounded(point->x, 0.1), "y", rounded(point->y, 0.1));
        if (json_object_set_new(landmarks, names[i], place) != 0) {
            json_decref(landmarks);
            landmarks = NULL;
        }
    }
    return landmarks;
}

static json_t *make_face(const struct detection *face)
{
    return json_pack("{s:{s:i,s:i,s:i,s:i},s:o,s:b,s:f}", "rect", "top", face->top, "left",
                     face->left, "width", face->width, "height", face->height, "landmarks",
                     make_landmarks(face), "matched", 0, "confidence",
                     rounded(face->confidence, 1e-4));
}

static json_t *make_rectangle(const struct detection *face)
{
    return json_pack("{s:{s:i,s:i},s:{s:i,s:i}}", "Min", "X", face->left, "Y", face->top, "Max",
                     "X", face->left + face->width, "Y", face->top + face->height);
}

/* All faces, each made by `make`; NULL when there is no memory. */
static json_t *make_array(const struct faces *faces, json_t *(*make)(const struct detection *face))
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < faces->count; i++) {
        if (json_array_append_new(array, make(&faces->found[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

enum app_err reply_check(const struct faces *faces, struct buf *out)
{
    /* "o" takes a NULL as a failure of the whole. */
    return write_json(json_pack("{s:b,s:i,s:o}", "success", 1, "facesCount", (int)faces->count,
                                "faces", make_array(faces, make_face)),
                      out);
}

enum app_err reply_rectangles(const struct faces *faces, struct buf *out)
{
    struct detection whole = {.width = faces->width, .height = faces->height};
    return write_json(json_pack("{s:o,s:o}", "Faces", make_array(faces, make_rectangle), "Bounds",
                                make_rectangle(&whole)),
                      out);
}

enum app_err reply_success(struct buf *out)
{
    return write_json(json_pack("{s:b}", "success", 1), out);
}

enum app_err reply_failure(const char *text, struct buf *out)
{
    char printable[ERR_TEXT_MAX + 1];
    utf8_copy_printable(printable, ERR_TEXT_MAX, text, strlen(text));
    return write_json(json_pack("{s:b,s:s}", "success", 0, "error", printable), out);
}

enum app_err reply_info(const char *network, struct buf *out)
{
    char build[BUILD_MAX];
    (void)snprintf(build, sizeof(build), "%s %s", APP_VERSION, network);
    return write_json(json_pack("{s:b,s:s,s:i,s:s,s:s}", "success", 1, "name", "facebox", "version",
                                REPLY_FACEBOX_VERSION, "build", build, "status", "ready"),
                      out);
}

enum app_err reply_healthz(const char *hostname, struct buf *out)
{
    return write_json(json_pack("{s:b,s:s,s:{s:s,s:s},s:[]}", "success", 1, "hostname", hostname,
                                "metadata", "boxname", "facebox", "build", APP_VERSION, "errors"),
                      out);
}

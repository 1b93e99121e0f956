/* SPDX-License-Identifier: MIT */
/*
 * What one connection brings, read record by record until a request is ready for a handler.
 * The bytes may come in any pieces. A request is ready when its body is here whole, or when
 * it is clear that it has none, is too large or does not come. Management records and
 * requests that cannot be served are answered in `reply` (FastCGI specification, 4 and 5.5);
 * records of requests that are not under way are skipped (3.3).
 *
 *     intake_init(&intake, &limits);
 *     used = intake_feed(&intake, data, len);   again with what it did not use
 *     send intake.reply, reply_len = 0
 *     INTAKE_READY: take params and body, answer, intake_next(&intake)
 *
 * One thread at a time.
 */
#ifndef LIB_FCGI_INTAKE_H
#define LIB_FCGI_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/fcgi/budget.h"
#include "lib/fcgi/protocol.h"

enum {
    INTAKE_PARAMS_MAX = 192 * 1024, /* raw bytes that are kept; more than are answered with 431 */
    INTAKE_PARAMS_END = 1024 * 1024,
    INTAKE_REPLY_MAX = 512,
    INTAKE_QUESTION_MAX = 256 /* of a GET_VALUES what is looked at */
};

enum intake_state {
    INTAKE_IDLE,   /* no request has begun */
    INTAKE_PARAMS, /* its variables are being read */
    INTAKE_BODY,   /* its body is */
    INTAKE_READY,  /* nothing is read until intake_next */
    INTAKE_FULL,   /* the budget has no room for its body: make some, or intake_fail */
    INTAKE_CLOSE,  /* send the reply, then close the connection */
    INTAKE_BROKEN  /* not FastCGI; `reason` says what is wrong */
};

/* Must outlive the intake. */
struct intake_limits {
    size_t body_max;       /* a larger body is not read */
    struct budget *budget; /* of the bodies that are being read, of all connections */
    unsigned connections;  /* what GET_VALUES is told */
};

struct intake_bytes {
    char *data; /* malloc'ed; one byte more than capacity */
    size_t len;
    size_t capacity;
};

struct intake {
    enum intake_state state;
    const char *reason;
    unsigned char reply[INTAKE_REPLY_MAX];
    size_t reply_len;

    /* of the request; valid while it is ready */
    int id;
    bool keep;             /* the web server wants the connection kept */
    bool whole;            /* the body is here, or there is none */
    bool ended;            /* the end of its stream has come, too */
    bool params_cut;       /* there were more than INTAKE_PARAMS_MAX bytes */
    enum app_err body_err; /* APP_OK, or why there is no body */
    struct intake_bytes params;
    struct intake_bytes body; /* NUL-terminated when there is a body */

    /* private */
    const struct intake_limits *limits;
    size_t counted;   /* bytes taken from the budget */
    int64_t expected; /* CONTENT_LENGTH; -1: not known; -2: not looked at */
    size_t params_total;
    struct protocol_record record;
    unsigned char header[FCGI_HEADER_LEN];
    unsigned header_len;
    size_t content_left;
    size_t padding_left;
    unsigned char question[INTAKE_QUESTION_MAX]; /* BEGIN_REQUEST and management records */
    size_t question_len;
};

void intake_init(struct intake *intake, const struct intake_limits *limits);
void intake_release(struct intake *intake);

/*
 * Read up to `len` bytes; returns how many. Fewer when the state is READY, FULL, CLOSE or
 * BROKEN, or when the reply has no room: send it and go on.
 */
size_t intake_feed(struct intake *intake, const void *data, size_t len);

/* End waiting for the body: the request is ready without it. State BODY or FULL. */
void intake_fail(struct intake *intake, enum app_err err);

/* The request that was ready is done with. Frees what is large. */
void intake_next(struct intake *intake);

#endif

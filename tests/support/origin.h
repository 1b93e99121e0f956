/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/1.1 server for tests that answers each path with the bytes it was
 * given, however wrong they are, and remembers what it was asked. It listens on
 * 127.0.0.1, on a port of the system's choice, in threads of this process.
 *
 * origin_start, origin_on for each path (also while it runs), requests,
 * origin_stop. Any thread. A failure inside ends the test by an assertion.
 */
#ifndef TESTS_SUPPORT_ORIGIN_H
#define TESTS_SUPPORT_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct origin;

/* How an answer is given. All zero: at once, and the connection is kept. */
struct origin_options {
    unsigned delay_ms;     /* pause before the answer */
    size_t drip_bytes;     /* not 0: the answer goes out in pieces of this size, */
    unsigned drip_ms;      /* with this pause between them */
    bool endless;          /* then 'x' without end, until the other side has gone */
    bool close;            /* then close the connection */
    bool reset;            /* then close it with a reset (RST) */
    unsigned drop_reused;  /* close without an answer the first so many times that the request
                              is not the first one on its connection */
    bool drop_before_body; /* those drops come before the request's body is read */
};

struct origin *origin_start(void);

/* Ends its connections and threads; NULLs the caller's pointer. */
void origin_stop(struct origin **origin);

uint16_t origin_port(const struct origin *origin);

/*
 * Answer requests for `target` (path and query as sent) with these bytes,
 * status line, headers and all; copied. NULL options: all zero. A target that
 * nothing was said about gets 404.
 */
void origin_on(struct origin *origin, const char *target, const void *response, size_t len,
               const struct origin_options *options);

/* The same with a proper answer: "200 OK", further header lines ("A: b\r\n") or "", a body. */
void origin_answer(struct origin *origin, const char *target, const char *status,
                   const char *headers, const char *body);

/* How many requests for `target` (NULL: any) came in. */
unsigned origin_requests(struct origin *origin, const char *target);

/* How many connections were accepted. */
unsigned origin_connections(struct origin *origin);

/*
 * Copy a header of the last request for `target` into `value`, "" when it was
 * not sent. "" as the name: the request line.
 */
void origin_last_header(struct origin *origin, const char *target, const char *name, char *value,
                        size_t size);

/* The body of the last request for `target`, malloc'ed and terminated. NULL: no request. */
char *origin_last_body(struct origin *origin, const char *target, size_t *len);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Which of two forms of an answer a client would rather have, by its Accept
 * header (RFC 9110, section 12.5.1): weights count, and the most specific range
 * that fits a type decides about it. Pure, any thread.
 */
#ifndef LIB_HTTP_ACCEPT_H
#define LIB_HTTP_ACCEPT_H

#include <stdbool.h>

/* How well a range of the header fits a type. */
enum accept_fit {
    ACCEPT_NONE,  /* none fits */
    ACCEPT_ANY,   /* star/star does, or there is no header */
    ACCEPT_MAJOR, /* such as "text" with a star does */
    ACCEPT_NAMED, /* the type itself does, whatever its parameters */
};

struct accept_weight {
    enum accept_fit fit;
    unsigned thousandths; /* the weight of that range; 0: not acceptable */
};

/* What `accept` says of `type`, which is "text/plain" or its like. NULL: no header. */
struct accept_weight accept_weigh(const char *accept, const char *type);

/*
 * Whether JSON is to be sent and not plain text: when it weighs more, or as much
 * and is named (application/json or application/problem+json). So browsers and curl,
 * which take anything, get text.
 */
bool accept_prefers_json(const char *accept);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What one process samples now, as siblings tell one another and clients: a JSON object,
 * of which a program without a JSON library reads back what it has written itself.
 * Pure functions.
 */
#ifndef PROFILING_STATE_H
#define PROFILING_STATE_H

#include "lib/base/buf.h"
#include "profiling/sampler.h"

enum { STATE_VERSION_MAX = 64 };

struct state {
    long pid;
    enum app_err err; /* why it is not known: nothing below is set then */
    char version[STATE_VERSION_MAX];
    struct sampler_state sampler;
};

/*
 * Take a program's version over; what has a meaning in JSON or HTML, or is no printable
 * ASCII, becomes '_'. "unknown" for NULL and "".
 */
void state_set_version(struct state *state, const char *version);

/* Append {"pid","version","hz",...}, or {"pid","error"}. Errors as buf_append. */
enum app_err state_write(const struct state *state, struct buf *out)
    __attribute__((warn_unused_result));

/* Append them all, as an array. */
enum app_err state_write_all(const struct state *states, size_t count, struct buf *out)
    __attribute__((warn_unused_result));

/* Read what state_write has written of a process, also one of a later version. False: it is no such
 * thing. */
bool state_read(const char *text, size_t len, struct state *state);

#endif

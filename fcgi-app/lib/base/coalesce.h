/* SPDX-License-Identifier: MIT */
/*
 * One call for all who want the same thing at the same time, none of whom gets
 * an answer that is older than his question.
 *
 * Who comes while nobody works on a key does the work. Who comes while somebody
 * does waits, for what is under way may have been read already; when it ends,
 * one of those who waited works for all of them. So under load there is one call
 * for each time that a call takes, however many ask.
 *
 *     if (!coalesce_join(coalescer, key, deadline_ns, &member)) {
 *         if (member.leads) {
 *             struct thing *result = coalesce_room(&member);
 *             ... work ...
 *             coalesce_share(&member, err, text, result, release);
 *         }
 *         ... use member.err, member.result ...
 *         coalesce_leave(&member);
 *     }
 *
 * Any thread. A result is read by several threads at once, and released by the
 * last of them. The memory of a call that has ended is kept for the next one: there is
 * as much of it as there were calls at one time, and no more is asked for.
 */
#ifndef LIB_BASE_COALESCE_H
#define LIB_BASE_COALESCE_H

#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum { COALESCE_KEY_MAX = 255 }; /* bytes of a key */

struct coalescer;

/* One who asks; on its thread's stack. */
struct coalesce_member {
    bool leads;         /* it must work, and then call coalesce_share */
    enum app_err err;   /* once shared: what the work came to, */
    const void *result; /* what it gave, valid until coalesce_leave, */
    const char *text;   /* and the words for an error, valid as long; "" when there are none */
    /* Private: */
    struct coalescer *coalescer;
    struct coalesce_group *group;
    struct coalesce_member *next; /* in the group's list of those who wait */
    bool woken;                   /* leads, or has the result */
    sem_t wake;
};

/* `room`: how many bytes coalesce_room has. APP_NO_MEMORY. */
enum app_err coalescer_new(size_t room, struct coalescer **coalescer)
    __attribute__((warn_unused_result));
/* Nobody may be in it any more. NULLs the caller's pointer. NULL allowed. */
void coalescer_free(struct coalescer **coalescer);

/*
 * Ask for `key`: returns when the member leads, or has its result.
 * APP_UPSTREAM_TIMEOUT: neither until the deadline; APP_NO_MEMORY. Only after
 * APP_OK must coalesce_leave be called.
 */
enum app_err coalesce_join(struct coalescer *coalescer, const char *key, int64_t deadline_ns,
                           struct coalesce_member *member) __attribute__((warn_unused_result));

/*
 * Where the leader may make its result, aligned for anything; what is in it is not
 * told. Valid for as long as the result.
 */
void *coalesce_room(const struct coalesce_member *member);

/*
 * The leader's result, for all of its group. `release` is called with `result`
 * when the last has left (NULL: not at all); `text` is copied, cut if it is long.
 */
void coalesce_share(struct coalesce_member *member, enum app_err err, const char *text,
                    void *result, void (*release)(void *result));

void coalesce_leave(struct coalesce_member *member);

#endif

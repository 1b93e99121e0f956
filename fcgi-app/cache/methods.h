/* SPDX-License-Identifier: MIT */
/*
 * What each method of the service does with a request's bytes: from a message
 * in pieces to a status and a message. Knows the store and the messages, not
 * the server. Any thread.
 */
#ifndef CACHE_METHODS_H
#define CACHE_METHODS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <grpc/status.h>

#include "cache/content.h"
#include "cache/store.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/wire/cache_item.h"

enum method { METHOD_GET, METHOD_PUT, METHOD_EXISTS, METHOD_CHECK, METHOD_HEALTH, METHOD__MAX };

/* "/Cache/Get" and so on. Static. */
const char *method_path(enum method method);

/* What goes back. The message is `head`, then `data`; none unless status is OK. */
struct answer {
    grpc_status_code status;
    char words[ERR_TEXT_MAX]; /* of a status that is not OK */
    uint8_t head[WIRE_CACHE_ITEM_HEAD_MAX + LIMIT_CACHE_FOREIGN_ID];
    size_t head_len;
    struct content *content;  /* a reference that is the caller's; NULL: no data */
    enum app_err err;         /* of the call, for what is counted */
    enum app_err store_error; /* of the store, if that failed; Check goes well then */
    size_t received;          /* bytes that were stored */
};

/* An answer without a message or an error so far. */
void answer_init(struct answer *answer);

/* Fill `answer`, which is initialised, whatever happens, and log the call in one record. */
void method_run(enum method method, struct store *store, const struct iovec *pieces, size_t count,
                const struct log *log, struct answer *answer);

/* Make `answer` a failure, giving up its content. */
void answer_fail(struct answer *answer, enum app_err err, grpc_status_code status,
                 const char *words);

#endif

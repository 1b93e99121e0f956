/* SPDX-License-Identifier: MIT */
/*
 * A gRPC client that sends whatever bytes a test wants to whatever method, to
 * show a server what no decent client would. One thread at a time.
 */
#ifndef SUPPORT_GRPC_CLIENT_H
#define SUPPORT_GRPC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/rpc/tls.h"

struct grpc_client;

struct grpc_client_options {
    const char *address;
    bool compress;      /* messages by gzip */
    bool patient;       /* a call waits for the connection, whose first attempts may fail */
    struct rpc_tls tls; /* zeroed: a plain connection */
};

struct grpc_client *grpc_client_new(const struct grpc_client_options *options);
/* Closes the connection. NULLs the pointer. */
void grpc_client_free(struct grpc_client **client);

/* An answer; `message` is malloc'ed, NULL when there was none. */
struct grpc_client_answer {
    int status; /* gRPC's number */
    char words[256];
    char *message;
    size_t len;
};

/* Call `method` ("/Cache/Get") and wait. Frees what `answer` holds of a call before. */
void grpc_client_call(struct grpc_client *client, const char *method, const void *message,
                      size_t len, struct grpc_client_answer *answer);
void grpc_client_answer_release(struct grpc_client_answer *answer);

/*
 * Start `count` equal calls and read nothing for `idle_ms`, then take all
 * answers. Returns how many had `status`.
 */
size_t grpc_client_neglect(struct grpc_client *client, const char *method, const void *message,
                           size_t len, size_t count, int64_t idle_ms, int status);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * An answer as FCGI_STDOUT records of up to 64 KiB, straight from the caller's memory, with
 * the records that end the stream and the request behind them. A small answer leaves in one
 * call. Nothing here waits: what a slow reader leaves is sent later, or copied to be.
 */
#ifndef LIB_FCGI_SENDER_H
#define LIB_FCGI_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "lib/fcgi/protocol.h"

enum { SENDER_BATCH = 64 }; /* parts of one record; of many tiny pieces it holds fewer bytes */

enum sender_result {
    SENDER_DONE,
    SENDER_BLOCKED, /* the socket takes no more now */
    SENDER_GONE     /* the peer is gone */
};

/* Public for its size only. The head and the pieces must outlive it. */
struct sender {
    int id;
    struct iovec head;
    const struct iovec *pieces;
    size_t count;
    size_t offset;  /* into the head, while it has bytes left, or the first of the pieces */
    bool has_ended; /* the last parts are in the message */
    unsigned char header[FCGI_HEADER_LEN];
    unsigned char end[FCGI_HEADER_LEN + PROTOCOL_SHORT_LEN];
    struct iovec parts[1 + SENDER_BATCH + 1];
    struct msghdr message; /* what of the parts is not sent yet */
};

void sender_init(struct sender *sender, int id, const char *head, size_t head_len,
                 const struct iovec *pieces, size_t count);

/* Send what the socket takes. Never raises SIGPIPE. */
enum sender_result sender_push(struct sender *sender, int fd);

/* How many bytes are left to send, records' headers included. */
size_t sender_left(const struct sender *sender);

/* Write them into `out`, which has room for all; the sender is done then. */
void sender_copy_left(struct sender *sender, char *out);

/*
 * Whether the peer has closed the connection and had read everything by then: lighttpd
 * does not wait for the stream's end once it has what Content-Length says.
 */
bool sender_peer_has_all(int fd);

#endif

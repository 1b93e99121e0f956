/* SPDX-License-Identifier: MIT */
/*
 * Large answers as FCGI_STDOUT records of up to 64 KiB, straight from the
 * caller's memory. libfcgi would copy them into its buffer of 8 KiB and make a
 * write(2) of each; for 1 MB that costs up to twice the CPU time.
 */
#ifndef LIB_FCGI_SENDER_H
#define LIB_FCGI_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct sender_limits {
    int64_t stall_ms; /* for the peer to take something */
    int64_t total_ms; /* for the whole */
};

/*
 * Send `head` and the pieces, then wait until the socket takes a few bytes more,
 * so that what ends the request does not block. The stream's end is not sent.
 * False: the peer is gone, or too slow. One that has gone after it had read all of
 * it was answered: true. Never raises SIGPIPE.
 */
bool sender_send_stdout(int fd, int request_id, const struct sender_limits *limits,
                        const char *head, size_t head_len, const struct iovec *pieces,
                        size_t count);

/*
 * Whether the peer has closed the connection and had read everything by then: lighttpd
 * does not wait for the stream's end once it has what Content-Length says.
 */
bool sender_peer_has_all(int fd);

#endif

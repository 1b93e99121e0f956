/* SPDX-License-Identifier: MIT */
/* A record is filled from as many pieces as it needs, and sent with its header in one call. */
#include "lib/fcgi/sender.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "lib/fcgi/protocol.h"

enum { BATCH = 64 }; /* parts of one record; of many tiny pieces it holds fewer bytes */

struct source {
    const struct iovec *head; /* comes first; NULL when it is used up */
    const struct iovec *pieces;
    size_t count;
    size_t offset; /* into the head or the first of the pieces */
};

struct sink {
    int fd;
    int request_id;
    int64_t stall_ms;
    int64_t deadline_ns;
};

static bool wait_writable(const struct sink *sink)
{
    int64_t until = deadline_min(sink->deadline_ns, deadline_in_ms(sink->stall_ms));
    struct pollfd writable = {sink->fd, POLLOUT, 0};
    int ready;
    do
        ready = poll(&writable, 1, (int)deadline_left_ms(until));
    while (ready < 0 && errno == EINTR);
    return ready > 0 && !(writable.revents & (POLLERR | POLLHUP));
}

/* Step over `sent` bytes of the parts. */
static void advance(struct msghdr *message, size_t sent)
{
    while (message->msg_iovlen > 0 && sent >= message->msg_iov->iov_len) {
        sent -= message->msg_iov->iov_len;
        message->msg_iov++;
        message->msg_iovlen--;
    }
    if (message->msg_iovlen > 0) {
        message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + sent;
        message->msg_iov->iov_len -= sent;
    }
}

static bool send_all(const struct sink *sink, struct iovec *parts, size_t count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    while (message.msg_iovlen > 0) {
        /* Not blocking, for SO_SNDTIMEO bounds a part of a call only. */
        ssize_t sent = sendmsg(sink->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0)
            advance(&message, (size_t)sent);
        else if (errno == EAGAIN ? !wait_writable(sink) : errno != EINTR)
            return false;
    }
    return true;
}

static void next_piece(struct source *source)
{
    source->offset = 0;
    if (source->head) {
        source->head = NULL;
    } else {
        source->pieces++;
        source->count--;
    }
}

/* Move up to one record's bytes from the source into parts; returns how many parts. */
static size_t take_parts(struct source *source, struct iovec *parts, size_t *len)
{
    size_t used = 0;
    *len = 0;
    while (used < BATCH && (source->head || source->count > 0) && *len < PROTOCOL_CONTENT_MAX) {
        const struct iovec *piece = source->head ? source->head : source->pieces;
        size_t left = piece->iov_len - source->offset;
        size_t room = PROTOCOL_CONTENT_MAX - *len;
        size_t take = left < room ? left : room;
        if (take > 0)
            parts[used++] = (struct iovec){(char *)piece->iov_base + source->offset, take};
        *len += take;
        source->offset += take;
        if (take == left)
            next_piece(source);
    }
    return used;
}

static bool send_records(const struct sink *sink, struct source *source)
{
    unsigned char header[PROTOCOL_HEADER_LEN];
    struct iovec parts[1 + BATCH];
    size_t len;
    size_t used;
    while ((used = take_parts(source, parts + 1, &len)) > 0) {
        protocol_write_header(header, RECORD_STDOUT, sink->request_id, len);
        parts[0] = (struct iovec){header, sizeof(header)};
        if (!send_all(sink, parts, used + 1))
            return false;
    }
    return true;
}

bool sender_peer_has_all(int fd)
{
    /* A close over unread bytes would have reset the connection, which is an error to poll. */
    struct pollfd closed = {fd, 0, 0};
    return poll(&closed, 1, 0) > 0 && (closed.revents & POLLHUP) && !(closed.revents & POLLERR);
}

bool sender_send_stdout(int fd, int request_id, const struct sender_limits *limits,
                        const char *head, size_t head_len, const struct iovec *pieces, size_t count)
{
    const struct sink sink = {fd, request_id, limits->stall_ms, deadline_in_ms(limits->total_ms)};
    union {
        const char *from;
        void *to;
    } base = {.from = head};
    const struct iovec first = {base.to, head_len};
    struct source source = {&first, pieces, count, 0};
    return send_records(&sink, &source) && (wait_writable(&sink) || sender_peer_has_all(fd));
}

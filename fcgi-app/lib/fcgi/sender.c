/* SPDX-License-Identifier: MIT */
/* A record is filled from as many pieces as it needs, and sent with its header in one call. */
#include "lib/fcgi/sender.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

void sender_init(struct sender *sender, int id, const char *head, size_t head_len,
                 const struct iovec *pieces, size_t count)
{
    union {
        const char *from;
        void *to;
    } base = {.from = head};
    sender->id = id;
    sender->head = (struct iovec){base.to, head_len};
    sender->pieces = pieces;
    sender->count = count;
    sender->offset = 0;
    sender->has_ended = false;
    sender->message = (struct msghdr){.msg_iov = sender->parts};
    protocol_write_header(sender->end, FCGI_STDOUT, id, 0);
    protocol_write_end(sender->end + FCGI_HEADER_LEN, id, FCGI_REQUEST_COMPLETE);
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

/* The head's or a piece's bytes that come next; NULL when there are none. */
static const struct iovec *next_piece(struct sender *sender)
{
    if (sender->head.iov_len > 0)
        return &sender->head;
    while (sender->count > 0 && sender->pieces->iov_len == sender->offset) {
        sender->pieces++;
        sender->count--;
        sender->offset = 0;
    }
    return sender->count > 0 ? sender->pieces : NULL;
}

static void step_over(struct sender *sender, const struct iovec *piece, size_t bytes)
{
    sender->offset += bytes;
    if (piece == &sender->head && sender->offset == piece->iov_len) {
        sender->head.iov_len = 0;
        sender->offset = 0;
    }
}

/* Make the next record the message; with the last one go the ends. False: there is none. */
static bool fill(struct sender *sender)
{
    size_t used = 1, len = 0;
    const struct iovec *piece = NULL;
    if (sender->has_ended)
        return false;
    while (used <= SENDER_BATCH && len < PROTOCOL_CONTENT_MAX && (piece = next_piece(sender))) {
        size_t left = piece->iov_len - sender->offset;
        size_t room = PROTOCOL_CONTENT_MAX - len;
        size_t take = left < room ? left : room;
        sender->parts[used++] = (struct iovec){(char *)piece->iov_base + sender->offset, take};
        len += take;
        step_over(sender, piece, take);
    }
    protocol_write_header(sender->header, FCGI_STDOUT, sender->id, len);
    sender->parts[0] = (struct iovec){sender->header, sizeof(sender->header)};
    if (!next_piece(sender)) {
        sender->parts[used++] = (struct iovec){sender->end, sizeof(sender->end)};
        sender->has_ended = true;
    }
    sender->message.msg_iov = sender->parts;
    sender->message.msg_iovlen = used;
    return true;
}

enum sender_result sender_push(struct sender *sender, int fd)
{
    while (sender->message.msg_iovlen > 0 || fill(sender)) {
        ssize_t sent = sendmsg(fd, &sender->message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0)
            advance(&sender->message, (size_t)sent);
        else if (errno == EAGAIN)
            return SENDER_BLOCKED;
        else if (errno != EINTR)
            return SENDER_GONE;
    }
    return SENDER_DONE;
}

static size_t message_len(const struct msghdr *message)
{
    size_t len = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        len += message->msg_iov[i].iov_len;
    return len;
}

size_t sender_left(const struct sender *sender)
{
    struct sender ahead = *sender;
    size_t left = 0;
    ahead.message.msg_iov = ahead.parts + (sender->message.msg_iov - sender->parts);
    do
        left += message_len(&ahead.message);
    while (fill(&ahead));
    return left;
}

void sender_copy_left(struct sender *sender, char *out)
{
    do {
        for (size_t i = 0; i < sender->message.msg_iovlen; i++) {
            const struct iovec *part = &sender->message.msg_iov[i];
            memcpy(out, part->iov_base, part->iov_len);
            out += part->iov_len;
        }
        sender->message.msg_iovlen = 0;
    } while (fill(sender));
}

bool sender_peer_has_all(int fd)
{
    /* A close over unread bytes would have reset the connection, which is an error to poll. */
    struct pollfd closed = {fd, 0, 0};
    return poll(&closed, 1, 0) > 0 && (closed.revents & POLLHUP) && !(closed.revents & POLLERR);
}

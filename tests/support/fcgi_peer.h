/* SPDX-License-Identifier: MIT */
/*
 * The web server's side of FastCGI, for tests: sends requests, also broken ones,
 * and reads answers. Plain and blocking; each wait for an answer has a time
 * limit. Needs nothing of the code under test.
 */
#ifndef TESTS_SUPPORT_FCGI_PEER_H
#define TESTS_SUPPORT_FCGI_PEER_H

#include <stdbool.h>
#include <stddef.h>

enum fcgi_record {
    FCGI_PEER_BEGIN = 1,
    FCGI_PEER_ABORT = 2,
    FCGI_PEER_END = 3,
    FCGI_PEER_PARAMS = 4,
    FCGI_PEER_STDIN = 5,
    FCGI_PEER_STDOUT = 6,
    FCGI_PEER_STDERR = 7,
    FCGI_PEER_GET_VALUES = 9
};

enum { FCGI_PEER_RESPONDER = 1, FCGI_PEER_KEEP = 1 };

/* What came back for one request. Zero it before the first use. */
struct fcgi_answer {
    bool ended;  /* END_REQUEST came; else the connection was closed, or time was up */
    bool closed; /* the connection was closed */
    int protocol_status;
    char *output; /* all of STDOUT, NUL-terminated */
    size_t output_len;
    char *body; /* points into output, behind the empty line; "" when there is none */
    size_t body_len;
    size_t records; /* of STDOUT with content */
};

/* Connect to a Unix path ("/..." or "unix:...") or "host:port" of digits; -1 with errno. */
int fcgi_peer_connect(const char *address);

/* Send bytes as they are; false when the other side is gone. Never raises SIGPIPE. */
bool fcgi_peer_send(int fd, const void *data, size_t len);

/* One record with `padding` zero bytes. */
bool fcgi_peer_record(int fd, int type, int id, const void *data, size_t len, unsigned padding);

bool fcgi_peer_begin(int fd, int id, int role, int flags);

/* NAME=value strings up to NULL, in one record or several, and the empty record. */
bool fcgi_peer_params(int fd, int id, const char *const *environment);

/* The body in records, and the empty record. */
bool fcgi_peer_stdin(int fd, int id, const void *body, size_t len);

/* All of it. CONTENT_LENGTH is the caller's business. */
bool fcgi_peer_request(int fd, int flags, const char *const *environment, const void *body,
                       size_t len);

/* The bytes of a whole request with id 1 in malloc'ed memory. */
char *fcgi_peer_encode(int flags, const char *const *environment, const void *body, size_t len,
                       size_t *encoded_len);

/* Read until END_REQUEST, the connection's end or `timeout_ms` of silence; true: END_REQUEST. */
bool fcgi_peer_receive(int fd, int timeout_ms, struct fcgi_answer *answer);

/* The number behind "Status:", 0 when there is none. */
int fcgi_answer_status(const struct fcgi_answer *answer);

/* Whether the head has this line, without its end. */
bool fcgi_answer_has_line(const struct fcgi_answer *answer, const char *line);

void fcgi_answer_release(struct fcgi_answer *answer);

/* Connect, GET `uri`, receive, close; true when an answer came whole. */
bool fcgi_peer_get(const char *address, const char *uri, struct fcgi_answer *answer);

#endif

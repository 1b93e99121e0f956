/* SPDX-License-Identifier: MIT */
/*
 * The parts of the FastCGI protocol (version 1) that this room does itself
 * beside libfcgi: the check of a request's beginning before the library reads
 * it, and the record headers of large answers. Pure, any thread.
 */
#ifndef LIB_FCGI_PROTOCOL_H
#define LIB_FCGI_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>

enum protocol_record {
    RECORD_BEGIN_REQUEST = 1,
    RECORD_ABORT_REQUEST = 2,
    RECORD_END_REQUEST = 3,
    RECORD_PARAMS = 4,
    RECORD_STDIN = 5,
    RECORD_STDOUT = 6,
    RECORD_STDERR = 7,
    RECORD_GET_VALUES = 9
};

enum {
    PROTOCOL_VERSION = 1,
    PROTOCOL_ROLE_RESPONDER = 1,
    PROTOCOL_KEEP_CONNECTION = 1, /* flag in BEGIN_REQUEST */
    PROTOCOL_HEADER_LEN = 8,
    PROTOCOL_CONTENT_MAX = 65528, /* the largest content that needs no padding */
    /* The longest beginning that is looked at: more variables than are answered with 431. */
    PROTOCOL_BEGINNING_MAX = 192 * 1024
};

enum beginning_state { BEGINNING_PARTIAL, BEGINNING_READY, BEGINNING_BAD };

struct beginning {
    bool complete;      /* READY: the end of standard input has come, too */
    const char *reason; /* BAD: what is wrong, static */
};

/*
 * Look at the bytes that a connection has brought so far: READY when they hold
 * BEGIN_REQUEST for a responder and all of PARAMS, well-formed throughout. libfcgi
 * trusts the lengths it reads and waits for them without a limit; of what is
 * READY it never has to wait for anything, and finds nothing to trip over. It does
 * not skip padding behind BEGIN_REQUEST and the end of PARAMS, and would take it for
 * a record, so that is BAD; no web server that we know sends any there.
 * `data` is scratch: its content is undefined afterwards.
 */
enum beginning_state protocol_check_beginning(unsigned char *data, size_t len,
                                              struct beginning *beginning);

/* Whether these bytes are an abort of that request, behind the end of its input or not. */
bool protocol_is_abort(const unsigned char *data, size_t len, int request_id);

/* Write the header of a record with `content_len` (at most 65535) bytes and no padding. */
void protocol_write_header(unsigned char out[PROTOCOL_HEADER_LEN], enum protocol_record type,
                           int request_id, size_t content_len);

#endif

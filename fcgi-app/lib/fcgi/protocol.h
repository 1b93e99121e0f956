/* SPDX-License-Identifier: MIT */
/*
 * The parts of FastCGI records: headers, name-value pairs, and the short records that
 * answer a web server itself. The numbers are those of libfcgi's fastcgi.h; sections are
 * of the FastCGI specification 1.0. Pure, any thread.
 */
#ifndef LIB_FCGI_PROTOCOL_H
#define LIB_FCGI_PROTOCOL_H

#include <fastcgi.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    PROTOCOL_CONTENT_MAX = 65528, /* the largest content that needs no padding */
    PROTOCOL_SHORT_LEN = 16,      /* END_REQUEST, UNKNOWN_TYPE */
    PROTOCOL_VALUES_MAX = 128     /* GET_VALUES_RESULT with all names that we know */
};

struct protocol_record {
    int type;
    int id;
    size_t content_len;
    size_t padding_len;
};

/* Read a record's header (3.3); false: not version 1. */
bool protocol_read_header(const unsigned char header[FCGI_HEADER_LEN],
                          struct protocol_record *record);

/* Write the header of a record with `content_len` (at most 65535) bytes and no padding. */
void protocol_write_header(unsigned char out[FCGI_HEADER_LEN], int type, int id,
                           size_t content_len);

/* A name and its value within the bytes that were read. */
struct protocol_pair {
    char *name;
    size_t name_len;
    char *value;
    size_t value_len;
};

enum pair_state { PAIR_END, PAIR_READ, PAIR_BROKEN };

/* Read the pair at `*at` (3.4) and step over it. PAIR_BROKEN: it goes beyond `end`. */
enum pair_state protocol_next_pair(char **at, const char *end, struct protocol_pair *pair);

/* END_REQUEST (5.5) with FCGI_REQUEST_COMPLETE, FCGI_CANT_MPX_CONN or FCGI_UNKNOWN_ROLE. */
void protocol_write_end(unsigned char out[PROTOCOL_SHORT_LEN], int id, int status);

/* UNKNOWN_TYPE (4.2). */
void protocol_write_unknown_type(unsigned char out[PROTOCOL_SHORT_LEN], int type);

/*
 * GET_VALUES_RESULT (4.1) for the question in `pairs`, whose end may be missing: of the names
 * asked for those that the specification defines. One request at a time on a connection,
 * `connections` of them. Returns the record's length.
 */
size_t protocol_write_values(unsigned char out[PROTOCOL_VALUES_MAX], char *pairs, size_t len,
                             unsigned connections);

/* Whether these bytes are an abort of that request, behind the end of its input or not. */
bool protocol_is_abort(const unsigned char *data, size_t len, int id);

#endif

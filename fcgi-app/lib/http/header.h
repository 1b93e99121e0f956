/* SPDX-License-Identifier: MIT */
/* One header field, of HTTP or of gRPC's metadata, as a sender hands it on. */
#ifndef LIB_HTTP_HEADER_H
#define LIB_HTTP_HEADER_H

struct http_header {
    const char *name;
    const char *value;
};

#endif

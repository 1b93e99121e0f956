/* SPDX-License-Identifier: MIT */
/* The names of HTTP status codes (RFC 9110, RFC 6585). Pure. */
#ifndef LIB_HTTP_STATUS_H
#define LIB_HTTP_STATUS_H

/* "OK" for 200, ...; "Unknown" for a status that this service does not use. Static. */
const char *http_status_reason(int status);

#endif

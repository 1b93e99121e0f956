/* SPDX-License-Identifier: MIT */
/* Words for the client when an upstream fails: the name of the upstream, and nothing it said. */
#ifndef API_CLIENTS_UPSTREAM_ERROR_H
#define API_CLIENTS_UPSTREAM_ERROR_H

#include "lib/base/err.h"

/*
 * Give a timeout or failure its text: "the cache did not answer in time". Other errors
 * keep the text that they have. Returns `err`. Any thread.
 */
enum app_err upstream_error(struct err_buf *why, enum app_err err, const char *upstream);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The API's side of CORS: puts what lib/http/cors decides by ALLOW_ORIGIN into
 * the answer, before anything else is known of it, so that errors have it too.
 * Any thread.
 */
#ifndef API_CROSS_ORIGIN_H
#define API_CROSS_ORIGIN_H

#include <stdbool.h>

#include "api/app.h"

/*
 * Add the headers for the request's Origin. `*answered` becomes true when the
 * request was a preflight (OPTIONS with Access-Control-Request-Method), which is
 * answered here and is nobody else's business: it carries no token, and asks for
 * a path and not for a route. Errors as response_header and response_send.
 */
enum app_err cross_origin_begin(struct exchange *exchange, bool *answered)
    __attribute__((warn_unused_result));

#endif

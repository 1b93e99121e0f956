/* SPDX-License-Identifier: MIT */
/*
 * From a request to its route: the three functions that the FastCGI worker
 * threads call. `context` is the struct app.
 */
#ifndef API_HANDLER_H
#define API_HANDLER_H

#include "api/app.h"

/* A thread's own handles: a struct worker. APP_NO_MEMORY, APP_INTERNAL. */
enum app_err handler_worker_init(void *context, void **worker, struct err_buf *why);
void handler_worker_release(void *context, void *worker);

/* Route, answer and log one request. */
void handler_handle(void *context, void *worker, struct request *request,
                    struct response *response);

#endif

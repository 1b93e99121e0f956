/* SPDX-License-Identifier: MIT */
/* Answers that several routes give. */
#ifndef API_ROUTES_ANSWER_H
#define API_ROUTES_ANSWER_H

#include <jansson.h>

#include "api/app.h"

/* Send `object` as application/json and release it. NULL (no memory): APP_NO_MEMORY. */
enum app_err answer_json(struct exchange *exchange, int status, json_t *object);

/* Send a short text. */
enum app_err answer_text(struct exchange *exchange, int status, const char *text);

#endif

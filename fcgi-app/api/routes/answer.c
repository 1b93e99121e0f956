/* SPDX-License-Identifier: MIT */
/* Thin wrappers, so that every route spells its content types alike. */
#include "api/routes/answer.h"

#include "lib/fcgi/response.h"
#include <stdlib.h>
#include <string.h>

enum app_err answer_json(struct exchange *exchange, int status, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (!text)
        return APP_NO_MEMORY;
    enum app_err err =
        response_send(exchange->response, status, "application/json", text, strlen(text));
    free(text);
    return err;
}

enum app_err answer_text(struct exchange *exchange, int status, const char *text)
{
    return response_send(exchange->response, status, "text/plain; charset=utf-8", text,
                         strlen(text));
}

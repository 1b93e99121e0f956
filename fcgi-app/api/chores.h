/* SPDX-License-Identifier: MIT */
/*
 * What emojify-api does beside answering requests: the table of its chores
 * (chores.c), each run by one thread again and again. A new one is a row there.
 *
 * chores_start once everything that they use is up, chores_stop before it goes.
 */
#ifndef API_CHORES_H
#define API_CHORES_H

#include "lib/base/err.h"

struct app;

/* Fills app->chores. APP_NO_MEMORY. */
enum app_err chores_start(struct app *app) __attribute__((warn_unused_result));
/* Safe when there are none. */
void chores_stop(struct app *app);

#endif

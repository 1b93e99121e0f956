/* SPDX-License-Identifier: MIT */
/*
 * For tests that ask a real client program what it makes of our bytes. A failure
 * to start or write anything fails the test at once.
 */
#ifndef TESTS_SUPPORT_COMMAND_H
#define TESTS_SUPPORT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

/* Whether the shell finds a program of this name. */
bool command_exists(const char *name);

/*
 * Run a shell command and append its standard output and error to `out`, with
 * room for it. Returns its exit status, -1 when it died of a signal.
 */
int command_run(const char *command, struct buf *out);

/* A new file with this content; its path is written to `path`. The caller unlinks it. */
void command_file(const void *data, size_t len, char path[64]);

#endif

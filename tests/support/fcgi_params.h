/* SPDX-License-Identifier: MIT */
/* CGI variables as FastCGI encodes them, for what takes a request's raw variables. */
#ifndef TESTS_SUPPORT_FCGI_PARAMS_H
#define TESTS_SUPPORT_FCGI_PARAMS_H

#include <stddef.h>

/*
 * Encode NAME=value strings up to NULL as name-value pairs, with one byte more than
 * `*len` behind them. The caller frees it. Aborts when there is no memory.
 */
char *fcgi_params_encode(const char *const *environment, size_t *len);

#endif

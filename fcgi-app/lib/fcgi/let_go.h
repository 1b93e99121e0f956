/* SPDX-License-Identifier: MIT */
/* How a server that stops leaves its listening socket, so that nobody is let in and then lost. */
#ifndef LIB_FCGI_LET_GO_H
#define LIB_FCGI_LET_GO_H

#include <stdbool.h>

enum let_go_way {
    LET_GO_SHUT,  /* nobody else can come; those who wait are still accepted */
    LET_GO_CLOSED /* the descriptor is /dev/null's; where others have the socket they serve it */
};

/*
 * `is_own`: no other process has the socket, so that it may be shut. Blocks for up to a
 * second, while other threads accept those who wait at a socket that cannot be shut.
 */
enum let_go_way let_go_of_listener(int fd, bool is_tcp, bool is_own);

#endif

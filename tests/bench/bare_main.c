/* SPDX-License-Identifier: MIT */
/*
 * The least that a FastCGI program can do to have a web server send a file: it names the
 * file and does nothing else, with libfcgi alone. What it costs is what asking any
 * application costs, so the local tier is held against it.
 *
 *     bare SOCKET DIRECTORY
 *
 * A request for .../NAME is answered with DIRECTORY/NAME. Ended by a signal.
 */
#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 8, BACKLOG = 1024 };

static int listen_fd;
static const char *directory;

static void *serve(void *unused)
{
    FCGX_Request request;
    (void)unused;
    FCGX_InitRequest(&request, listen_fd, 0);
    while (FCGX_Accept_r(&request) == 0) {
        const char *uri = FCGX_GetParam("REQUEST_URI", request.envp);
        const char *slash = uri ? strrchr(uri, '/') : NULL;
        FCGX_FPrintF(request.out,
                     "Status: 200 OK\r\nContent-Type: image/jpeg\r\nX-Sendfile: %s%s\r\n\r\n",
                     directory, slash ? slash : "/");
        FCGX_Finish_r(&request);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    if (argc != 3) {
        fprintf(stderr, "usage: bare SOCKET DIRECTORY\n");
        return 2;
    }
    directory = argv[2];
    if (FCGX_Init() != 0 || signal(SIGTERM, SIG_DFL) == SIG_ERR ||
        /* it would not end by it */ (listen_fd = FCGX_OpenSocket(argv[1], BACKLOG)) < 0)
        return EXIT_FAILURE;
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, serve, NULL) != 0)
            return EXIT_FAILURE;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return EXIT_SUCCESS;
}

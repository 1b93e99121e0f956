/* SPDX-License-Identifier: MIT */
/*
 * GETs from a FastCGI program without a web server, as lighttpd would ask it: with a
 * connection for each request, and its variables.
 *
 *     fcgi [options] SOCKET PATH
 *       -n N             requests (1)
 *       -c N             at the same time (1)
 *       -f FILES         (1) a %d in PATH stands for 1 to FILES, in turn
 *       -e NAME=VALUE    a further variable; repeatable
 *
 * Ends with 1 and a line when any was answered with 400 and above, or not at all.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/fcgi_peer.h"

enum { THREADS_MAX = 64, VARIABLES_MAX = 64, TEXT_MAX = 1024, PATIENCE_MS = 60 * 1000 };

static const char *variables[VARIABLES_MAX] = {
    NULL, /* REQUEST_URI */
    "REQUEST_METHOD=GET",
    "QUERY_STRING=",
    "CONTENT_LENGTH=0",
    "GATEWAY_INTERFACE=CGI/1.1",
    "SERVER_SOFTWARE=lighttpd/1.4.69",
    "SERVER_PROTOCOL=HTTP/1.1",
    "SERVER_NAME=127.0.0.1",
    "SERVER_ADDR=127.0.0.1",
    "SERVER_PORT=8080",
    "REMOTE_ADDR=127.0.0.1",
    "REMOTE_PORT=40000",
    "REQUEST_SCHEME=http",
    "DOCUMENT_ROOT=/var/www/html",
    "REDIRECT_STATUS=200",
    "HTTP_HOST=127.0.0.1",
};
static size_t variable_count = 16;

static struct {
    const char *socket;
    const char *path;
    unsigned long requests;
    unsigned long threads;
    unsigned long files;
} options = {.requests = 1, .threads = 1, .files = 1};

static atomic_ulong next_request, errors;

static void die(const char *what)
{
    fprintf(stderr, "fcgi: %s\n", what);
    exit(EXIT_FAILURE);
}

static void make_uri(char uri[TEXT_MAX], unsigned long file)
{
    const char *number = strstr(options.path, "%d");
    int before = number ? (int)(number - options.path) : (int)strlen(options.path);
    int len = snprintf(uri, TEXT_MAX, "REQUEST_URI=%.*s", before, options.path);
    if (number && len > 0 && len < TEXT_MAX)
        (void)snprintf(uri + len, (size_t)(TEXT_MAX - len), "%lu%s", file, number + 2);
}

static void request(unsigned long number)
{
    char uri[TEXT_MAX];
    const char *environment[VARIABLES_MAX];
    struct fcgi_answer answer = {0};
    memcpy(environment, variables, sizeof(variables));
    make_uri(uri, number % options.files + 1);
    environment[0] = uri;
    int fd = fcgi_peer_connect(options.socket);
    if (fd < 0)
        die("cannot connect");
    if (!fcgi_peer_request(fd, 0, environment, NULL, 0) ||
        !fcgi_peer_receive(fd, PATIENCE_MS, &answer) || fcgi_answer_status(&answer) == 0 ||
        fcgi_answer_status(&answer) >= 400)
        atomic_fetch_add(&errors, 1);
    fcgi_answer_release(&answer);
    (void)close(fd);
}

static void *run(void *unused)
{
    (void)unused;
    for (;;) {
        unsigned long number = atomic_fetch_add(&next_request, 1);
        if (number >= options.requests)
            return NULL;
        request(number);
    }
}

static void read_arguments(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "n:c:f:e:")) != -1) {
        if (option == 'n')
            options.requests = strtoul(optarg, NULL, 10);
        else if (option == 'c')
            options.threads = strtoul(optarg, NULL, 10);
        else if (option == 'f')
            options.files = strtoul(optarg, NULL, 10);
        else if (option == 'e' && variable_count < VARIABLES_MAX - 1)
            variables[variable_count++] = optarg;
        else
            exit(2);
    }
    if (argc - optind != 2 || options.threads < 1 || options.threads > THREADS_MAX ||
        options.files < 1)
        die("usage: fcgi [-n N] [-c N] [-f FILES] [-e NAME=VALUE] SOCKET PATH");
    options.socket = argv[optind];
    options.path = argv[optind + 1];
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MAX];
    read_arguments(argc, argv);
    for (unsigned long i = 0; i < options.threads; i++) {
        if (pthread_create(&threads[i], NULL, run, NULL) != 0)
            die("no thread");
    }
    for (unsigned long i = 0; i < options.threads; i++)
        (void)pthread_join(threads[i], NULL);
    if (errors > 0)
        fprintf(stderr, "fcgi: %lu of %lu failed\n", (unsigned long)errors, options.requests);
    return errors > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

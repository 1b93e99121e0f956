/* SPDX-License-Identifier: MIT */
/* redis-server and redis-cli as child processes. */
#include "support/redis_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/process.h"

enum { PATIENCE_MS = 20000, WORDS_MAX = 8, FIXED_MAX = 16, OPTIONS_MAX = 16 };

bool redis_server_is_installed(void)
{
    return access("/usr/bin/redis-server", X_OK) == 0;
}

static uint16_t free_port(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    close(fd);
    return ntohs(name.sin_port);
}

void redis_server_init(struct redis_server *server, const struct temp_dir *dir)
{
    *server = (struct redis_server){.port = free_port()};
    temp_dir_path(dir, "redis.sock", server->socket);
}

static bool answers(const struct redis_server *server)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%.107s", server->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0;
    close(fd);
    return connected;
}

void redis_server_start(struct redis_server *server, const char *const *options)
{
    char port[8];
    char dir[PATH_MAX];
    (void)snprintf(port, sizeof(port), "%u", server->port);
    (void)snprintf(dir, sizeof(dir), "%s", server->socket);
    *strrchr(dir, '/') = '\0';
    /* setpriv, because a test that is killed must not leave it behind. */
    const char *arguments[FIXED_MAX + OPTIONS_MAX + 1] = {
        "/usr/bin/setpriv",
        "--pdeathsig",
        "KILL",
        "/usr/bin/redis-server",
        "--port",
        port,
        "--bind",
        "127.0.0.1",
        "--dir",
        dir,
        "--unixsocket",
        server->socket,
        "--save",
        "",
        "--logfile",
        "redis.log",
    };
    size_t count = 0;
    while (arguments[count])
        count++;
    for (size_t i = 0; options && options[i]; i++) {
        assert_true(i < OPTIONS_MAX);
        arguments[count++] = options[i];
    }
    (void)unlink(server->socket);
    server->pid =
        process_start(&(struct process_options){.arguments = arguments, .in = -1, .out = -1});
    assert_true(server->pid > 0);
    int64_t deadline = deadline_in_ms(PATIENCE_MS);
    while (!answers(server)) {
        assert_true(clock_now_ns() < deadline);
        sleep_ms(5);
    }
}

void redis_server_kill(struct redis_server *server)
{
    if (server->pid == 0)
        return;
    assert_int_equal(kill(server->pid, SIGKILL), 0);
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    server->pid = 0;
}

void redis_server_freeze(struct redis_server *server)
{
    assert_int_equal(kill(server->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(server->pid, NULL, WUNTRACED), server->pid);
}

void redis_server_thaw(struct redis_server *server)
{
    assert_int_equal(kill(server->pid, SIGCONT), 0);
}

void redis_server_ask(const struct redis_server *server, const char *const *words, char *out,
                      size_t size)
{
    const char *arguments[4 + WORDS_MAX + 1] = {"/usr/bin/redis-cli", "--raw", "-s",
                                                server->socket};
    for (size_t i = 0; words[i]; i++) {
        assert_true(i < WORDS_MAX);
        arguments[4 + i] = words[i];
    }
    assert_int_equal(process_run(arguments, NULL, true, out, size), 0);
    size_t len = strlen(out);
    if (len > 0 && out[len - 1] == '\n')
        out[len - 1] = '\0';
}

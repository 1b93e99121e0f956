/* SPDX-License-Identifier: MIT */
#include "lib/base/service_manager.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/cmocka.h"

/* A manager's socket of that name; '@' in front stands for the abstract namespace. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    return fd;
}

static void assert_told(int fd, const char *expected)
{
    char got[64] = "";
    assert_int_equal(recv(fd, got, sizeof(got) - 1, 0), (int)strlen(expected));
    assert_string_equal(got, expected);
    assert_true(recv(fd, got, sizeof(got), 0) < 0); /* once */
}

static void the_socket_of_the_environment_is_told(void **state)
{
    (void)state;
    char names[2][64];
    (void)snprintf(names[0], sizeof(names[0]), "/tmp/test-manager-%d", (int)getpid());
    (void)snprintf(names[1], sizeof(names[1]), "@test-manager-%d", (int)getpid());
    for (size_t i = 0; i < 2; i++) {
        int fd = listen_at(names[i]);
        assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
        service_manager_tell("READY=1");
        assert_told(fd, "READY=1");
        close(fd);
    }
    (void)unlink(names[0]);
}

static void nobody_to_tell_is_no_error(void **state)
{
    (void)state;
    char endless[300];
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    const char *const names[] = {"", "/nonexistent/socket", "@nobody-listens-here", endless};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
        service_manager_tell("READY=1");
    }
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    service_manager_tell("READY=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_socket_of_the_environment_is_told),
        cmocka_unit_test(nobody_to_tell_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

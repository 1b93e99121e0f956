/* SPDX-License-Identifier: MIT */
#include "lib/fcgi/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/fcgi_peer.h"

struct place {
    char directory[64];
    char path[96];
    char address[104]; /* "unix:" and the path */
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    if (!place)
        return -1;
    (void)snprintf(place->directory, sizeof(place->directory), "/tmp/fcgi-listen-XXXXXX");
    if (!mkdtemp(place->directory))
        return -1;
    (void)snprintf(place->path, sizeof(place->path), "%s/api.sock", place->directory);
    (void)snprintf(place->address, sizeof(place->address), "unix:%s", place->path);
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    (void)unlink(place->path);
    (void)rmdir(place->directory);
    free(place);
    return 0;
}

static mode_t mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static int must_listen(const char *address)
{
    int fd = -7;
    struct err_buf why = {0};
    if (fcgi_listen(address, &fd, &why) != APP_OK)
        fail_msg("%s", why.text);
    assert_true(fd >= 0);
    return fd;
}

static void assert_refused(const char *address, const char *reason)
{
    int fd = -7;
    struct err_buf why = {0};
    assert_int_equal(fcgi_listen(address, &fd, &why), APP_CONFIG);
    assert_int_equal(fd, -7);
    if (!strstr(why.text, reason))
        fail_msg("%s", why.text);
}

static void a_path_is_listened_on_with_mode_0600_whatever_the_umask(void **state)
{
    const struct place *place = *state;
    mode_t before = umask(0);
    int fd = must_listen(place->path);
    umask(before);
    assert_int_equal(mode_of(place->path), 0600);
    int peer = fcgi_peer_connect(place->path);
    assert_true(peer >= 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    (void)close(peer);
    fcgi_listen_release(place->path, fd);
    assert_int_equal(access(place->path, F_OK), -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void a_path_may_have_the_prefix_unix(void **state)
{
    const struct place *place = *state;
    int fd = must_listen(place->address);
    assert_int_equal(mode_of(place->path), 0600);
    fcgi_listen_release(place->address, fd);
    assert_int_equal(access(place->path, F_OK), -1);
}

static void a_stale_socket_is_replaced(void **state)
{
    const struct place *place = *state;
    int first = must_listen(place->path);
    (void)close(first);
    assert_int_equal(access(place->path, F_OK), 0);
    int second = must_listen(place->path);
    int peer = fcgi_peer_connect(place->path);
    assert_true(peer >= 0);
    (void)close(peer);
    fcgi_listen_release(place->path, second);
}

static void a_living_socket_is_not_replaced(void **state)
{
    const struct place *place = *state;
    int first = must_listen(place->path);
    assert_refused(place->path, "another process listens on");
    int peer = fcgi_peer_connect(place->path);
    assert_true(peer >= 0);
    (void)close(peer);
    fcgi_listen_release(place->path, first);
}

static void what_is_not_a_socket_is_left_alone(void **state)
{
    const struct place *place = *state;
    int file = open(place->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(file >= 0);
    (void)close(file);
    assert_refused(place->path, "is not a socket");
    assert_int_equal(access(place->path, F_OK), 0);
}

static void a_path_that_cannot_be_made_is_refused(void **state)
{
    const struct place *place = *state;
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/missing/api.sock", place->directory);
    assert_refused(path, "No such file or directory");
    assert_refused("unix:", "1 to 107 characters");
}

static void a_path_may_have_107_characters_and_no_more(void **state)
{
    const struct place *place = *state;
    char path[109];
    memset(path, 'x', sizeof(path));
    (void)snprintf(path, sizeof(path), "%s/", place->directory);
    path[strlen(path)] = 'x';
    path[107] = '\0';
    int fd = must_listen(path);
    fcgi_listen_release(path, fd);
    path[107] = 'x';
    path[108] = '\0';
    assert_refused(path, "1 to 107 characters");
}

static void a_host_and_port_are_listened_on(void **state)
{
    (void)state;
    static const char *const addresses[] = {"127.0.0.1:0", "localhost:0"};
    struct addrinfo *found = NULL;
    /* A bare chroot has no /etc/hosts, and then not even localhost is a name. */
    bool has_names = getaddrinfo("localhost", NULL, NULL, &found) == 0;
    if (has_names)
        freeaddrinfo(found);
    else
        print_message("no name can be looked up here: localhost is left out\n");
    for (size_t i = 0; i < (has_names ? 2 : 1); i++) {
        int fd = must_listen(addresses[i]);
        struct sockaddr_storage bound = {0};
        socklen_t len = sizeof(bound);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &len), 0);
        assert_true(bound.ss_family == AF_INET || bound.ss_family == AF_INET6);
        fcgi_listen_release(addresses[i], fd);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
    }
}

static void a_taken_port_is_refused(void **state)
{
    (void)state;
    int fd = must_listen("127.0.0.1:0");
    struct sockaddr_in bound = {0};
    socklen_t len = sizeof(bound);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &len), 0);
    char address[64];
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(bound.sin_port));
    assert_refused(address, "Address already in use");
    fcgi_listen_release(address, fd);
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const addresses[] = {
        "", "api.sock", "9000", "host:", "::1:9000", "h:9a", "h:-1"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        assert_refused(addresses[i], "neither a path");
    assert_refused("127.0.0.1:65536", "neither a path");
    assert_refused("127.0.0.1:99999999999", "neither a path");
    assert_refused("300.1.1.1.invalid:9000", "cannot listen on");
}

/* --- Standard input --- */

/* Put `fd` in the place of descriptor 0; the old one is returned. */
static int replace_stdin(int fd)
{
    int saved = fcntl(0, F_DUPFD_CLOEXEC, 3);
    assert_true(saved >= 0);
    assert_int_equal(dup2(fd, 0), 0);
    return saved;
}

static void restore_stdin(int saved)
{
    assert_int_equal(dup2(saved, 0), 0);
    (void)close(saved);
}

static void an_ordinary_standard_input_is_refused_with_a_hint(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(null >= 0);
    const int inputs[] = {null, pair[0]};
    for (size_t i = 0; i < 2; i++) {
        int saved = replace_stdin(inputs[i]);
        assert_refused(NULL, "standard input is not a listening socket");
        restore_stdin(saved);
    }
    (void)close(null);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

/* Listen as a web server does, with the mode that `mask` leaves, then inherit it. */
static mode_t inherited_mode(const struct place *place, mode_t mask)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    memcpy(sun.sun_path, place->path, strlen(place->path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    mode_t before = umask(mask);
    assert_int_equal(bind(fd, (const struct sockaddr *)&sun, sizeof(sun)), 0);
    umask(before);
    assert_int_equal(listen(fd, 8), 0);

    int saved = replace_stdin(fd);
    int inherited = -7;
    struct err_buf why = {0};
    enum app_err err = fcgi_listen(NULL, &inherited, &why);
    restore_stdin(saved);
    assert_int_equal(err, APP_OK);
    assert_int_equal(inherited, 0);
    mode_t mode = mode_of(place->path);
    (void)close(fd);
    assert_int_equal(unlink(place->path), 0);
    return mode;
}

static void an_inherited_socket_is_closed_to_others(void **state)
{
    const struct place *place = *state;
    assert_int_equal(inherited_mode(place, 022), 0600);
    assert_int_equal(inherited_mode(place, 0077), 0600);
}

static void a_group_that_may_write_to_an_inherited_socket_still_may(void **state)
{
    const struct place *place = *state;
    assert_int_equal(inherited_mode(place, 0), 0660);
    assert_int_equal(inherited_mode(place, 0117), 0660);
}

static void an_inherited_tcp_socket_is_taken(void **state)
{
    (void)state;
    int fd = must_listen("127.0.0.1:0");
    int saved = replace_stdin(fd);
    int inherited = -7;
    enum app_err err = fcgi_listen(NULL, &inherited, NULL);
    restore_stdin(saved);
    assert_int_equal(err, APP_OK);
    assert_int_equal(inherited, 0);
    (void)close(fd);
}

int main(void)
{
#define LISTEN_TEST(function) cmocka_unit_test_setup_teardown(function, make_place, remove_place)
    const struct CMUnitTest tests[] = {
        LISTEN_TEST(a_path_is_listened_on_with_mode_0600_whatever_the_umask),
        LISTEN_TEST(a_path_may_have_the_prefix_unix),
        LISTEN_TEST(a_stale_socket_is_replaced),
        LISTEN_TEST(a_living_socket_is_not_replaced),
        LISTEN_TEST(what_is_not_a_socket_is_left_alone),
        LISTEN_TEST(a_path_that_cannot_be_made_is_refused),
        LISTEN_TEST(a_path_may_have_107_characters_and_no_more),
        LISTEN_TEST(a_host_and_port_are_listened_on),
        LISTEN_TEST(a_taken_port_is_refused),
        LISTEN_TEST(what_is_no_address_is_refused),
        LISTEN_TEST(an_ordinary_standard_input_is_refused_with_a_hint),
        LISTEN_TEST(an_inherited_socket_is_closed_to_others),
        LISTEN_TEST(a_group_that_may_write_to_an_inherited_socket_still_may),
        LISTEN_TEST(an_inherited_tcp_socket_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

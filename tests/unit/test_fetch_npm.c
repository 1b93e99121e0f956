/* SPDX-License-Identifier: MIT */
/* Runs fcgi-app/fetch-npm.sh with an npm of our own in front of the real one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/cmocka.h"

struct fixture {
    char directory[40];
    char script[1024];
    char integrity[120]; /* of the tarball that the npm copies */
    char said[4096];     /* stdout and stderr of the last run */
};

/* Run in the fixture's directory; returns the exit status. */
static int run(struct fixture *fixture, const char *command)
{
    char line[2400];
    (void)snprintf(line, sizeof(line), "cd %s && { %s; } 2>&1", fixture->directory, command);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t len = fread(fixture->said, 1, sizeof(fixture->said) - 1, pipe);
    fixture->said[len] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void must_run(struct fixture *fixture, const char *command)
{
    if (run(fixture, command))
        fail_msg("%s: %s", command, fixture->said);
}

/* Our npm runs `work` in the directory in which it was called. */
static void install_npm(struct fixture *fixture, const char *work)
{
    char command[400];
    (void)snprintf(command, sizeof(command),
                   "printf '#!/bin/sh\\n%s\\n' >bin/npm && chmod 755 bin/npm", work);
    must_run(fixture, command);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char root[512];
    assert_non_null(fixture);
    assert_non_null(getcwd(root, sizeof(root)));
    (void)snprintf(fixture->script, sizeof(fixture->script), "%s/fcgi-app/fetch-npm.sh", root);
    (void)snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/test_fetch_npm.XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    must_run(fixture, "mkdir bin tmp package && echo wanted >package/file && :>package/empty && "
                      "tar -czf it.tgz package");
    must_run(fixture, "printf sha512-; openssl dgst -sha512 -binary it.tgz | base64 -w0");
    size_t len = strlen(fixture->said);
    assert_true(len < sizeof(fixture->integrity));
    memcpy(fixture->integrity, fixture->said, len + 1);
    install_npm(fixture, "cp ../../../it.tgz it-1.2.3.tgz");
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    must_run(fixture, "rm -rf \"$PWD\"");
    free(fixture);
    return 0;
}

static int fetch(struct fixture *fixture, const char *integrity, const char *path,
                 const char *search)
{
    char command[1600];
    (void)snprintf(command, sizeof(command),
                   "PATH=\"$PWD/%s\" TMPDIR=\"$PWD/tmp\" %s @some/it 1.2.3 %s %s new/output LOCAL",
                   search, fixture->script, integrity, path);
    return run(fixture, command);
}

#define OUR_NPM "bin:$PATH"

static void assert_refused(struct fixture *fixture, int status, const char *reason)
{
    assert_int_equal(status, 1);
    if (!strstr(fixture->said, reason))
        fail_msg("\"%s\" is not in: %s", reason, fixture->said);
    must_run(fixture, "find new tmp -type f 2>/dev/null || true");
    assert_string_equal(fixture->said, "");
}

static void the_file_is_taken_out_of_the_tarball_and_nothing_is_left(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(fetch(fixture, fixture->integrity, "package/file", OUR_NPM), 0);
    assert_string_equal(fixture->said, "");
    must_run(fixture, "cat new/* && ls tmp && stat -c %a new/output");
    assert_string_equal(fixture->said, "wanted\n644\n");
}

static void a_tarball_of_another_integrity_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char other[sizeof(fixture->integrity)];
    memcpy(other, fixture->integrity, sizeof(other));
    other[20] = other[20] == 'A' ? 'B' : 'A';
    assert_refused(fixture, fetch(fixture, other, "package/file", OUR_NPM), "SHA-512");
    assert_refused(fixture, fetch(fixture, "sha512-", "package/file", OUR_NPM), "SHA-512");
    assert_refused(fixture, fetch(fixture, "sha1-abcd", "package/file", OUR_NPM), "SHA-512");
}

static void a_file_that_the_tarball_lacks_is_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_refused(fixture, fetch(fixture, fixture->integrity, "package/else", OUR_NPM),
                   "no file package/else");
    assert_refused(fixture, fetch(fixture, fixture->integrity, "package/empty", OUR_NPM),
                   "no file package/empty");
}

static void without_a_network_or_npm_the_local_file_is_named(void **state)
{
    struct fixture *fixture = *state;
    install_npm(fixture, "echo ENOTFOUND; exit 1");
    int status = fetch(fixture, fixture->integrity, "package/file", OUR_NPM);
    assert_non_null(strstr(fixture->said, "ENOTFOUND"));
    assert_refused(fixture, status, "LOCAL=FILE");
    must_run(fixture, "rm bin/npm && for tool in mktemp rm sh; do ln -s /bin/$tool bin; done");
    assert_refused(fixture, fetch(fixture, fixture->integrity, "package/file", "bin"), "no npm");
}

static void without_arguments_it_says_how_to_call_it(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(run(fixture, fixture->script), 2);
    assert_non_null(strstr(fixture->said, "usage: fetch-npm.sh PACKAGE VERSION INTEGRITY"));
}

#define FETCH_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FETCH_TEST(the_file_is_taken_out_of_the_tarball_and_nothing_is_left),
        FETCH_TEST(a_tarball_of_another_integrity_is_refused),
        FETCH_TEST(a_file_that_the_tarball_lacks_is_refused),
        FETCH_TEST(without_a_network_or_npm_the_local_file_is_named),
        FETCH_TEST(without_arguments_it_says_how_to_call_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

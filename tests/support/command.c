/* SPDX-License-Identifier: MIT */
/* By popen: these are tests, where the shell is welcome. */
#include "support/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/cmocka.h"

bool command_exists(const char *name)
{
    char command[256];
    struct buf out;
    buf_init(&out, 4096);
    (void)snprintf(command, sizeof(command), "command -v %s", name);
    int status = command_run(command, &out);
    buf_release(&out);
    return status == 0;
}

int command_run(const char *command, struct buf *out)
{
    char chunk[4096];
    size_t len;
    char *whole = NULL;
    assert_true(asprintf(&whole, "{ %s\n} 2>&1", command) > 0);
    FILE *pipe = popen(whole, "re"); /* NOLINT(cert-env33-c): the command is the test's own */
    free(whole);
    assert_non_null(pipe);
    while ((len = fread(chunk, 1, sizeof(chunk), pipe)) > 0)
        assert_int_equal(buf_append(out, chunk, len), APP_OK);
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void command_file(const void *data, size_t len, char path[64])
{
    (void)snprintf(path, 64, "/tmp/emojify-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

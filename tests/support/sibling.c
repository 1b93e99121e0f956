/* SPDX-License-Identifier: MIT */
#include "support/sibling.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/jobs/table_private.h"
#include "support/cmocka.h"
#include "support/process.h"

enum { PATIENCE_MS = 10000, POLL_MS = 5 };

static struct log_sink silent = {.fd = -1, .level = LOG_OFF};

static struct table *open_table(const char *directory)
{
    const struct log log = {.sink = &silent, .module = "test"};
    const struct table_options options = {.directory = directory, .workers = 16, .log = &log};
    struct table *table = NULL;
    return table_new(&options, &table) ? NULL : table;
}

struct table *sibling_table(const char *directory)
{
    struct table *table = open_table(directory);
    assert_non_null(table);
    assert_true(table_is_shared(table));
    return table;
}

pid_t sibling_start(const char *directory, struct table *ours, void (*work)(struct table *table))
{
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t sibling = fork();
    if (sibling == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        table_free(&ours);
        struct table *table = open_table(directory);
        if (!table)
            _exit(1);
        work(table);
        (void)!write(ready[1], &byte, 1);
        for (;;)
            (void)pause();
    }
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    return sibling;
}

void sibling_kill(pid_t sibling)
{
    assert_int_equal(kill(sibling, SIGKILL), 0);
    assert_int_equal(waitpid(sibling, NULL, 0), sibling);
}

/* The kernel tells the system call that a thread is in, and its arguments. */
void sibling_await_waiting(const struct table *table, pid_t thread)
{
    char path[64], wanted[32], line[256];
    const struct table_memory *memory = atomic_load(&table->memory);
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)thread);
    (void)snprintf(wanted, sizeof(wanted), " 0x%" PRIxPTR " ", (uintptr_t)&memory->changes);
    for (int i = 0; i < PATIENCE_MS / POLL_MS; i++) {
        FILE *file = fopen(path, "re");
        if (file && fgets(line, sizeof(line), file) && strstr(line, wanted)) {
            (void)fclose(file);
            return;
        }
        if (file)
            (void)fclose(file);
        sleep_ms(POLL_MS);
    }
    fail_msg("nobody waits");
}

int sibling_set_up(void **state)
{
    static struct sibling_fixture fixture;
    temp_dir_init(&fixture.dir);
    fixture.table = sibling_table(fixture.dir.path);
    *state = &fixture;
    return 0;
}

int sibling_tear_down(void **state)
{
    struct sibling_fixture *fixture = *state;
    table_free(&fixture->table);
    temp_dir_release(&fixture->dir);
    return 0;
}

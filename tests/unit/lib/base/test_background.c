/* SPDX-License-Identifier: MIT */
/* In children, since a nice value cannot be lowered again. */
#include "lib/base/background.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The exit status of a child that runs `work`. */
static int in_child(int (*work)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(work());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The autogroup's nice value; -1: this kernel has no autogroups. */
static int autogroup_nice(void)
{
    int number, nice_value = -1;
    FILE *file = fopen("/proc/self/autogroup", "re");
    if (!file)
        return -1;
    if (fscanf(file, "/autogroup-%d nice %d", &number, &nice_value) != 2)
        nice_value = -1;
    (void)fclose(file);
    return nice_value;
}

static int enter(void)
{
    background_enter();
    return getpriority(PRIO_PROCESS, 0);
}

static int enter_when_lower_already(void)
{
    (void)setpriority(PRIO_PROCESS, 0, 16);
    return enter();
}

static int enter_in_own_session(void)
{
    if (setsid() < 0)
        return 99;
    background_enter();
    int nice_value = autogroup_nice();
    return nice_value < 0 ? BACKGROUND_NICE : nice_value;
}

/* Others of the session, such as a shell, must not be lowered. */
static int enter_in_session_of_another(void)
{
    int before = autogroup_nice();
    background_enter();
    return before == autogroup_nice() ? 0 : 1;
}

/* Or further, if whoever runs the test gives way already. */
static int expected_nice(void)
{
    int nice_now = getpriority(PRIO_PROCESS, 0);
    return nice_now > BACKGROUND_NICE ? nice_now : BACKGROUND_NICE;
}

static void the_process_gives_way(void **state)
{
    (void)state;
    assert_int_equal(in_child(enter), expected_nice());
}

static void what_gave_way_more_stays_so(void **state)
{
    (void)state;
    assert_int_equal(in_child(enter_when_lower_already), 16);
}

static void its_own_session_gives_way_too(void **state)
{
    (void)state;
    assert_int_equal(in_child(enter_in_own_session), BACKGROUND_NICE);
}

static void the_session_of_another_process_does_not(void **state)
{
    (void)state;
    assert_int_equal(in_child(enter_in_session_of_another), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_gives_way),
        cmocka_unit_test(what_gave_way_more_stays_so),
        cmocka_unit_test(its_own_session_gives_way_too),
        cmocka_unit_test(the_session_of_another_process_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

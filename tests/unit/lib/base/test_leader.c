/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/leader.h"

static char directory[] = "/tmp/test-leader-XXXXXX";
static char path[64];

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/leader", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory);
}

static void only_one_leads_until_it_steps_back(void **state)
{
    (void)state;
    struct leader one = LEADER_NONE, other = LEADER_NONE;
    assert_true(leader_is_us(&one, path));
    assert_true(leader_is_us(&one, path));
    assert_false(leader_is_us(&other, path));
    leader_release(&one);
    assert_true(leader_is_us(&other, path));
    assert_false(leader_is_us(&one, path));
    leader_release(&other);
}

static void who_leads_by_a_file_that_is_gone_steps_back(void **state)
{
    (void)state;
    struct leader one = LEADER_NONE, other = LEADER_NONE;
    assert_true(leader_is_us(&one, path));
    assert_int_equal(unlink(path), 0);
    assert_true(leader_is_us(&other, path));
    assert_false(leader_is_us(&one, path));
    leader_release(&other);
    assert_true(leader_is_us(&one, path));
    leader_release(&one);
}

static void nobody_leads_where_no_file_can_be(void **state)
{
    (void)state;
    struct leader one = LEADER_NONE;
    assert_false(leader_is_us(&one, "/proc/self/nothing/leader"));
    leader_release(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_one_leads_until_it_steps_back),
        cmocka_unit_test(who_leads_by_a_file_that_is_gone_steps_back),
        cmocka_unit_test(nobody_leads_where_no_file_can_be),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

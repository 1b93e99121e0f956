/* SPDX-License-Identifier: MIT */
#include "lib/telemetry/wait.h"

#include "support/cmocka.h"

struct heard {
    unsigned times;
    enum wait_kind kind;
    int64_t waited_ns;
    const void *return_address;
};

static void hear(void *context, enum wait_kind kind, int64_t waited_ns, const void *return_address)
{
    struct heard *heard = context;
    *heard = (struct heard){heard->times + 1, kind, waited_ns, return_address};
}

static void a_wait_is_told_with_kind_and_time(void **state)
{
    (void)state;
    struct heard heard = {.times = 0};
    const struct wait_hooks hooks = {hear, &heard};
    wait_set_hooks(&hooks);
    int64_t start_ns = clock_now_ns();
    struct wait outer = wait_begin(WAIT_QUEUE);
    struct wait inner = wait_begin(WAIT_LOCK);
    wait_end(&inner);
    assert_int_equal(heard.times, 1);
    assert_int_equal(heard.kind, WAIT_LOCK);
    wait_end(&outer);
    assert_int_equal(heard.times, 2);
    assert_int_equal(heard.kind, WAIT_QUEUE);
    assert_in_range(heard.waited_ns, 0, clock_now_ns() - start_ns);
    assert_non_null(heard.return_address);
    wait_set_hooks(NULL);
}

static void nobody_is_told_when_nobody_listens(void **state)
{
    (void)state;
    struct heard heard = {.times = 0};
    const struct wait_hooks hooks = {hear, &heard};
    struct wait before = wait_begin(WAIT_FETCH);
    assert_int_equal(before.since_ns, 0);
    wait_set_hooks(&hooks);
    wait_end(&before);
    struct wait during = wait_begin(WAIT_FETCH);
    wait_set_hooks(NULL);
    wait_end(&during);
    assert_int_equal(heard.times, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_is_told_with_kind_and_time),
        cmocka_unit_test(nobody_is_told_when_nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

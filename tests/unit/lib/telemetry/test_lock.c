/* SPDX-License-Identifier: MIT */
#include "lib/telemetry/lock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "support/cmocka.h"

struct heard {
    _Atomic unsigned times;
    enum wait_kind kind;
    int64_t waited_ns;
};

static void hear(void *context, enum wait_kind kind, int64_t waited_ns, const void *return_address)
{
    struct heard *heard = context;
    (void)return_address;
    heard->kind = kind;
    heard->waited_ns = waited_ns;
    atomic_fetch_add(&heard->times, 1);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *lock_and_unlock(void *has_begun)
{
    atomic_store((atomic_bool *)has_begun, true);
    lock_mutex(&mutex);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void a_free_lock_is_no_wait(void **state)
{
    (void)state;
    struct heard heard = {.times = 0};
    const struct wait_hooks hooks = {hear, &heard};
    wait_set_hooks(&hooks);
    lock_mutex(&mutex);
    assert_int_not_equal(pthread_mutex_trylock(&mutex), 0);
    pthread_mutex_unlock(&mutex);
    wait_set_hooks(NULL);
    assert_int_equal(heard.times, 0);
}

static void waiting_for_a_lock_is_told(void **state)
{
    (void)state;
    struct heard heard = {.times = 0};
    const struct wait_hooks hooks = {hear, &heard};
    atomic_bool has_begun = false;
    pthread_t thread;
    wait_set_hooks(&hooks);
    lock_mutex(&mutex);
    assert_int_equal(pthread_create(&thread, NULL, lock_and_unlock, &has_begun), 0);
    while (!atomic_load(&has_begun))
        usleep(1000);
    usleep(20000); /* not to synchronise: how long it is to wait */
    pthread_mutex_unlock(&mutex);
    assert_int_equal(pthread_join(thread, NULL), 0);
    wait_set_hooks(NULL);
    assert_int_equal(heard.times, 1);
    assert_int_equal(heard.kind, WAIT_LOCK);
    assert_true(heard.waited_ns > 5 * NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_lock_is_no_wait),
        cmocka_unit_test(waiting_for_a_lock_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

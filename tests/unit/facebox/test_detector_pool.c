/* SPDX-License-Identifier: MIT */
#include "facebox/detector_pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "unit/facebox/detector_fixture.h"

static struct network network;

static int open_network(void **state)
{
    (void)state;
    return fixture_open_network(&network);
}

static int close_network(void **state)
{
    (void)state;
    fixture_close_network(&network);
    return 0;
}

static void as_many_detectors_as_asked_for_are_handed_out(void **state)
{
    (void)state;
    struct detector_pool *pool = NULL;
    struct detector *taken[3] = {0};
    struct detector *junk = (struct detector *)(void *)&pool;
    struct detector *late = junk;
    assert_int_equal(detector_pool_new(3, &network, &fixture_options, &pool, NULL), APP_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(detector_pool_take(pool, 0, &taken[i]), APP_OK);
    assert_ptr_not_equal(taken[0], taken[1]);
    assert_ptr_not_equal(taken[1], taken[2]);
    assert_int_equal(detector_pool_take(pool, 0, &late), APP_BUSY);
    assert_int_equal(detector_pool_take(pool, deadline_in_ms(20), &late), APP_BUSY);
    assert_ptr_equal(late, junk);
    detector_pool_return(pool, &taken[1]);
    assert_null(taken[1]);
    assert_int_equal(detector_pool_take(pool, 0, &late), APP_OK);
    detector_pool_return(pool, &late);
    detector_pool_return(pool, &taken[0]);
    detector_pool_return(pool, &taken[2]);
    detector_pool_return(pool, &taken[2]);
    detector_pool_free(&pool);
    assert_null(pool);
    detector_pool_free(&pool);
}

struct sharing {
    struct detector_pool *pool;
    atomic_int holders;
    atomic_int most;
    atomic_int failures;
};

static void *take_and_return(void *argument)
{
    struct sharing *sharing = argument;
    for (int i = 0; i < 50; i++) {
        struct detector *detector = NULL;
        if (detector_pool_take(sharing->pool, deadline_in_ms(20000), &detector)) {
            atomic_fetch_add(&sharing->failures, 1);
            continue;
        }
        int holders = atomic_fetch_add(&sharing->holders, 1) + 1;
        if (holders > atomic_load(&sharing->most))
            atomic_store(&sharing->most, holders);
        usleep(200);
        atomic_fetch_sub(&sharing->holders, 1);
        detector_pool_return(sharing->pool, &detector);
    }
    return NULL;
}

static void threads_wait_for_each_other(void **state)
{
    (void)state;
    struct sharing sharing = {0};
    pthread_t threads[8];
    assert_int_equal(detector_pool_new(2, &network, &fixture_options, &sharing.pool, NULL), APP_OK);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_return, &sharing), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&sharing.failures), 0);
    assert_in_range(atomic_load(&sharing.most), 1, 2);
    detector_pool_free(&sharing.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_detectors_as_asked_for_are_handed_out),
        cmocka_unit_test(threads_wait_for_each_other),
    };
    return cmocka_run_group_tests(tests, open_network, close_network);
}

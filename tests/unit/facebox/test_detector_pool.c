/* SPDX-License-Identifier: MIT */
#include "facebox/detector_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "unit/facebox/faces_fixture.h"

static struct network network;

static int open_network(void **state)
{
    struct err_buf why = {.text = ""};
    (void)state;
    return picture_library_init("test", &why) ? -1 : fixture_open_network(&network);
}

static int close_network(void **state)
{
    (void)state;
    fixture_close_network(&network);
    picture_library_release();
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

/* --- Trimming ------------------------------------------------------------------------ */

static struct sample photograph(const char *name)
{
    return sample_encode(portrait_photograph(name), ".jpg[Q=90]");
}

static enum app_err find_faces(struct detector_pool *pool, const struct sample *sample,
                               struct faces *faces)
{
    struct err_buf why = {.text = ""};
    *faces = (struct faces){.count = 0};
    return faces_find(pool, sample->data, sample->len, deadline_in_ms(300000), faces, &why);
}

static void assert_same_faces(const struct faces *faces, const struct faces *expected)
{
    assert_int_equal(faces->count, expected->count);
    assert_memory_equal(faces->found, expected->found, expected->count * sizeof(faces->found[0]));
}

static void a_trimmed_detector_finds_the_same_faces(void **state)
{
    (void)state;
    struct detector_pool *pool = NULL;
    struct faces before, after;
    struct sample sample = photograph("astronaut.png");
    assert_int_equal(detector_pool_new(1, &network, &fixture_options, &pool, NULL), APP_OK);
    assert_int_equal(find_faces(pool, &sample, &before), APP_OK);
    assert_int_equal(before.count, 1);
    for (int i = 0; i < 3; i++) {
        assert_true(detector_pool_trim(pool, 0));
        assert_false(detector_pool_trim(pool, 0)); /* nothing is left to give back */
        assert_int_equal(find_faces(pool, &sample, &after), APP_OK);
        assert_same_faces(&after, &before);
    }
    detector_pool_free(&pool);
    sample_release(&sample);
}

static void only_detectors_that_are_idle_for_so_long_are_trimmed(void **state)
{
    (void)state;
    enum { LONG_MS = 1000000 };
    struct detector_pool *pool = NULL;
    struct detector *taken = NULL;
    assert_int_equal(detector_pool_new(1, &network, &fixture_options, &pool, NULL), APP_OK);
    assert_int_equal(detector_pool_take(pool, 0, &taken), APP_OK);
    assert_false(detector_pool_trim(pool, 0)); /* it works */
    detector_pool_return(pool, &taken);
    assert_false(detector_pool_trim(pool, LONG_MS)); /* it did a moment ago */
    usleep(2000);
    assert_true(detector_pool_trim(pool, 1));
    detector_pool_free(&pool);
}

static void the_detector_that_was_used_last_goes_out_first(void **state)
{
    (void)state;
    struct detector_pool *pool = NULL;
    struct detector *first = NULL, *second = NULL;
    assert_int_equal(detector_pool_new(2, &network, &fixture_options, &pool, NULL), APP_OK);
    assert_int_equal(detector_pool_take(pool, 0, &first), APP_OK);
    assert_int_equal(detector_pool_take(pool, 0, &second), APP_OK);
    struct detector *last = first;
    detector_pool_return(pool, &second);
    detector_pool_return(pool, &first);
    assert_int_equal(detector_pool_take(pool, 0, &second), APP_OK);
    assert_ptr_equal(second, last);
    detector_pool_return(pool, &second);
    detector_pool_free(&pool);
}

/* --- Real pictures ------------------------------------------------------------------- */

enum { WORKERS = 8, PICTURES = 3, ROUNDS = 2 };

struct work {
    struct detector_pool *pool;
    const struct sample *samples;
    struct faces found[ROUNDS][PICTURES];
    int first; /* picture */
    int failures;
};

static void *find_in_turn(void *argument)
{
    struct work *work = argument;
    for (int i = 0; i < ROUNDS * PICTURES; i++) {
        int picture = (work->first + i) % PICTURES;
        work->failures += find_faces(work->pool, &work->samples[picture],
                                     &work->found[i / PICTURES][picture]) != APP_OK;
        (void)detector_pool_trim(work->pool, 0);
    }
    return NULL;
}

/* While idle detectors are trimmed below their hands. */
static void workers_at_once_find_the_same_faces(void **state)
{
    (void)state;
    struct sample samples[PICTURES] = {photograph("astronaut.png"), photograph("grace_hopper.jpg"),
                                       photograph("camera.png")};
    static struct work works[WORKERS];
    struct faces expected[PICTURES];
    struct detector_pool *pool = NULL;
    pthread_t threads[WORKERS];
    assert_int_equal(detector_pool_new(WORKERS, &network, &fixture_options, &pool, NULL), APP_OK);
    for (int i = 0; i < PICTURES; i++) {
        assert_int_equal(find_faces(pool, &samples[i], &expected[i]), APP_OK);
        assert_int_equal(expected[i].count, 1);
    }
    for (int i = 0; i < WORKERS; i++) {
        works[i] = (struct work){.pool = pool, .samples = samples, .first = i};
        assert_int_equal(pthread_create(&threads[i], NULL, find_in_turn, &works[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(works[i].failures, 0);
        for (int j = 0; j < ROUNDS * PICTURES; j++)
            assert_same_faces(&works[i].found[j / PICTURES][j % PICTURES], &expected[j % PICTURES]);
    }
    detector_pool_free(&pool);
    for (int i = 0; i < PICTURES; i++)
        sample_release(&samples[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_detectors_as_asked_for_are_handed_out),
        cmocka_unit_test(threads_wait_for_each_other),
        cmocka_unit_test(a_trimmed_detector_finds_the_same_faces),
        cmocka_unit_test(only_detectors_that_are_idle_for_so_long_are_trimmed),
        cmocka_unit_test(the_detector_that_was_used_last_goes_out_first),
        cmocka_unit_test(workers_at_once_find_the_same_faces),
    };
    return cmocka_run_group_tests(tests, open_network, close_network);
}

/* SPDX-License-Identifier: MIT */
#include "lib/base/random.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ID = 16, COUNT = 2000 };

struct ids {
    unsigned char id[COUNT][ID];
};

static void *make(void *argument)
{
    struct ids *ids = argument;
    for (size_t i = 0; i < COUNT; i++) {
        if (!random_fill(ids->id[i], ID))
            return NULL;
    }
    return ids;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, ID);
}

static void ids_of_two_threads_are_all_different(void **state)
{
    (void)state;
    static struct ids ids[2];
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make, &ids[i]), 0);
    for (size_t i = 0; i < 2; i++) {
        void *made = NULL;
        assert_int_equal(pthread_join(threads[i], &made), 0);
        assert_ptr_equal(made, &ids[i]);
    }
    qsort(ids, sizeof(ids) / ID, ID, by_bytes);
    const unsigned char *sorted = ids[0].id[0];
    for (size_t i = 1; i < sizeof(ids) / ID; i++)
        assert_memory_not_equal(sorted + (i - 1) * ID, sorted + i * ID, ID);
}

static void just_so_many_bytes_are_written(void **state)
{
    (void)state;
    for (size_t size = 0; size <= RANDOM_MAX; size++) {
        unsigned char out[RANDOM_MAX + 1];
        memset(out, 0xa5, sizeof(out));
        assert_true(random_fill(out, size));
        for (size_t i = size; i < sizeof(out); i++)
            assert_int_equal(out[i], 0xa5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_of_two_threads_are_all_different),
        cmocka_unit_test(just_so_many_bytes_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

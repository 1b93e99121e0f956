/* SPDX-License-Identifier: MIT */
#include "profiling/threads.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/profile_share.h"

static const struct route_table no_routes = {NULL, 0};

struct fleet {
    sem_t go;
    _Atomic unsigned up;
    bool deaf;
    pthread_t threads[32];
    size_t count;
};

__attribute__((noinline)) static void wait_in_here(struct fleet *fleet)
{
    atomic_fetch_add(&fleet->up, 1);
    while (sem_wait(&fleet->go) != 0)
        continue;
    atomic_fetch_sub(&fleet->up, 1);
}

static void *idle(void *argument)
{
    struct fleet *fleet = argument;
    pthread_setname_np(pthread_self(), fleet->deaf ? "deaf" : "sleeper");
    if (fleet->deaf) {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, NULL);
    }
    wait_in_here(fleet);
    return NULL;
}

static void fleet_start(struct fleet *fleet, size_t count)
{
    sem_init(&fleet->go, 0, 0);
    fleet->count = count;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_create(&fleet->threads[i], NULL, idle, fleet), 0);
    while (atomic_load(&fleet->up) < count)
        usleep(1000);
}

static void fleet_stop(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++)
        sem_post(&fleet->go);
    for (size_t i = 0; i < fleet->count; i++)
        pthread_join(fleet->threads[i], NULL);
    sem_destroy(&fleet->go);
}

static struct threads *threads_made(void)
{
    struct threads *threads = NULL;
    assert_int_equal(threads_new(&no_routes, &threads, NULL), APP_OK);
    return threads;
}

static struct threads_dump *dump_of(struct threads *threads)
{
    struct threads_dump *dump = NULL;
    assert_int_equal(threads_dump(threads, &dump, NULL), APP_OK);
    return dump;
}

/* Entries of that name; those that answered are counted, too. */
static size_t named(const struct threads_dump *dump, const char *name, size_t *answered)
{
    size_t count = 0;
    *answered = 0;
    for (size_t i = 0; i < threads_dump_count(dump); i++) {
        struct threads_entry entry;
        threads_dump_at(dump, i, &entry);
        if (strcmp(entry.name, name) != 0)
            continue;
        count++;
        *answered += entry.answered && entry.depth > 0;
    }
    return count;
}

static void every_thread_is_there_with_name_and_stack(void **state)
{
    (void)state;
    struct threads *threads = threads_made();
    struct fleet fleet = {.up = 0};
    struct threads_entry entry;
    struct profile *profile = NULL;
    size_t answered;
    fleet_start(&fleet, 32);
    int64_t start_ns = clock_now_ns();
    struct threads_dump *dump = dump_of(threads);
    print_message("33 threads in %.2f ms\n", (double)(clock_now_ns() - start_ns) / 1e6);
    assert_int_equal(threads_dump_count(dump), 33);
    assert_int_equal(named(dump, "sleeper", &answered), 32);
    assert_int_equal(answered, 32);
    size_t self = 0;
    do
        threads_dump_at(dump, self++, &entry);
    while (entry.tid != getpid() && self < threads_dump_count(dump));
    assert_int_equal(entry.tid, getpid());
    assert_true(entry.answered); /* the one that asks, too */

    assert_int_equal(threads_dump_profile(dump, &profile_kind_goroutine, 0, 33, &profile), APP_OK);
    fleet_stop(&fleet);
    profile_name_all(profile);
    assert_true(profile_kind_of(profile) == &profile_kind_goroutine);
    assert_int_equal(profile_total(profile, 0), 33);
    assert_int_equal(profile_sum_in(profile, "wait_in_here", NULL, 0), 32);
    assert_int_equal(profile_sum_in(profile, "every_thread_is_there_with_name_and_stack", NULL, 0),
                     1);
    profile_free(&profile);
    threads_dump_free(&dump);
    assert_null(dump);
    threads_free(&threads);
    assert_null(threads);
}

static void one_threads_stack_can_be_had_alone(void **state)
{
    (void)state;
    struct threads *threads = threads_made();
    struct fleet fleet = {.up = 0};
    struct profile *profile = NULL;
    fleet_start(&fleet, 2);
    struct threads_dump *dump = dump_of(threads);
    fleet_stop(&fleet);
    struct threads_entry entry;
    size_t index = 0;
    while (threads_dump_at(dump, index, &entry), strcmp(entry.name, "sleeper") != 0)
        index++;
    assert_int_equal(threads_dump_profile(dump, &profile_kind_threads, index, 1, &profile), APP_OK);
    profile_name_all(profile);
    assert_int_equal(profile_total(profile, 0), 1);
    assert_int_equal(profile_sum_in(profile, "wait_in_here", NULL, 0), 1);
    profile_free(&profile);
    threads_dump_free(&dump);
    threads_free(&threads);
}

static void equal_threads_are_apart_when_each_is_asked_for(void **state)
{
    (void)state;
    struct fleet fleet = {.up = 0};
    struct threads *threads = NULL;
    struct threads_dump *dump = NULL;
    struct profile *together, *each;
    struct err_buf why = {.text = ""};
    size_t sleepers = 0;
    assert_int_equal(threads_new(&no_routes, &threads, &why), APP_OK);
    fleet_start(&fleet, 5);
    assert_int_equal(threads_dump(threads, &dump, &why), APP_OK);
    size_t count = threads_dump_count(dump);
    assert_int_equal(threads_dump_profile(dump, &profile_kind_goroutine, 0, count, &together),
                     APP_OK);
    assert_int_equal(threads_dump_each(dump, &each), APP_OK);
    assert_true(profile_sample_count(together) < count);
    assert_int_equal(profile_sample_count(each), count);
    for (size_t i = 0; i < count; i++) {
        struct profile_sample_view view;
        profile_sample_at(each, i, &view);
        sleepers += strstr(view.labels->thread, " sleeper") != NULL;
    }
    assert_int_equal(sleepers, 5);
    profile_free(&together);
    profile_free(&each);
    threads_dump_free(&dump);
    fleet_stop(&fleet);
    threads_free(&threads);
}

static void a_thread_that_blocks_signals_is_listed_without_a_stack(void **state)
{
    (void)state;
    struct threads *threads = threads_made();
    struct fleet fleet = {.deaf = true}, others = {.up = 0};
    struct profile *profile = NULL;
    size_t answered;
    fleet_start(&fleet, 2);
    fleet_start(&others, 3);
    int64_t start_ns = clock_now_ns();
    struct threads_dump *dump = dump_of(threads);
    int64_t took_ms = (clock_now_ns() - start_ns) / NS_PER_MS;
    assert_in_range(took_ms, THREADS_WAIT_MS, 10 * THREADS_WAIT_MS);
    assert_int_equal(named(dump, "deaf", &answered), 2);
    assert_int_equal(answered, 0);
    assert_int_equal(named(dump, "sleeper", &answered), 3);
    assert_int_equal(answered, 3);
    assert_int_equal(
        threads_dump_profile(dump, &profile_kind_threads, 0, threads_dump_count(dump), &profile),
        APP_OK);
    assert_int_equal(profile_total(profile, 0), 6);
    profile_free(&profile);
    threads_dump_free(&dump);
    fleet_stop(&fleet);
    fleet_stop(&others);
    threads_free(&threads);
}

static void *end_at_once(void *argument)
{
    return argument;
}

struct makers {
    _Atomic bool stop;
    pthread_t threads[2];
};

static void *come_and_go(void *argument)
{
    struct makers *makers = argument;
    pthread_t thread;
    while (!atomic_load(&makers->stop))
        if (pthread_create(&thread, NULL, end_at_once, NULL) == 0)
            pthread_join(thread, NULL);
    return NULL;
}

static void threads_that_come_and_go_disturb_nothing(void **state)
{
    (void)state;
    struct threads *threads = threads_made();
    struct makers makers = {.stop = false};
    for (size_t i = 0; i < 2; i++)
        pthread_create(&makers.threads[i], NULL, come_and_go, &makers);
    for (int i = 0; i < 50; i++) {
        struct threads_dump *dump = dump_of(threads);
        assert_true(threads_dump_count(dump) >= 3);
        threads_dump_free(&dump);
    }
    atomic_store(&makers.stop, true);
    for (size_t i = 0; i < 2; i++)
        pthread_join(makers.threads[i], NULL);
    threads_free(&threads);
}

static void a_late_signal_finds_nothing_to_write_to(void **state)
{
    (void)state;
    struct threads *threads = threads_made();
    struct fleet fleet = {.deaf = true};
    sigset_t all, before;
    fleet_start(&fleet, 4);
    /* This thread's signals wait as well, and come when the dumps are gone. */
    sigfillset(&all);
    for (int i = 0; i < 3; i++) {
        struct threads_dump *dump = dump_of(threads);
        threads_dump_free(&dump);
    }
    pthread_sigmask(SIG_BLOCK, &all, &before);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
        struct sigaction action;
        sigaction(number, NULL, &action);
        if (action.sa_flags & SA_SIGINFO)
            sigqueue(getpid(), number, (union sigval){.sival_int = 0x1000});
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    struct threads_dump *dump = dump_of(threads);
    assert_int_equal(threads_dump_count(dump), 5);
    threads_dump_free(&dump);
    threads_free(&threads);
    fleet_stop(&fleet);
}

struct dumper {
    struct threads *threads;
    pthread_t thread;
    size_t unanswered;
};

static void *dump_often(void *argument)
{
    struct dumper *dumper = argument;
    for (int i = 0; i < 20; i++) {
        struct threads_dump *dump = NULL;
        if (threads_dump(dumper->threads, &dump, NULL) != APP_OK) {
            dumper->unanswered += 1000;
            continue;
        }
        for (size_t j = 0; j < threads_dump_count(dump); j++) {
            struct threads_entry entry;
            threads_dump_at(dump, j, &entry);
            dumper->unanswered += !entry.answered;
        }
        threads_dump_free(&dump);
    }
    return NULL;
}

static void several_dumps_at_once_take_turns(void **state)
{
    (void)state;
    struct threads *threads = threads_made();
    struct dumper dumpers[3];
    for (size_t i = 0; i < 3; i++) {
        dumpers[i] = (struct dumper){.threads = threads};
        pthread_create(&dumpers[i].thread, NULL, dump_often, &dumpers[i]);
    }
    size_t unanswered = 0;
    for (size_t i = 0; i < 3; i++) {
        pthread_join(dumpers[i].thread, NULL);
        unanswered += dumpers[i].unanswered;
    }
    assert_in_range(unanswered, 0, 4); /* a thread may end while it is being asked */
    threads_free(&threads);
}

int main(void)
{
#ifdef __SANITIZE_THREAD__
    print_message("SKIPPED: ThreadSanitizer delivers signals late, so no thread answers\n");
    return 0;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_is_there_with_name_and_stack),
        cmocka_unit_test(one_threads_stack_can_be_had_alone),
        cmocka_unit_test(equal_threads_are_apart_when_each_is_asked_for),
        cmocka_unit_test(a_thread_that_blocks_signals_is_listed_without_a_stack),
        cmocka_unit_test(threads_that_come_and_go_disturb_nothing),
        cmocka_unit_test(a_late_signal_finds_nothing_to_write_to),
        cmocka_unit_test(several_dumps_at_once_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

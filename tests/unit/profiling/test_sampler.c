/* SPDX-License-Identifier: MIT */
/* run: alone */
/*
 * The sampler samples this test program itself, so what it finds is known by
 * name: burn() is busy when it is, the rest waits. Machines that run tests are busy with
 * other things too, hence the wide bounds on numbers.
 */
#include "profiling/sampler.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "support/cmocka.h"
#include "support/profile_share.h"

static struct log_sink sink = {.fd = 2, .level = LOG_OFF};
static const struct log quiet = {.sink = &sink, .module = "test"};

static _Atomic bool stop_burning;

static void nothing(void)
{
}

__attribute__((noinline)) static void burn(void)
{
    volatile double x = 1;
    while (!atomic_load_explicit(&stop_burning, memory_order_relaxed))
        for (int i = 0; i < 1000; i++)
            x = x * 1.0001 + 1;
}

__attribute__((noinline)) static void handle_picture(void)
{
    burn();
}

__attribute__((noinline)) static void handle_other(void)
{
    burn();
}

static void *run(void *function)
{
    void (*call)(void);
    memcpy(&call, &function, sizeof(call));
    call();
    return NULL;
}

struct burner {
    pthread_t thread;
};

static void burner_start(struct burner *burner, void (*function)(void))
{
    void *argument;
    memcpy(&argument, &function, sizeof(argument));
    atomic_store(&stop_burning, false);
    assert_int_equal(pthread_create(&burner->thread, NULL, run, argument), 0);
}

static void burner_stop(struct burner *burner)
{
    atomic_store(&stop_burning, true);
    pthread_join(burner->thread, NULL);
}

static struct sampler *sampler_with(int hz, int ring_hz, const struct pprof_route *routes,
                                    size_t route_count)
{
    struct sampler_options options = {hz, ring_hz, routes, route_count, &quiet};
    struct sampler *sampler = NULL;
    struct err_buf why = {.text = ""};
    enum app_err err = sampler_new(&options, &sampler, &why);
    if (err)
        fail_msg("sampler_new: %s %s", app_strerror(err), why.text);
    return sampler;
}

static struct profile *collect(struct sampler *sampler, double seconds)
{
    struct profile *profile = (struct profile *)&sink; /* junk */
    struct err_buf why = {.text = ""};
    enum app_err err = sampler_collect(sampler, seconds, NULL, NULL, &profile, &why);
    if (err)
        fail_msg("sampler_collect: %s %s", app_strerror(err), why.text);
    return profile;
}

static int64_t process_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void sleep_ms(int64_t ms)
{
    int64_t end_ns = deadline_in_ms(ms);
    struct timespec until = {end_ns / NS_PER_S, end_ns % NS_PER_S};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        continue;
}

static void assert_between(double value, double low, double high, const char *what)
{
    if (value < low || value > high)
        fail_msg("%s is %g, not between %g and %g", what, value, low, high);
}

static void a_busy_function_has_most_of_the_samples(void **state)
{
    (void)state;
    struct sampler *sampler = sampler_with(100, 0, NULL, 0);
    struct burner burner;
    burner_start(&burner, burn);
    int64_t cpu_ns = process_cpu_ns();
    struct profile *profile = collect(sampler, 1.5);
    cpu_ns = process_cpu_ns() - cpu_ns;
    burner_stop(&burner);

    profile_name_all(profile);
    int64_t all = profile_total(profile, 1);
    assert_between((double)all / (double)cpu_ns, 0.8, 1.1, "profile by CPU clock");
    assert_between((double)profile_sum_in(profile, "burn", NULL, 1) / (double)all, 0.9, 1,
                   "share of burn");
    assert_true(profile_kind_of(profile) == &profile_kind_cpu);
    assert_int_equal(profile_period(profile), 10000000);
    assert_between((double)profile_duration_ns(profile) / 1e9, 1.49, 1.51, "duration");
    profile_free(&profile);
    sampler_free(&sampler);
    assert_null(sampler);
}

static void an_idle_process_gives_no_samples_to_speak_of(void **state)
{
    (void)state;
    struct sampler *sampler = sampler_with(250, 0, NULL, 0);
    struct profile *profile = collect(sampler, 0.5);
    assert_in_range(profile_total(profile, 0), 0, 5);
    profile_free(&profile);
    sampler_free(&sampler);
}

static void every_sample_carries_the_process_id(void **state)
{
    (void)state;
    struct sampler *sampler = sampler_with(100, 0, NULL, 0);
    struct burner burner;
    burner_start(&burner, burn);
    struct profile *profile = collect(sampler, 0.4);
    burner_stop(&burner);
    assert_true(profile_sample_count(profile) > 0);
    for (size_t i = 0; i < profile_sample_count(profile); i++) {
        struct profile_sample_view view;
        profile_sample_at(profile, i, &view);
        assert_int_equal(view.labels->pid, getpid());
    }
    profile_free(&profile);
    sampler_free(&sampler);
}

struct window {
    struct sampler *sampler;
    double delay;
    double seconds;
    struct profile *profile;
    pthread_t thread;
};

static void *take_window(void *argument)
{
    struct window *window = argument;
    sleep_ms((int64_t)(window->delay * 1000));
    if (sampler_collect(window->sampler, window->seconds, NULL, NULL, &window->profile, NULL))
        window->profile = NULL;
    return NULL;
}

static void overlapping_windows_get_each_its_own_samples(void **state)
{
    (void)state;
    struct sampler *sampler = sampler_with(100, 0, NULL, 0);
    struct window windows[] = {{.sampler = sampler, .delay = 0, .seconds = 2},
                               {.sampler = sampler, .delay = 0.5, .seconds = 1},
                               {.sampler = sampler, .delay = 1, .seconds = 2}};
    struct burner burner;
    burner_start(&burner, burn);
    for (size_t i = 0; i < 3; i++)
        pthread_create(&windows[i].thread, NULL, take_window, &windows[i]);
    for (size_t i = 0; i < 3; i++)
        pthread_join(windows[i].thread, NULL);
    burner_stop(&burner);

    double cpu[3];
    for (size_t i = 0; i < 3; i++) {
        assert_non_null(windows[i].profile);
        assert_between((double)profile_duration_ns(windows[i].profile) / 1e9,
                       windows[i].seconds - 0.01, windows[i].seconds + 0.01, "duration");
        cpu[i] = (double)profile_total(windows[i].profile, 1) / 1e9;
        /* A machine with other work may give the thread little. */
        assert_between(cpu[i], windows[i].seconds * 0.05, windows[i].seconds * 1.1, "CPU");
    }
    assert_true(cpu[1] < cpu[0]); /* it lies within the first */
    for (size_t i = 0; i < 3; i++)
        profile_free(&windows[i].profile);
    struct sampler_state now;
    sampler_state(sampler, &now);
    assert_int_equal(now.hz, 0);
    assert_int_equal(now.windows, 0);
    sampler_free(&sampler);
}

static bool after_a_while(void *context)
{
    int64_t *until_ns = context;
    return clock_now_ns() >= *until_ns;
}

static void a_cancelled_window_ends_early_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct sampler *sampler = sampler_with(100, 0, NULL, 0);
    struct burner burner;
    struct profile *profile = NULL;
    int64_t start_ns = clock_now_ns(), until_ns = deadline_in_ms(500);
    burner_start(&burner, burn);
    assert_int_equal(sampler_collect(sampler, 30, after_a_while, &until_ns, &profile, NULL),
                     APP_OK);
    burner_stop(&burner);
    assert_between((double)(clock_now_ns() - start_ns) / 1e9, 0.5, 5, "seconds");
    assert_between((double)profile_duration_ns(profile) / 1e9, 0.5, 2, "duration");
    assert_true(profile_total(profile, 0) > 5);
    profile_free(&profile);
    sampler_free(&sampler);
}

static void a_window_too_many_is_refused(void **state)
{
    (void)state;
    struct sampler *sampler = sampler_with(100, 0, NULL, 0);
    struct window windows[SAMPLER_WINDOWS];
    for (size_t i = 0; i < SAMPLER_WINDOWS; i++) {
        windows[i] = (struct window){.sampler = sampler, .seconds = 0.8};
        pthread_create(&windows[i].thread, NULL, take_window, &windows[i]);
    }
    struct sampler_state now;
    int64_t deadline_ns = deadline_in_ms(10000);
    do {
        assert_true(deadline_left_ms(deadline_ns) > 0);
        sampler_state(sampler, &now);
    } while (now.windows < SAMPLER_WINDOWS);
    struct err_buf why = {.text = ""};
    struct profile *profile = NULL;
    assert_int_equal(sampler_collect(sampler, 1, NULL, NULL, &profile, &why), APP_UNAVAILABLE);
    assert_string_equal(why.text, "too many profiles are being taken");
    assert_null(profile);
    for (size_t i = 0; i < SAMPLER_WINDOWS; i++) {
        pthread_join(windows[i].thread, NULL);
        profile_free(&windows[i].profile);
    }
    sampler_free(&sampler);
}

static void the_toggle_collects_until_it_is_switched_off(void **state)
{
    (void)state;
    struct sampler *sampler = sampler_with(100, 0, NULL, 0);
    struct burner burner;
    struct sampler_state now;
    struct profile *profile = NULL;
    struct err_buf why = {.text = ""};

    assert_int_equal(sampler_toggled(sampler, &profile, &why), APP_NOT_FOUND);
    assert_int_equal(sampler_toggle(sampler, false, 0, NULL), APP_OK);
    burner_start(&burner, burn);
    assert_int_equal(sampler_toggle(sampler, true, 60, NULL), APP_OK);
    sampler_state(sampler, &now);
    assert_true(now.toggle);
    assert_int_equal(now.hz, 100);
    assert_in_range(now.toggle_left_s, 59, 60);
    sleep_ms(600);
    assert_int_equal(sampler_toggled(sampler, &profile, NULL), APP_OK); /* while it runs */
    int64_t running = profile_total(profile, 0);
    assert_true(running > 5);
    profile_free(&profile);
    sleep_ms(300);
    assert_int_equal(sampler_toggle(sampler, false, 0, NULL), APP_OK);
    sleep_ms(300); /* not sampled any more */
    assert_int_equal(sampler_toggled(sampler, &profile, NULL), APP_OK);
    burner_stop(&burner);
    assert_between((double)profile_duration_ns(profile) / 1e9, 0.89, 1.2, "duration");
    assert_true(profile_total(profile, 0) > running);
    profile_free(&profile);
    sampler_state(sampler, &now);
    assert_false(now.toggle);
    assert_int_equal(now.hz, 0);
    sampler_free(&sampler);
}

static void a_forgotten_toggle_is_switched_off_by_the_tick(void **state)
{
    (void)state;
    struct sampler *sampler = sampler_with(100, 0, NULL, 0);
    struct sampler_state now;
    assert_int_equal(sampler_toggle(sampler, true, 1, NULL), APP_OK);
    assert_int_equal(sampler_toggle(sampler, true, 2, NULL), APP_OK); /* longer */
    assert_int_equal(sampler_toggle(sampler, true, 1, NULL), APP_OK); /* not shorter */
    sleep_ms(1200);
    sampler_tick(sampler);
    sampler_state(sampler, &now);
    assert_true(now.toggle);
    sleep_ms(900);
    sampler_tick(sampler);
    sampler_state(sampler, &now);
    assert_false(now.toggle);
    assert_int_equal(now.hz, 0);
    struct profile *profile = NULL;
    assert_int_equal(sampler_toggled(sampler, &profile, NULL), APP_OK);
    assert_between((double)profile_duration_ns(profile) / 1e9, 1.99, 2.01, "duration");
    profile_free(&profile);
    sampler_free(&sampler);
}

static void the_rate_falls_to_the_rings_when_a_window_closes(void **state)
{
    (void)state;
    struct sampler *sampler = sampler_with(100, 19, NULL, 0);
    struct window window = {.sampler = sampler, .seconds = 0.5};
    struct sampler_state now;
    sampler_state(sampler, &now);
    assert_int_equal(now.hz, 19);
    assert_true(now.ring);
    pthread_create(&window.thread, NULL, take_window, &window);
    do
        sampler_state(sampler, &now);
    while (now.windows == 0);
    assert_int_equal(now.hz, 100);
    pthread_join(window.thread, NULL);
    profile_free(&window.profile);
    sampler_state(sampler, &now);
    assert_int_equal(now.hz, 19);
    sampler_free(&sampler);
}

/* Samples in a CPU second of one busy thread. */
static double rate_of(struct sampler *sampler)
{
    struct sampler_state before, after;
    struct burner burner;
    burner_start(&burner, burn);
    int64_t cpu_ns = process_cpu_ns();
    sampler_state(sampler, &before);
    sleep_ms(2000);
    sampler_state(sampler, &after);
    cpu_ns = process_cpu_ns() - cpu_ns;
    burner_stop(&burner);
    return (double)(after.samples - before.samples) / ((double)cpu_ns / 1e9);
}

static void the_effective_rate_is_the_one_that_was_asked_for(void **state)
{
    (void)state;
    struct sampler *sampler = sampler_with(100, 19, NULL, 0);
    double ring = rate_of(sampler);
    assert_int_equal(sampler_toggle(sampler, true, 60, NULL), APP_OK);
    double window = rate_of(sampler);
    print_message("19 Hz: %.1f, 100 Hz: %.1f samples in a CPU second\n", ring, window);
    assert_between(ring, 9, 38, "ring's rate");
    assert_between(window, 50, 200, "window's rate");
    sampler_free(&sampler);
}

static void the_past_can_be_had_from_the_ring(void **state)
{
    (void)state;
    struct sampler *sampler = sampler_with(100, 50, NULL, 0);
    struct burner burner;
    struct profile *profile = NULL;
    int64_t cpu_ns = -process_cpu_ns(); /* of a busy machine one gets a share */
    burner_start(&burner, burn);
    for (int i = 0; i < 30; i++) {
        sleep_ms(100);
        sampler_tick(sampler);
    }
    burner_stop(&burner);
    cpu_ns += process_cpu_ns();
    for (int i = 0; i < 20; i++) {
        sleep_ms(100);
        sampler_tick(sampler);
    }
    assert_int_equal(sampler_past(sampler, 4, 5.2, &profile, NULL), APP_OK);
    profile_name_all(profile);
    assert_between((double)profile_sum_in(profile, "burn", NULL, 1) / (double)cpu_ns, 0.5, 1.2,
                   "busy, of the CPU time");
    assert_int_equal(profile_period(profile), NS_PER_S / 50);
    profile_free(&profile);
    assert_int_equal(sampler_past(sampler, 1, 1, &profile, NULL), APP_OK);
    assert_between((double)profile_total(profile, 1) / 1e9, 0, 0.2, "idle since");
    assert_between((double)profile_duration_ns(profile) / 1e9, 0.9, 1.1, "duration");
    profile_free(&profile);
    sampler_free(&sampler);
}

static void a_past_of_two_rates_sums_to_the_cpu_time(void **state)
{
    (void)state;
    struct sampler *sampler = sampler_with(100, 19, NULL, 0);
    struct burner burner;
    struct profile *profile = NULL;
    burner_start(&burner, burn);
    int64_t cpu_ns = process_cpu_ns();
    sleep_ms(1500);
    sampler_tick(sampler);
    profile = collect(sampler, 1.5);
    profile_free(&profile);
    cpu_ns = process_cpu_ns() - cpu_ns;
    burner_stop(&burner);
    assert_int_equal(sampler_past(sampler, 10, 10, &profile, NULL), APP_OK);
    assert_between((double)profile_total(profile, 1) / (double)cpu_ns, 0.85, 1.1,
                   "profile by CPU clock");
    profile_free(&profile);
    sampler_free(&sampler);
}

static void a_past_that_is_not_kept_is_not_found(void **state)
{
    (void)state;
    struct err_buf why = {.text = ""};
    struct profile *profile = NULL;
    struct sampler *sampler = sampler_with(100, 0, NULL, 0);
    assert_int_equal(sampler_past(sampler, 1, 1, &profile, &why), APP_NOT_FOUND);
    assert_string_equal(why.text, "nothing of the past is kept: the ring is off");
    sampler_free(&sampler);
    sampler = sampler_with(100, 19, NULL, 0);
    assert_int_equal(sampler_past(sampler, 10, 60, &profile, &why), APP_NOT_FOUND);
    assert_string_equal(why.text, "the past that is kept begins 0 s ago");
    assert_null(profile);
    sampler_free(&sampler);
}

static void a_sample_names_the_route_whose_function_it_is_below(void **state)
{
    (void)state;
    const struct pprof_route routes[] = {{"/idle", (uintptr_t)nothing},
                                         {"/picture", (uintptr_t)handle_picture},
                                         {"/other", (uintptr_t)handle_other}};
    struct sampler *sampler = sampler_with(250, 0, routes, 3);
    struct burner picture, other, none;
    burner_start(&picture, handle_picture);
    burner_start(&other, handle_other);
    burner_start(&none, burn);
    struct profile *profile = collect(sampler, 2);
    burner_stop(&picture);
    burner_stop(&other);
    burner_stop(&none);

    profile_name_all(profile);
    assert_true(profile_sum_in(profile, "handle_picture", "/picture", 0) > 5);
    assert_int_equal(profile_sum_in(profile, "handle_picture", NULL, 0),
                     profile_sum_in(profile, "handle_picture", "/picture", 0));
    assert_true(profile_sum_in(profile, "handle_other", "/other", 0) > 5);
    assert_int_equal(profile_sum_in(profile, "handle_other", NULL, 0),
                     profile_sum_in(profile, "handle_other", "/other", 0));
    assert_true(profile_sum_in(profile, "burn", "", 0) > 5);
    assert_int_equal(profile_sum_in(profile, "burn", "/idle", 0), 0);
    profile_free(&profile);
    sampler_free(&sampler);
}

static void starting_and_stopping_twenty_times_works_as_once(void **state)
{
    (void)state;
    struct burner burner;
    burner_start(&burner, burn);
    for (int i = 0; i < 20; i++) {
        struct sampler *sampler = sampler_with(250, 0, NULL, 0);
        struct profile *profile = collect(sampler, i < 19 ? 0.06 : 2);
        if (i == 19)
            assert_true(profile_total(profile, 0) > 0);
        profile_free(&profile);
        sampler_free(&sampler);
    }
    burner_stop(&burner);
}

static void a_second_sampler_cannot_have_the_timer(void **state)
{
    (void)state;
    struct sampler *first = sampler_with(100, 19, NULL, 0);
    struct sampler_options options = {100, 19, NULL, 0, &quiet};
    struct sampler *second = (struct sampler *)&sink;
    struct err_buf why = {.text = ""};
    assert_int_equal(sampler_new(&options, &second, &why), APP_UNAVAILABLE);
    assert_string_equal(why.text, "sampling: the timer is in use already");
    assert_ptr_equal(second, &sink);
    sampler_free(&first);
}

static void the_library_is_stopped_after_a_while_without_use(void **state)
{
    (void)state;
    struct sampler *sampler = sampler_with(100, 0, NULL, 0);
    struct sampler *other = NULL;
    const struct sampler_options options = {100, 19, NULL, 0, &quiet};
    struct profile *profile = collect(sampler, 0.05);
    profile_free(&profile);
    assert_int_equal(sampler_new(&options, &other, NULL), APP_UNAVAILABLE);
    for (int i = 0; i < 10; i++)
        sampler_tick(sampler);
    assert_int_equal(sampler_new(&options, &other, NULL), APP_OK);
    sampler_free(&other);
    profile = collect(sampler, 0.05); /* and is started again */
    profile_free(&profile);
    sampler_free(&sampler);
}

static void a_handler_of_somebody_else_is_noticed(void **state)
{
    (void)state;
    struct sigaction librarys, action = {.sa_handler = SIG_IGN};
    struct sampler_options options = {100, 0, NULL, 0, &quiet};
    struct sampler *sampler = NULL;
    struct err_buf why = {.text = ""};
    sigaction(SIGPROF, &action, &librarys);
    assert_int_equal(sampler_new(&options, &sampler, &why), APP_UNAVAILABLE);
    assert_string_equal(why.text, "sampling: SIGPROF belongs to another library");
    sigaction(SIGPROF, &librarys, NULL);
    assert_null(sampler);
}

/* What a child reports by its exit status; a signal that ends it is above 128. */
static int status_of(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* In a child of its own: a limit cannot be taken back. */
static void profile_without_file_space(void)
{
    struct sampler *sampler = sampler_with(100, 0, NULL, 0);
    struct burner burner;
    burner_start(&burner, burn);
    struct rlimit none = {0, 0};
    struct profile *first = collect(sampler, 1);
    setrlimit(RLIMIT_FSIZE, &none); /* while the library runs */
    struct profile *second = collect(sampler, 1);
    burner_stop(&burner);
    bool fine = profile_total(first, 0) > 0 && profile_total(second, 0) > 0;
    profile_free(&first);
    profile_free(&second);
    sampler_free(&sampler);
    sampler = sampler_with(100, 19, NULL, 0); /* and to start with */
    sampler_free(&sampler);
    _exit(fine ? 0 : 1);
}

static void a_file_size_limit_of_zero_ends_nothing(void **state)
{
    (void)state;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        profile_without_file_space();
    assert_true(pid > 0);
    assert_int_equal(status_of(pid), 0);
}

static void the_library_prints_nothing_on_stderr(void **state)
{
    (void)state;
    int ends[2];
    char byte;
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    int saved = dup(2);
    dup2(ends[1], 2);
    struct sampler *sampler = sampler_with(100, 0, NULL, 0);
    struct profile *profile = collect(sampler, 0.05);
    sampler_free(&sampler);
    dup2(saved, 2);
    ssize_t got = read(ends[0], &byte, 1);
    close(saved);
    close(ends[0]);
    close(ends[1]);
    profile_free(&profile);
    assert_int_equal(got, -1);
}

static int visit(struct dl_phdr_info *info, size_t size, void *count)
{
    (void)info;
    (void)size;
    *(size_t *)count += 1;
    return 0;
}

/* Holds the loader's lock most of the time. */
static void walk_libraries(void)
{
    size_t count = 0;
    while (!atomic_load_explicit(&stop_burning, memory_order_relaxed))
        dl_iterate_phdr(visit, &count);
}

/* Holds malloc's locks often. */
static void allocate(void)
{
    void *blocks[64] = {NULL};
    for (size_t i = 0; !atomic_load_explicit(&stop_burning, memory_order_relaxed); i++) {
        free(blocks[i % 64]);
        blocks[i % 64] = malloc(1 + (i * 7919) % 70000);
    }
    for (size_t i = 0; i < 64; i++)
        free(blocks[i]);
}

/*
 * Debian's default unwinder hangs here within seconds. EMOJIFY_LONG_TESTS=1 makes it half
 * a minute instead of five seconds.
 */
static void threads_that_hold_the_loaders_lock_do_not_hang_sampling(void **state)
{
    (void)state;
    unsigned seconds = getenv("EMOJIFY_LONG_TESTS") ? 30 : 5;
    struct sampler *sampler = sampler_with(250, 0, NULL, 0);
    struct burner walkers[2], allocators[2];
    int64_t samples = 0;
    for (size_t i = 0; i < 2; i++) {
        burner_start(&walkers[i], walk_libraries);
        burner_start(&allocators[i], allocate);
    }
    alarm(seconds + 60); /* a hang must end */
    for (unsigned half = 0; half < seconds * 2; half++) {
        int64_t cpu_ns = -process_cpu_ns();
        struct profile *profile = collect(sampler, 0.5);
        cpu_ns += process_cpu_ns();
        samples += profile_total(profile, 0);
        if (cpu_ns > NS_PER_S / 4) /* a busy machine may have given it nothing to sample */
            assert_true(profile_total(profile, 0) > 0);
        profile_free(&profile);
        if (half % 3 == 2) { /* the library is stopped and started among it, too */
            sampler_free(&sampler);
            sampler = sampler_with(250, 0, NULL, 0);
        }
    }
    alarm(0);
    for (size_t i = 0; i < 2; i++) {
        burner_stop(&walkers[i]);
        burner_stop(&allocators[i]);
    }
    assert_true(samples > 0);
    sampler_free(&sampler);
}

int main(int argc, char **argv)
{
    struct err_buf why = {.text = ""};
    (void)argc;
#ifdef __SANITIZE_THREAD__
    print_message("SKIPPED: ThreadSanitizer delivers signals late, so nothing is sampled\n");
    return 0;
#endif
    if (sampler_prepare(true, 0, argv, &why) != APP_OK) {
        print_message("sampler_prepare: %s %s\n", why.text, why.detail);
        return EXIT_FAILURE;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_busy_function_has_most_of_the_samples),
        cmocka_unit_test(an_idle_process_gives_no_samples_to_speak_of),
        cmocka_unit_test(every_sample_carries_the_process_id),
        cmocka_unit_test(overlapping_windows_get_each_its_own_samples),
        cmocka_unit_test(a_cancelled_window_ends_early_and_keeps_what_it_has),
        cmocka_unit_test(a_window_too_many_is_refused),
        cmocka_unit_test(the_toggle_collects_until_it_is_switched_off),
        cmocka_unit_test(a_forgotten_toggle_is_switched_off_by_the_tick),
        cmocka_unit_test(the_rate_falls_to_the_rings_when_a_window_closes),
        cmocka_unit_test(the_effective_rate_is_the_one_that_was_asked_for),
        cmocka_unit_test(the_past_can_be_had_from_the_ring),
        cmocka_unit_test(a_past_of_two_rates_sums_to_the_cpu_time),
        cmocka_unit_test(a_past_that_is_not_kept_is_not_found),
        cmocka_unit_test(a_sample_names_the_route_whose_function_it_is_below),
        cmocka_unit_test(starting_and_stopping_twenty_times_works_as_once),
        cmocka_unit_test(a_second_sampler_cannot_have_the_timer),
        cmocka_unit_test(the_library_is_stopped_after_a_while_without_use),
        cmocka_unit_test(a_handler_of_somebody_else_is_noticed),
        cmocka_unit_test(a_file_size_limit_of_zero_ends_nothing),
        cmocka_unit_test(the_library_prints_nothing_on_stderr),
        cmocka_unit_test(threads_that_hold_the_loaders_lock_do_not_hang_sampling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Sampling starts and ends with the interval timer alone. The library reads its
 * rate once, when it is loaded, but its handler does not care who set the timer
 * (ITIMER_PROF), so the rate is ours. ITIMER_PROF and not a POSIX timer of the
 * exact CPU clock: before Linux 6.4 that one's signals go to the main thread,
 * whoever was running.
 *
 * The kernel counts ITIMER_PROF by its ticks: 4 ms steps, too many on a machine
 * whose host takes time away, and too few when several threads are busy, since
 * SIGPROF does not queue (measured: 148 samples a CPU second of 250 asked, two
 * threads on two cores). So a sample does not stand for the nominal period but
 * for the CPU time that the process really used since the sample before. The
 * sum is right at any rate: 7.987 s of 7.987 s in that case.
 */
#include "profiling/sampler_session.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <time.h>

#include <gperftools/profiler.h>

#include "lib/base/clock.h"

struct sampler_session {
    struct sample_queue *queue;
    struct sample scratch; /* the handler's: too large for an alternate signal stack */
    _Atomic bool armed;    /* the timer that runs is ours, not the one the library started with */
    _Atomic int64_t cpu_before_ns; /* CPU clock of the process at the last sample */
    FILE *null_stream;
    int hz;
    bool started; /* the library */
    int idle_ticks;
};

/* In flight when the timer is switched off: a handler that did not get its turn yet. */
#define HANDLER_GRACE_NS (100 * NS_PER_MS)

static int64_t process_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* In the SIGPROF handler, one thread at a time. Always 0: not for the library's file. */
static int take_sample(void *argument)
{
    struct sampler_session *session = argument;
    if (!atomic_load_explicit(&session->armed, memory_order_acquire))
        return 0;

    struct sample *sample = &session->scratch;
    int64_t cpu_ns = process_cpu_ns();
    int64_t before_ns =
        atomic_exchange_explicit(&session->cpu_before_ns, cpu_ns, memory_order_relaxed);
    sample->cpu_ns = cpu_ns > before_ns ? cpu_ns - before_ns : 0;
    sample->time_ns = clock_now_ns();
    sample->depth = unwind_interrupted(sample->pcs, UNWIND_MAX_DEPTH);
    if (sample->depth > 0)
        sample_queue_put(session->queue, sample);
    return 0;
}

static void set_timer(int hz)
{
    struct itimerval timer = {.it_interval = {.tv_usec = 0}};
    if (hz == 1)
        timer.it_interval.tv_sec = 1;
    else if (hz > 1)
        timer.it_interval.tv_usec = 1000000 / hz;
    timer.it_value = timer.it_interval;
    setitimer(ITIMER_PROF, &timer, NULL);
}

/*
 * The library installs its handler when it is loaded, and stays quiet for ever
 * when somebody else was there first, without telling.
 */
static bool handler_is_the_librarys(void)
{
    struct sigaction action;
    uintptr_t start, end;
    if (sigaction(SIGPROF, NULL, &action) != 0 || !(action.sa_flags & SA_SIGINFO))
        return false;
    uintptr_t handler = (uintptr_t)action.sa_sigaction;
    return unwind_object((uintptr_t)ProfilerStart, &start, &end) && handler >= start &&
           handler < end;
}

/* The library opens its file with O_CREAT: in a bare chroot that would make a real one. */
static bool null_device_exists(void)
{
    struct stat status;
    return stat("/dev/null", &status) == 0 && S_ISCHR(status.st_mode) &&
           status.st_rdev == makedev(1, 3);
}

enum app_err sampler_session_new(struct sampler_session **session, struct err_buf *why)
{
    if (!handler_is_the_librarys())
        return err_set(why, APP_UNAVAILABLE, "sampling: SIGPROF belongs to another library");
    if (!null_device_exists())
        return err_set(why, APP_UNAVAILABLE, "sampling: /dev/null is missing");

    struct sampler_session *made = calloc(1, sizeof(*made));
    if (made) {
        made->queue = sample_queue_new();
        made->null_stream = fopen("/dev/null", "we");
    }
    if (!made || !made->queue || !made->null_stream) {
        sampler_session_free(&made);
        return APP_NO_MEMORY;
    }
    unwind_warm_up();
    *session = made;
    return APP_OK;
}

/*
 * Stop the library, which frees its memory under the lock that its handler
 * takes: with a handler still to come in a thread that is inside malloc, both
 * would wait for each other. So never before the timer is off and the last
 * handler has had its time.
 *
 * It also prints a line of statistics on stderr, which is the web server's error
 * log. glibc lets stderr be assigned; what other libraries print in this
 * millisecond is lost. Descriptor 2, and so our own log, is untouched.
 */
static void stop_library(struct sampler_session *session)
{
    FILE *standard_error = stderr;
    stderr = session->null_stream;
    ProfilerStop();
    stderr = standard_error;
    session->started = false;
}

void sampler_session_free(struct sampler_session **session)
{
    struct sampler_session *old = *session;
    if (!old)
        return;
    if (old->started) {
        set_timer(0);
        atomic_store(&old->armed, false);
        deadline_sleep(clock_now_ns() + HANDLER_GRACE_NS);
        stop_library(old);
    }
    if (old->null_stream)
        fclose(old->null_stream);
    sample_queue_free(&old->queue);
    free(old);
    *session = NULL;
}

static enum app_err start_library(struct sampler_session *session, struct err_buf *why)
{
    struct ProfilerOptions options = {.filter_in_thread = take_sample,
                                      .filter_in_thread_arg = session};
    if (!ProfilerStartWithOptions("/dev/null", &options))
        return err_set(why, APP_UNAVAILABLE, "sampling: the timer is in use already");
    session->started = true;
    return APP_OK;
}

enum app_err sampler_session_set_rate(struct sampler_session *session, int hz, struct err_buf *why)
{
    if (hz == session->hz)
        return APP_OK;
    if (hz > 0 && !session->started) {
        enum app_err err = start_library(session, why);
        if (err)
            return err;
    }
    if (hz == 0)
        set_timer(0);
    if (session->hz == 0) /* what the process used while nobody looked is no sample's */
        atomic_store_explicit(&session->cpu_before_ns, process_cpu_ns(), memory_order_relaxed);
    atomic_store_explicit(&session->armed, hz > 0, memory_order_release);
    session->hz = hz;
    session->idle_ticks = 0;
    if (hz > 0)
        set_timer(hz);
    return APP_OK;
}

int sampler_session_rate(const struct sampler_session *session)
{
    return session->hz;
}

bool sampler_session_take(struct sampler_session *session, struct sample *sample)
{
    return sample_queue_take(session->queue, sample);
}

uint64_t sampler_session_dropped(const struct sampler_session *session)
{
    return sample_queue_dropped(session->queue);
}

void sampler_session_tick(struct sampler_session *session)
{
    if (session->hz > 0 || !session->started)
        return;
    if (++session->idle_ticks >= SAMPLER_SESSION_IDLE_TICKS)
        stop_library(session);
}

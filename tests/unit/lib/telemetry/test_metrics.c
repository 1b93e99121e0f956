/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/limits.h"
#include "lib/telemetry/metrics.h"
#include "lib/telemetry/metrics_memory.h"
#include "lib/telemetry/process_stats.h"
#include "support/temp_dir.h"

enum { TEXT_MAX = 1024 * 1024, PATIENCE_MS = 10000 };

static const char *colour(size_t index)
{
    static const char *const colours[] = {"red", "green", "other"};
    return index < 3 ? colours[index] : NULL;
}

static const char *shape(size_t index)
{
    return index == 0 ? "round" : index == 1 ? "flat" : NULL;
}

static const int64_t bounds[] = {500000, NS_PER_MS, NS_PER_S};

enum { REQUESTS, BUSY, LATENCY, PLAIN, SPARSE_LATENCY, TEMPERATURE, ROWS };

static const struct metric table[ROWS] = {
    [REQUESTS] = {.name = "t_requests_total",
                  .type = METRIC_COUNTER,
                  .help = "Requests",
                  .labels = {{.name = "colour", .value = colour},
                             {.name = "shape", .value = shape},
                             {.name = "status", .from = 200, .to = 299}},
                  .sparse = true},
    [BUSY] = {.name = "t_busy_seconds_total",
              .type = METRIC_COUNTER,
              .unit = METRIC_SECONDS,
              .help = "Busy time",
              .labels = {{.name = "colour", .value = colour}}},
    [LATENCY] = {.name = "t_latency_seconds",
                 .type = METRIC_HISTOGRAM,
                 .unit = METRIC_SECONDS,
                 .help = "Latency",
                 .bounds = bounds,
                 .bound_count = 3},
    [PLAIN] = {.name = "t_plain_total", .type = METRIC_COUNTER, .help = "Without labels"},
    [SPARSE_LATENCY] = {.name = "t_other_seconds",
                        .type = METRIC_HISTOGRAM,
                        .unit = METRIC_SECONDS,
                        .help = "Latency by colour",
                        .labels = {{.name = "colour", .value = colour}},
                        .bounds = bounds,
                        .bound_count = 3,
                        .sparse = true},
    [TEMPERATURE] = {.name = "t_temperature", .type = METRIC_GAUGE, .help = "A gauge"},
};

struct fixture {
    struct temp_dir dir;
    char path[PATH_MAX]; /* of the shared directory */
    int log_fd;
    struct log_sink sink;
    struct log log;
    struct buf text;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    temp_dir_init(&fixture->dir);
    temp_dir_path(&fixture->dir, "run", fixture->path);
    fixture->log_fd = memfd_create("log", MFD_CLOEXEC);
    fixture->sink = (struct log_sink){.fd = fixture->log_fd, .level = LOG_INFO};
    fixture->log = (struct log){.sink = &fixture->sink, .module = "test"};
    buf_init(&fixture->text, TEXT_MAX);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    buf_release(&fixture->text);
    close(fixture->log_fd);
    temp_dir_release(&fixture->dir);
    free(fixture);
    return 0;
}

static struct metrics *open_rows(const struct fixture *fixture, const char *directory, size_t rows)
{
    const struct metrics_options options = {
        .table = table,
        .count = rows,
        .prefix = "t",
        .version = "1.2",
        .directory = directory,
        .log = &fixture->log,
    };
    struct metrics *metrics = NULL;
    assert_int_equal(metrics_new(&options, &metrics), APP_OK);
    return metrics;
}

static struct metrics *open_metrics(const struct fixture *fixture)
{
    struct metrics *metrics = open_rows(fixture, fixture->path, ROWS);
    assert_true(metrics_is_shared(metrics));
    return metrics;
}

static const char *scrape(struct fixture *fixture, struct metrics *metrics)
{
    buf_reset(&fixture->text);
    assert_int_equal(metrics_write(metrics, &fixture->text), APP_OK);
    return fixture->text.data;
}

/* The number behind "name " or "name{...} " at the start of a line; -1: there is no such line. */
static double value_in(const char *text, const char *series)
{
    size_t len = strlen(series);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, series, len) == 0 && line[len] == ' ')
            return strtod(line + len, NULL);
    }
    return -1;
}

static void assert_value(struct fixture *fixture, struct metrics *metrics, const char *series,
                         double expected)
{
    double value = value_in(scrape(fixture, metrics), series);
    if (value != expected)
        fail_msg("%s is %g, not %g, in\n%s", series, value, expected, fixture->text.data);
}

static void assert_logged(const struct fixture *fixture, const char *text)
{
    char log[4096] = "";
    assert_true(pread(fixture->log_fd, log, sizeof(log) - 1, 0) >= 0);
    if (!strstr(log, text))
        fail_msg("\"%s\" is not in the log: %s", text, log);
}

static void assert_nothing_logged(const struct fixture *fixture)
{
    char log[4096] = "";
    assert_true(pread(fixture->log_fd, log, sizeof(log) - 1, 0) >= 0);
    assert_string_equal(log, "");
}

/* --- The text -------------------------------------------------------------------- */

static void the_text_has_the_form_of_prometheus(void **state)
{
    static const char expected[] =
        "# HELP t_requests_total Requests\n"
        "# TYPE t_requests_total counter\n"
        "t_requests_total{colour=\"red\",shape=\"flat\",status=\"200\"} 2\n"
        "t_requests_total{colour=\"other\",shape=\"round\",status=\"299\"} 1\n"
        "# HELP t_busy_seconds_total Busy time\n"
        "# TYPE t_busy_seconds_total counter\n"
        "t_busy_seconds_total{colour=\"red\"} 0.000000000\n"
        "t_busy_seconds_total{colour=\"green\"} 1.500000001\n"
        "t_busy_seconds_total{colour=\"other\"} 0.000000000\n"
        "# HELP t_latency_seconds Latency\n"
        "# TYPE t_latency_seconds histogram\n"
        "t_latency_seconds_bucket{le=\"0.0005\"} 1\n"
        "t_latency_seconds_bucket{le=\"0.001\"} 3\n"
        "t_latency_seconds_bucket{le=\"1\"} 3\n"
        "t_latency_seconds_bucket{le=\"+Inf\"} 4\n"
        "t_latency_seconds_sum 2.001500001\n"
        "t_latency_seconds_count 4\n"
        "# HELP t_plain_total Without labels\n"
        "# TYPE t_plain_total counter\n"
        "t_plain_total 0\n"
        "# HELP t_other_seconds Latency by colour\n"
        "# TYPE t_other_seconds histogram\n"
        "t_other_seconds_bucket{colour=\"green\",le=\"0.0005\"} 1\n"
        "t_other_seconds_bucket{colour=\"green\",le=\"0.001\"} 1\n"
        "t_other_seconds_bucket{colour=\"green\",le=\"1\"} 1\n"
        "t_other_seconds_bucket{colour=\"green\",le=\"+Inf\"} 1\n"
        "t_other_seconds_sum{colour=\"green\"} 0.000000007\n"
        "t_other_seconds_count{colour=\"green\"} 1\n"
        "# HELP t_temperature A gauge\n"
        "# TYPE t_temperature gauge\n"
        "t_temperature -3\n"
        "# HELP t_process_cpu_seconds_total ";
    struct fixture *fixture = *state;
    struct metrics *metrics = open_rows(fixture, "", ROWS);
    assert_int_equal(metrics_add(metrics, REQUESTS, METRIC_AT(0, 1, 0), 1), 0);
    assert_int_equal(metrics_add(metrics, REQUESTS, METRIC_AT(0, 1, 0), 1), 1);
    metrics_add(metrics, REQUESTS, METRIC_AT(77, 0, 1000), 1); /* beyond the last: the last */
    metrics_add(metrics, BUSY, METRIC_AT(1), 1500000001);
    metrics_observe(metrics, LATENCY, METRIC_AT(0), 500000); /* a bound is included */
    metrics_observe(metrics, LATENCY, METRIC_AT(0), 500001);
    metrics_observe(metrics, LATENCY, METRIC_AT(0), NS_PER_MS);
    metrics_observe(metrics, LATENCY, METRIC_AT(0), 2 * NS_PER_S - 500000);
    metrics_observe(metrics, SPARSE_LATENCY, METRIC_AT(1), 7);
    metrics_gauge_set(metrics, TEMPERATURE, METRIC_AT(0), 2);
    metrics_gauge_add(metrics, TEMPERATURE, METRIC_AT(0), -5);
    const char *text = scrape(fixture, metrics);
    char *start = strndup(text, strlen(expected));
    assert_string_equal(start, expected);
    free(start);
    assert_non_null(strstr(text, "\n# TYPE t_build_info gauge\nt_build_info{version=\"1.2\"} 1\n"));
    metrics_free(&metrics);
    metrics_free(&metrics);
}

static void a_negative_observation_does_not_take_from_the_sum(void **state)
{
    struct fixture *fixture = *state;
    struct metrics *metrics = open_rows(fixture, "", ROWS);
    metrics_observe(metrics, LATENCY, METRIC_AT(0), -5);
    assert_value(fixture, metrics, "t_latency_seconds_sum", 0);
    assert_value(fixture, metrics, "t_latency_seconds_bucket{le=\"0.0005\"}", 1);
    metrics_free(&metrics);
}

static void a_text_that_is_too_large_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct metrics *metrics = open_rows(fixture, "", ROWS);
    size_t len = strlen(scrape(fixture, metrics));
    struct buf small;
    buf_init(&small, len / 2);
    assert_int_equal(metrics_write(metrics, &small), APP_TOO_LARGE);
    buf_release(&small);
    metrics_free(&metrics);
}

static void this_process_is_shown_with_what_it_takes(void **state)
{
    struct fixture *fixture = *state;
    struct metrics *metrics = open_rows(fixture, "", ROWS);
    char series[80];
    struct process_stats stats = {.cpu_ns = 77};
    assert_true(process_stats_read(getpid(), &stats));
    const char *text = scrape(fixture, metrics);
    (void)snprintf(series, sizeof(series), "t_process_threads{pid=\"%d\"}", getpid());
    assert_true(value_in(text, series) == 1);
    (void)snprintf(series, sizeof(series), "t_process_resident_memory_bytes{pid=\"%d\"}", getpid());
    assert_true(value_in(text, series) > 1e5);
    (void)snprintf(series, sizeof(series), "t_process_open_fds{pid=\"%d\"}", getpid());
    double descriptors = value_in(text, series);
    assert_true(descriptors >= 4);
    int fd = dup(0);
    assert_value(fixture, metrics, series, descriptors + 1);
    close(fd);
    (void)snprintf(series, sizeof(series), "t_process_start_time_seconds{pid=\"%d\"}", getpid());
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double started = value_in(fixture->text.data, series);
    assert_true(started <= (double)now.tv_sec + 1 && started > (double)now.tv_sec - 3600);
    assert_value(fixture, metrics, "t_pool_processes", 1);
    assert_value(fixture, metrics, "t_pool_threads", 1);
    assert_true(value_in(fixture->text.data, "t_pool_cpu_seconds_total") > 0);
    metrics_free(&metrics);
}

static void a_process_that_is_not_there_has_no_stats(void **state)
{
    (void)state;
    struct process_stats stats;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(process_stats_read(child, &stats));
}

/* --- Siblings -------------------------------------------------------------------- */

/*
 * A child that runs `work` with metrics of its own. Ours are closed in it, or our slot would
 * be held by it as well, which no program does that never forks.
 */
static pid_t start_child(const struct fixture *fixture, struct metrics *ours,
                         void (*work)(struct metrics *metrics))
{
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        metrics_free(&ours);
        struct metrics *metrics = open_metrics(fixture);
        (void)!write(ready[1], &byte, 1);
        work(metrics);
        metrics_free(&metrics);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

static void end_child(pid_t child, int signal)
{
    if (signal)
        assert_int_equal(kill(child, signal), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void count_ten(struct metrics *metrics)
{
    for (int i = 0; i < 10; i++)
        metrics_add(metrics, PLAIN, METRIC_AT(0), 1);
    metrics_gauge_set(metrics, TEMPERATURE, METRIC_AT(0), 10);
}

static void count_ten_and_wait(struct metrics *metrics)
{
    count_ten(metrics);
    for (;;)
        pause();
}

static void only_wait(struct metrics *metrics)
{
    (void)metrics;
    for (;;)
        pause();
}

static void wait_for_value(struct fixture *fixture, struct metrics *metrics, const char *series,
                           double expected)
{
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    while (value_in(scrape(fixture, metrics), series) != expected &&
           deadline_left_ms(deadline_ns) > 0)
        usleep(1000);
    assert_value(fixture, metrics, series, expected);
}

static void counters_of_all_siblings_are_seen_by_each(void **state)
{
    struct fixture *fixture = *state;
    struct metrics *metrics = open_metrics(fixture);
    pid_t child = start_child(fixture, metrics, count_ten);
    metrics_add(metrics, PLAIN, METRIC_AT(0), 1);
    end_child(child, 0);
    assert_value(fixture, metrics, "t_plain_total", 11);
    assert_nothing_logged(fixture);
    metrics_free(&metrics);
}

static void counters_stay_when_everybody_has_gone(void **state)
{
    struct fixture *fixture = *state;
    struct metrics *metrics = open_metrics(fixture);
    metrics_add(metrics, PLAIN, METRIC_AT(0), 5);
    metrics_observe(metrics, LATENCY, METRIC_AT(0), NS_PER_S);
    double cpu = value_in(scrape(fixture, metrics), "t_pool_cpu_seconds_total");
    metrics_free(&metrics);
    metrics = open_metrics(fixture);
    assert_value(fixture, metrics, "t_plain_total", 5);
    assert_value(fixture, metrics, "t_latency_seconds_count", 1);
    assert_true(value_in(fixture->text.data, "t_pool_cpu_seconds_total") >= cpu);
    metrics_free(&metrics);
}

static void gauges_are_summed_over_the_living_only(void **state)
{
    struct fixture *fixture = *state;
    struct metrics *metrics = open_metrics(fixture);
    metrics_gauge_set(metrics, TEMPERATURE, METRIC_AT(0), 1);
    pid_t first = start_child(fixture, metrics, count_ten_and_wait);
    pid_t second = start_child(fixture, metrics, count_ten_and_wait);
    wait_for_value(fixture, metrics, "t_temperature", 21);
    assert_value(fixture, metrics, "t_pool_processes", 3);
    end_child(first, SIGKILL);
    assert_value(fixture, metrics, "t_temperature", 11);
    assert_value(fixture, metrics, "t_pool_processes", 2);
    pid_t third = start_child(fixture, metrics, only_wait);
    assert_value(fixture, metrics, "t_temperature", 11); /* the slot was cleared */
    assert_value(fixture, metrics, "t_pool_processes", 3);
    end_child(second, SIGTERM);
    end_child(third, SIGKILL);
    assert_value(fixture, metrics, "t_temperature", 1);
    assert_value(fixture, metrics, "t_plain_total", 20);
    metrics_free(&metrics);
}

static void burn_cpu(struct metrics *metrics)
{
    for (;;)
        metrics_tick(metrics, clock_now_ns());
}

static void cpu_time_of_the_dead_stays_in_the_sum(void **state)
{
    struct fixture *fixture = *state;
    struct metrics *metrics = open_metrics(fixture);
    double last = value_in(scrape(fixture, metrics), "t_pool_cpu_seconds_total");
    double seen = 0;
    for (int round = 0; round < 3; round++) {
        char series[80];
        pid_t child = start_child(fixture, metrics, burn_cpu);
        (void)snprintf(series, sizeof(series), "t_process_cpu_seconds_total{pid=\"%d\"}", child);
        double used = 0;
        int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
        while (used < 0.05 && deadline_left_ms(deadline_ns) > 0) {
            usleep(10000);
            used = value_in(scrape(fixture, metrics), series);
        }
        assert_true(used >= 0.05);
        seen += used;
        end_child(child, SIGKILL);
        double sum = value_in(scrape(fixture, metrics), "t_pool_cpu_seconds_total");
        assert_true(sum >= last && sum >= seen);
        assert_true(value_in(fixture->text.data, series) == -1);
        last = sum;
    }
    metrics_free(&metrics);
}

/* Everything that is a counter in one text is in the next one too, and not smaller. */
static void assert_never_decreases(const char *before, const char *after)
{
    char series[256];
    for (const char *line = before; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *space = strchr(line, ' ');
        if (*line == '#' || !space || strncmp(line, "t_temperature", 13) == 0 ||
            strstr(line, "pid=") == line + strcspn(line, "{ ") + 1 ||
            strncmp(line, "t_pool_resident", 15) == 0 || strncmp(line, "t_pool_open", 11) == 0 ||
            strncmp(line, "t_pool_threads", 14) == 0 || strncmp(line, "t_pool_proc", 11) == 0)
            continue;
        (void)snprintf(series, sizeof(series), "%.*s", (int)(space - line), line);
        double earlier = strtod(space, NULL);
        double later = value_in(after, series);
        if (later < earlier)
            fail_msg("%s went from %g to %g", series, earlier, later);
    }
}

static void count_for_ever(struct metrics *metrics)
{
    for (size_t i = 0;; i++) {
        metrics_gauge_add(metrics, TEMPERATURE, METRIC_AT(0), 1);
        metrics_add(metrics, REQUESTS, METRIC_AT(i % 3, i % 2, i % 100), 1);
        metrics_add(metrics, BUSY, METRIC_AT(i % 3), 1000);
        metrics_observe(metrics, LATENCY, METRIC_AT(0), (int64_t)(i % 2000) * 1000);
        metrics_observe(metrics, SPARSE_LATENCY, METRIC_AT(i % 3), (int64_t)(i % 2000) * 1000);
        metrics_tick(metrics, clock_now_ns());
        metrics_gauge_add(metrics, TEMPERATURE, METRIC_AT(0), -1);
    }
}

static void no_counter_goes_backwards_whoever_is_killed(void **state)
{
    enum { SIBLINGS = 3, ROUNDS = 60 };
    struct fixture *fixture = *state;
    struct metrics *metrics = open_metrics(fixture);
    pid_t siblings[SIBLINGS];
    char *before = strdup(scrape(fixture, metrics));
    for (int i = 0; i < SIBLINGS; i++)
        siblings[i] = start_child(fixture, metrics, count_for_ever);
    for (int round = 0; round < ROUNDS; round++) {
        usleep(5000);
        end_child(siblings[round % SIBLINGS], SIGKILL);
        siblings[round % SIBLINGS] = start_child(fixture, metrics, count_for_ever);
        if (round % 20 == 19) { /* the one that looks is started again as well */
            metrics_free(&metrics);
            metrics = open_metrics(fixture);
        }
        const char *after = scrape(fixture, metrics);
        assert_never_decreases(before, after);
        assert_true(value_in(after, "t_pool_processes") == SIBLINGS + 1);
        free(before);
        before = strdup(after);
    }
    for (int i = 0; i < SIBLINGS; i++)
        end_child(siblings[i], SIGKILL);
    free(before);

    /* What a kill may lose: the sum of one observation a process. */
    scrape(fixture, metrics);
    double count = value_in(fixture->text.data, "t_latency_seconds_count");
    assert_true(count > ROUNDS);
    assert_true(count == value_in(fixture->text.data, "t_latency_seconds_bucket{le=\"+Inf\"}"));
    assert_value(fixture, metrics, "t_temperature", 0);
    assert_nothing_logged(fixture);
    metrics_free(&metrics);
}

static void *count_in_thread(void *argument)
{
    for (int i = 0; i < 20000; i++) {
        metrics_add(argument, PLAIN, METRIC_AT(0), 1);
        metrics_observe(argument, LATENCY, METRIC_AT(0), NS_PER_MS);
        metrics_tick(argument, clock_now_ns());
    }
    return NULL;
}

static void no_update_of_threads_is_lost(void **state)
{
    enum { THREADS = 4 };
    struct fixture *fixture = *state;
    struct metrics *metrics = open_metrics(fixture);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_in_thread, metrics), 0);
    (void)scrape(fixture, metrics);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_value(fixture, metrics, "t_plain_total", THREADS * 20000);
    assert_value(fixture, metrics, "t_latency_seconds_sum", THREADS * 20000 * 0.001);
    metrics_free(&metrics);
}

/* --- The file -------------------------------------------------------------------- */

static void the_directory_is_made_and_closed_to_others(void **state)
{
    struct fixture *fixture = *state;
    struct stat status;
    struct metrics *metrics = open_metrics(fixture);
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    metrics_free(&metrics);
}

/* The path of the only file in the directory. */
static void find_file(const struct fixture *fixture, char path[PATH_MAX])
{
    DIR *directory = opendir(fixture->path);
    assert_non_null(directory);
    path[0] = '\0';
    const struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.')
            continue;
        assert_string_equal(path, "");
        assert_int_equal(strncmp(entry->d_name, "metrics-", 8), 0);
        (void)snprintf(path, PATH_MAX, "%.3000s/%s", fixture->path, entry->d_name);
    }
    closedir(directory);
    assert_string_not_equal(path, "");
}

static size_t count_files(const struct fixture *fixture)
{
    size_t count = 0;
    DIR *directory = opendir(fixture->path);
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count - 2;
}

static void a_program_with_other_metrics_uses_another_file(void **state)
{
    struct fixture *fixture = *state;
    struct metrics *all = open_metrics(fixture);
    struct metrics *fewer = open_rows(fixture, fixture->path, PLAIN + 1);
    assert_true(metrics_is_shared(fewer));
    metrics_add(all, PLAIN, METRIC_AT(0), 3);
    assert_value(fixture, fewer, "t_plain_total", 0);
    assert_value(fixture, all, "t_plain_total", 3);
    assert_int_equal(count_files(fixture), 2);
    metrics_free(&all);
    metrics_free(&fewer);
}

static void a_file_that_is_damaged_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    struct metrics *metrics = open_metrics(fixture);
    metrics_add(metrics, PLAIN, METRIC_AT(0), 3);
    find_file(fixture, path);
    metrics_free(&metrics);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    static const struct {
        off_t size; /* -1: as it was */
        const char *start;
    } damages[] = {{-1, "rubbish!"}, {10, "metrics1"}, {4096, "metrics1"}, {-1, "metrics1rubbish"}};
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        if (damages[i].size >= 0)
            assert_int_equal(ftruncate(fd, damages[i].size), 0);
        assert_true(pwrite(fd, damages[i].start, strlen(damages[i].start), 0) > 0);
        close(fd);
        metrics = open_metrics(fixture);
        assert_value(fixture, metrics, "t_plain_total", 0);
        metrics_free(&metrics);
        struct stat now;
        assert_int_equal(stat(path, &now), 0);
        assert_int_equal(now.st_size, status.st_size);
    }
}

static void a_file_whose_maker_died_over_it_is_finished(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    struct stat status;
    struct metrics *metrics = open_metrics(fixture);
    find_file(fixture, path);
    metrics_free(&metrics);
    assert_int_equal(stat(path, &status), 0);
    for (int with_memory = 0; with_memory < 2; with_memory++) {
        assert_int_equal(truncate(path, 0), 0);
        if (with_memory)
            assert_int_equal(truncate(path, status.st_size), 0);
        metrics = open_metrics(fixture);
        metrics_add(metrics, PLAIN, METRIC_AT(0), 1);
        assert_value(fixture, metrics, "t_plain_total", 1);
        metrics_free(&metrics);
    }
}

static void assert_private(struct fixture *fixture, const char *directory, const char *reason)
{
    struct metrics *metrics = open_rows(fixture, directory, ROWS);
    assert_false(metrics_is_shared(metrics));
    assert_logged(fixture, "[WARN]  test: Metrics are of this process only: directory=");
    assert_logged(fixture, reason);
    metrics_add(metrics, PLAIN, METRIC_AT(0), 2);
    assert_value(fixture, metrics, "t_plain_total", 2);
    assert_value(fixture, metrics, "t_pool_processes", 1);
    metrics_free(&metrics);
}

static void a_directory_that_cannot_be_used_leaves_private_memory_and_a_warning(void **state)
{
    struct fixture *fixture = *state;
    char other[PATH_MAX];
    temp_dir_path(&fixture->dir, "no/such/directory", other);
    assert_private(fixture, other, "the directory cannot be made");
    temp_dir_write(&fixture->dir, "file", "x", 1);
    temp_dir_path(&fixture->dir, "file", other);
    assert_private(fixture, other, "the directory cannot be opened");
    assert_int_equal(mkdir(fixture->path, 0700), 0);
    assert_int_equal(chmod(fixture->path, 0770), 0);
    assert_private(fixture, fixture->path, "others can write to the directory");
    temp_dir_path(&fixture->dir, "link", other);
    assert_int_equal(symlink(fixture->path, other), 0);
    assert_private(fixture, other, "the directory cannot be opened");
}

static void a_directory_of_somebody_else_is_not_used(void **state)
{
    struct fixture *fixture = *state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(mkdir(fixture->path, 0700), 0);
    assert_int_equal(chown(fixture->path, 65534, 65534), 0);
    assert_private(fixture, fixture->path, "the directory belongs to another user");
}

static void without_a_directory_nothing_is_shared_and_nobody_warned(void **state)
{
    struct fixture *fixture = *state;
    struct metrics *metrics = open_rows(fixture, "", ROWS);
    assert_false(metrics_is_shared(metrics));
    assert_nothing_logged(fixture);
    metrics_free(&metrics);
}

static void one_process_too_many_counts_for_itself(void **state)
{
    struct fixture *fixture = *state;
    struct metrics *all[LIMIT_METRICS_PROCESSES];
    for (size_t i = 0; i < LIMIT_METRICS_PROCESSES; i++)
        all[i] =
            open_metrics(fixture); /* each with a lock of its own, so each is one to the rest */
    assert_private(fixture, fixture->path, "there are 128 processes already");
    metrics_free(&all[7]);
    all[7] = open_metrics(fixture);
    for (size_t i = 0; i < LIMIT_METRICS_PROCESSES; i++)
        metrics_free(&all[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_text_has_the_form_of_prometheus),
        TEST(a_negative_observation_does_not_take_from_the_sum),
        TEST(a_text_that_is_too_large_is_an_error),
        TEST(this_process_is_shown_with_what_it_takes),
        TEST(a_process_that_is_not_there_has_no_stats),
        TEST(counters_of_all_siblings_are_seen_by_each),
        TEST(counters_stay_when_everybody_has_gone),
        TEST(gauges_are_summed_over_the_living_only),
        TEST(cpu_time_of_the_dead_stays_in_the_sum),
        TEST(no_counter_goes_backwards_whoever_is_killed),
        TEST(no_update_of_threads_is_lost),
        TEST(the_directory_is_made_and_closed_to_others),
        TEST(a_program_with_other_metrics_uses_another_file),
        TEST(a_file_that_is_damaged_is_replaced),
        TEST(a_file_whose_maker_died_over_it_is_finished),
        TEST(a_directory_that_cannot_be_used_leaves_private_memory_and_a_warning),
        TEST(a_directory_of_somebody_else_is_not_used),
        TEST(without_a_directory_nothing_is_shared_and_nobody_warned),
        TEST(one_process_too_many_counts_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Command line by getopt_long; signals are taken with sigwait, never by a handler. */
#include "lib/base/program.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "lib/base/service_manager.h"

#ifndef APP_VERSION
#error "APP_VERSION comes from the Makefile"
#endif

enum option_id {
    OPTION_HELP = 'h',
    OPTION_VERSION = 'v',
    OPTION_CHECK = 'c',
    OPTION_LISTEN = 'l',
    OPTION_MARKDOWN = 'm' /* for docs/configuration.sh, so not in --help */
};

static void print_help(const struct program *program)
{
    printf("%s %s: %s\n\n"
           "usage: %s [-h | --help | --version | --check-config]%s\n\n"
           "  -h, --help      this text\n"
           "  --version       the version\n"
           "  --check-config  check the settings below and leave with 0 or 78\n",
           program->name, APP_VERSION, program->summary, program->name,
           program->listen ? " [--listen ADDRESS]" : "");
    if (program->listen)
        printf("  --listen ADDRESS\n      %s\n", program->listen_help);
    printf("\nSettings, from the environment:\n\n");
    config_print_help(&program->config_table, stdout);
}

static void waited_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGUSR1);
    sigaddset(set, SIGUSR2);
    sigaddset(set, SIGHUP);
}

/* A peer that is gone and a file that may not grow, be it the log, are errors of a write. */
static void block_signals(void)
{
    sigset_t set;
    waited_signals(&set);
    sigaddset(&set, SIGPIPE);
    sigaddset(&set, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/*
 * A full descriptor table ends gRPC's listener for good and makes a FastCGI
 * worker wait, so take what the system allows.
 */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Returns false when the program is done; *check_only is set for --check-config. */
static bool parse_options(struct program *program, int argc, char **argv, bool *check_only,
                          int *exit_status)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"check-config", no_argument, NULL, OPTION_CHECK},
        {"listen", required_argument, NULL, OPTION_LISTEN},
        {"settings-markdown", no_argument, NULL, OPTION_MARKDOWN},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == OPTION_HELP) {
            print_help(program);
            *exit_status = EXIT_SUCCESS;
            return false;
        }
        if (option == OPTION_VERSION) {
            printf("%s %s\n", program->name, APP_VERSION);
            *exit_status = EXIT_SUCCESS;
            return false;
        }
        if (option == OPTION_MARKDOWN) {
            config_print_markdown(&program->config_table, stdout);
            *exit_status = EXIT_SUCCESS;
            return false;
        }
        if (option == OPTION_CHECK) {
            *check_only = true;
        } else if (option == OPTION_LISTEN && program->listen) {
            *program->listen = optarg;
        } else {
            fprintf(stderr, "%s: see %s --help\n", program->name, program->name);
            *exit_status = 2;
            return false;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument %s, see --help\n", program->name, argv[optind]);
        *exit_status = 2;
        return false;
    }
    return true;
}

bool program_start(struct program *program, int argc, char **argv, int *exit_status)
{
    bool check_only = false;
    if (!parse_options(program, argc, argv, &check_only, exit_status))
        return false;

    struct err_buf why = {.text = "out of memory"};
    if (config_load(&program->config_table, program->config, getenv, &why)) {
        fprintf(stderr, "%s: %s\n", program->name, why.text);
        *exit_status = PROGRAM_EXIT_CONFIG;
        return false;
    }
    if (check_only) {
        printf("%s: the configuration is valid\n", program->name);
        config_release(&program->config_table, program->config);
        *exit_status = EXIT_SUCCESS;
        return false;
    }

    program->log_sink.fd = fileno(stderr);
    program->log_sink.format = (enum log_format) * program->log_format;
    atomic_init(&program->log_sink.level, *program->log_level);
    block_signals();
    raise_descriptor_limit();

    struct log log = {.sink = &program->log_sink, .module = program->module};
    config_log(&program->config_table, program->config, &log);
    return true;
}

/* `former` is the level to go back to, LOG_LEVEL__MAX while there is none. */
static void toggle_debug(const struct log *log, int *former)
{
    int level = *former;
    if (level == LOG_LEVEL__MAX) {
        *former = atomic_load(&log->sink->level);
        level = *former < LOG_DEBUG ? *former : LOG_DEBUG;
    } else {
        *former = LOG_LEVEL__MAX;
    }
    atomic_store(&log->sink->level, level);
    log_write(log, LOG_INFO, "Log level changed", /* whatever it is now */
              LOG_FIELDS(LOG_STR("level", log_level_name((enum log_level)level))));
}

int program_wait_for_stop(const struct log *log)
{
    sigset_t set;
    waited_signals(&set);
    int former = LOG_LEVEL__MAX;
    service_manager_tell("READY=1");
    for (;;) {
        int signal_number = 0;
        if (sigwait(&set, &signal_number) != 0 || signal_number == SIGHUP)
            continue;
        if (signal_number != SIGUSR2) {
            service_manager_tell("STOPPING=1");
            return signal_number;
        }
        toggle_debug(log, &former);
    }
}

void program_finish(struct program *program)
{
    config_release(&program->config_table, program->config);
}

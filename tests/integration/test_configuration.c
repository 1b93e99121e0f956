/* SPDX-License-Identifier: MIT */
/* The three programs' settings and what the documentation says of them, and of errors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/program.h"
#include "support/cmocka.h"
#include "support/command.h"
#include "support/process.h"
#include "support/temp_dir.h"

enum { OUTPUT_MAX = 256 * 1024, SECRETS_MAX = 16 };

static const char *const programs[] = {"api", "cache", "facebox"};
enum { PROGRAMS = sizeof(programs) / sizeof(programs[0]) };

/* Long enough for a token, and a URL of a Redis. */
static const char secret[] = "redis://127.0.0.1:6379/0";

static const char *build_directory(void)
{
    const char *build = getenv("BUILD");
    return build ? build : "build/release";
}

/* Run a program with one option and that environment; its exit status, and what it wrote. */
static int run(const char *program, const char *option, const char *const *environment,
               char output[OUTPUT_MAX])
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/emojify-%s", build_directory(), program);
    return process_run((const char *const[]){path, option, NULL}, environment, true, output,
                       OUTPUT_MAX);
}

static void read_page(struct buf *page)
{
    buf_init(page, OUTPUT_MAX);
    assert_int_equal(command_run("cat docs/configuration.md", page), 0);
}

static void the_page_is_what_the_programs_say_now(void **state)
{
    char command[1024];
    struct buf page;
    struct buf made;
    (void)state;
    read_page(&page);
    buf_init(&made, OUTPUT_MAX);
    (void)snprintf(command, sizeof(command), "BUILD='%s' docs/configuration.sh", build_directory());
    assert_int_equal(command_run(command, &made), 0);
    if (strcmp(page.data, made.data) != 0)
        fail_msg("docs/configuration.md is stale: run make docs");
    buf_release(&made);
    buf_release(&page);
}

/* The part of the page that is about a program, and where it ends. */
static const char *find_section(const char *page, const char *program, const char **end)
{
    char title[64];
    (void)snprintf(title, sizeof(title), "\n## emojify-%s\n", program);
    const char *section = strstr(page, title);
    assert_non_null(section);
    section += strlen(title);
    const char *next = strstr(section, "\n## ");
    *end = next ? next : section + strlen(section);
    return section;
}

static void help_names_every_setting_of_the_page(void **state)
{
    static char help[OUTPUT_MAX];
    struct buf page;
    (void)state;
    read_page(&page);
    for (size_t i = 0; i < PROGRAMS; i++) {
        const char *end;
        int settings = 0;
        assert_int_equal(run(programs[i], "--help", NULL, help), 0);
        const char *at = find_section(page.data, programs[i], &end);
        while ((at = strstr(at, "\n| `")) && at < end) {
            char name[64];
            at += strlen("\n| `");
            (void)snprintf(name, sizeof(name), "\n  %.*s", (int)strcspn(at, "`"), at);
            if (!strstr(help, name))
                fail_msg("emojify-%s --help has no%s", programs[i], name + 1);
            settings++;
        }
        assert_in_range(settings, 5, 200);
    }
    buf_release(&page);
}

static void check_config_leaves_with_0_or_78(void **state)
{
    static const char *const good[] = {"LOG_LEVEL=debug", NULL};
    static const char *const bad[] = {"LOG_LEVEL=loud", NULL};
    static char output[OUTPUT_MAX];
    (void)state;
    for (size_t i = 0; i < PROGRAMS; i++) {
        assert_int_equal(run(programs[i], "--check-config", good, output), 0);
        assert_non_null(strstr(output, "the configuration is valid"));
        assert_int_equal(run(programs[i], "--check-config", bad, output), PROGRAM_EXIT_CONFIG);
        assert_non_null(
            strstr(output, "LOG_LEVEL=loud: must be trace|debug|info|warn|error|off\n"));
    }
}

static void check_config_looks_at_what_belongs_together(void **state)
{
    static const struct {
        const char *program;
        const char *environment[3];
        const char *words;
    } cases[] = {
        {"api", {"PROFILE=on", NULL}, "PROFILE=on needs PROFILE_TOKEN"},
        {"api", {"CACHE_TLS_CA=/etc/hosts", NULL}, "CACHE_TLS_"},
        {"cache", {"TLS_CERT=/nowhere", NULL}, "TLS_"},
        {"facebox", {"FACEBOX_PASS=x", NULL}, "FACEBOX_USER is not"},
    };
    static char output[OUTPUT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(run(cases[i].program, "--check-config", cases[i].environment, output),
                         PROGRAM_EXIT_CONFIG);
        if (!strstr(output, cases[i].words))
            fail_msg("emojify-%s said: %s", cases[i].program, output);
    }
}

static void assert_secret_may_be_a_file(const char *program, const char *name,
                                        const struct temp_dir *dir)
{
    static char output[OUTPUT_MAX];
    char path[PATH_MAX];
    char file[PATH_MAX + 128];
    char missing[128];
    char value[128];
    temp_dir_path(dir, "secret", path);
    (void)snprintf(file, sizeof(file), "%s_FILE=%s", name, path);
    (void)snprintf(missing, sizeof(missing), "%s_FILE=/nowhere/secret", name);
    (void)snprintf(value, sizeof(value), "%s=%s", name, secret);
    const char *const from_file[] = {"FACEBOX_USER=any", file, NULL};
    const char *const from_nowhere[] = {"FACEBOX_USER=any", missing, NULL};
    const char *const from_both[] = {"FACEBOX_USER=any", file, value, NULL};
    if (run(program, "--check-config", from_file, output) != 0)
        fail_msg("emojify-%s does not take %s_FILE: %s", program, name, output);
    assert_int_equal(run(program, "--check-config", from_nowhere, output), PROGRAM_EXIT_CONFIG);
    assert_non_null(strstr(output, "_FILE: cannot read /nowhere/secret"));
    assert_int_equal(run(program, "--check-config", from_both, output), PROGRAM_EXIT_CONFIG);
    assert_non_null(strstr(output, "are both set"));
    assert_null(strstr(output, secret));
}

static void every_secret_may_be_given_as_a_file(void **state)
{
    struct temp_dir dir;
    struct buf page;
    int secrets = 0;
    (void)state;
    temp_dir_init(&dir);
    temp_dir_write(&dir, "secret", "redis://127.0.0.1:6379/0\n", sizeof(secret));
    read_page(&page);
    for (size_t i = 0; i < PROGRAMS; i++) {
        const char *end;
        const char *at = find_section(page.data, programs[i], &end);
        while ((at = strstr(at, "_FILE` |")) && at < end) {
            const char *start = at;
            char name[64];
            while (start[-1] != '`')
                start--;
            (void)snprintf(name, sizeof(name), "%.*s", (int)(at - start), start);
            assert_secret_may_be_a_file(programs[i], name, &dir);
            secrets++;
            at++;
        }
    }
    assert_in_range(secrets, 4, SECRETS_MAX); /* those that there were when this was written */
    buf_release(&page);
    temp_dir_release(&dir);
}

/* One row for each, with its status: | 400 | `bad-request` | when | */
static void every_error_code_is_in_the_reference_of_the_api(void **state)
{
    struct buf page;
    (void)state;
    buf_init(&page, OUTPUT_MAX);
    assert_int_equal(command_run("cat docs/api.md", &page), 0);
    for (int i = 0; i < APP_ERR__MAX; i++) {
        enum app_err err = (enum app_err)i;
        char row[16];
        char code[64];
        bool found = err == APP_OK;
        (void)snprintf(row, sizeof(row), "\n| %d | ", app_err_status(err));
        (void)snprintf(code, sizeof(code), "`%s`", app_err_slug(err));
        for (const char *at = page.data; !found && (at = strstr(at, row)); at++) {
            const char *named = strstr(at, code);
            found = named && named < at + 1 + strcspn(at + 1, "\n");
        }
        if (!found)
            fail_msg("docs/api.md has no row for %d %s", app_err_status(err), code);
    }
    buf_release(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_is_what_the_programs_say_now),
        cmocka_unit_test(help_names_every_setting_of_the_page),
        cmocka_unit_test(check_config_leaves_with_0_or_78),
        cmocka_unit_test(check_config_looks_at_what_belongs_together),
        cmocka_unit_test(every_secret_may_be_given_as_a_file),
        cmocka_unit_test(every_error_code_is_in_the_reference_of_the_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

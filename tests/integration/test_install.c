/* SPDX-License-Identifier: MIT */
/* What `make install` puts into a system, below a directory of the test's own. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "support/command.h"
#include "support/temp_dir.h"

enum { OUTPUT_MAX = 1024 * 1024, COMMAND_MAX = 2048 };

struct fixture {
    struct temp_dir dir;
    struct buf output; /* of the latest command */
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (!fixture)
        return -1;
    temp_dir_init(&fixture->dir);
    buf_init(&fixture->output, OUTPUT_MAX);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    temp_dir_release(&fixture->dir);
    buf_release(&fixture->output);
    free(fixture);
    return 0;
}

/* In a shell with $D, the test's directory, and $BUILD; the output is kept. */
static int run(struct fixture *fixture, const char *command)
{
    char line[COMMAND_MAX];
    int len = snprintf(line, sizeof(line), "D=%s; export BUILD=${BUILD:-build/release}; %s",
                       fixture->dir.path, command);
    assert_in_range(len, 1, sizeof(line) - 1);
    buf_reset(&fixture->output);
    return command_run(line, &fixture->output);
}

static void run_well(struct fixture *fixture, const char *command)
{
    int status = run(fixture, command);
    if (status != 0)
        fail_msg("%s: status %d: %.*s", command, status, (int)fixture->output.len,
                 fixture->output.data);
}

static void assert_no_output(const struct fixture *fixture)
{
    if (fixture->output.len > 0)
        fail_msg("%.*s", (int)fixture->output.len, fixture->output.data);
}

/* The script that the make targets call; they differ in building first. */
#define INSTALL(prefix) "DESTDIR=$D PREFIX=" prefix " httpd-conf/install.sh "

static void a_second_install_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    run_well(fixture, INSTALL("/usr") "install && cd $D && find . -type f -o -type l | sort | "
                                      "xargs stat -c '%n %a %F' >$D.first");
    run_well(fixture, INSTALL("/usr") "install && cd $D && find . -type f -o -type l | sort | "
                                      "xargs stat -c '%n %a %F' | diff $D.first -; rm $D.first");
    assert_no_output(fixture);
    run_well(fixture,
             "test -x $D/usr/sbin/emojify-api && test -s $D/etc/emojify/emojify-api.env && "
             "test -s $D/usr/share/man/man8/emojify-facebox.8");
}

static void uninstall_leaves_no_file_but_a_changed_configuration(void **state)
{
    struct fixture *fixture = *state;
    run_well(fixture,
             INSTALL("/usr") "install && mkdir -p $D/usr/share/doc/other && "
                             "touch $D/usr/share/doc/other/README && "
                             "echo LOG_LEVEL=debug >>$D/etc/emojify/emojify-cache.env && " INSTALL(
                                 "/usr") "uninstall >/dev/null && cd $D && find . -type f -o "
                                         "-type l | sort | tr '\\n' ' '");
    assert_string_equal(fixture->output.data,
                        "./etc/emojify/emojify-cache.env ./usr/share/doc/other/README ");
}

static void a_configuration_that_was_changed_outlives_an_install(void **state)
{
    struct fixture *fixture = *state;
    run_well(
        fixture,
        INSTALL("/usr") "install && echo CHANGED=1 >$D/etc/emojify/emojify-api.env && " INSTALL(
            "/usr") "install && cat $D/etc/emojify/emojify-api.env");
    assert_string_equal(fixture->output.data, "CHANGED=1\n");
}

static void another_prefix_is_put_into_every_text(void **state)
{
    struct fixture *fixture = *state;
    run_well(fixture, INSTALL("/usr/local") "install");
    assert_int_equal(run(fixture,
                         "grep -rnE '/usr/(sbin/emojify|lib/emojify|share/emojify-api)' $D "
                         "--include='*.conf' --include='*.service' --include='*.8'"),
                     1);
    assert_no_output(fixture);
    run_well(fixture, "grep -qx 'ExecStart=/usr/local/sbin/emojify-api' "
                      "$D/usr/local/lib/systemd/system/emojify-api.service");
}

/* An installed program finds its emoji, also by the name that mod_fcgid starts it by. */
static void an_installed_program_finds_its_emoji(void **state)
{
    struct fixture *fixture = *state;
    run_well(fixture, INSTALL("/usr") "install");
    run_well(fixture, "(for program in $D/usr/sbin/emojify-api $D/usr/lib/emojify/emojify-api; do "
                      "RUN_DIR=$D/run timeout 60 $program --listen unix:$D/api.sock & pid=$!; "
                      "until [ -S $D/api.sock ] || ! kill -0 $pid; do sleep 0.1; done; "
                      "kill $pid; wait $pid || exit 1; done) >/dev/null 2>&1");
}

/* But for certificates, which must be there and fit. */
static void the_examples_of_settings_are_valid_when_all_are_taken(void **state)
{
    struct fixture *fixture = *state;
    static const char token[] = "0123456789abcdef0123456789abcdef\n";
    temp_dir_write(&fixture->dir, "secret", token, sizeof(token) - 1);
    temp_dir_write(&fixture->dir, "url", "redis://127.0.0.1/\n", 19);
    run_well(
        fixture,
        "for p in api cache facebox; do "
        "env $(sed -nE '/TLS_/d; s/^#?([A-Z_]+=[^ ]+)$/\\1/p' httpd-conf/systemd/emojify-$p.env | "
        "sed \"s#=/etc/emojify/redis-url#=$D/url#; s#_FILE=/etc/.*#_FILE=$D/secret#\") "
        "$BUILD/emojify-$p --check-config 2>&1 || exit 1; done");
}

/* --- Manual pages ---------------------------------------------------------------- */

static void the_manual_pages_are_clean_and_name_every_setting(void **state)
{
    struct fixture *fixture = *state;
    /* Whether the pages that they refer to are installed is not the pages' matter. */
    run_well(fixture, "for p in api cache facebox; do mandoc -Tlint $BUILD/man/emojify-$p.8 2>&1 | "
                      "grep -vE 'referenced manual not found|outdated mandoc.db'; "
                      "LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z $BUILD/man/emojify-$p.8 "
                      "2>&1 >/dev/null; "
                      "$BUILD/emojify-$p --help | sed -nE 's/^  ([A-Z_]+)( .*)?$/\\1/p' | "
                      "while read -r name; do grep -qx \".It Ev $name\" $BUILD/man/emojify-$p.8 || "
                      "echo $name is missing; done; done");
    assert_no_output(fixture);
}

/* --- systemd --------------------------------------------------------------------- */

#define UNITS "$D/usr/lib/systemd/system"

/* Programs are looked for where the units say, so the prefix is the directory. */
static void install_units(struct fixture *fixture)
{
    run_well(fixture, "PREFIX=$D/usr SYSCONFDIR=$D/etc httpd-conf/install.sh install >/dev/null");
    assert_no_output(fixture);
}

static void systemd_takes_the_units_as_they_are(void **state)
{
    struct fixture *fixture = *state;
    if (!command_exists("systemd-analyze"))
        skip();
    install_units(fixture);
    run_well(fixture,
             "systemd-analyze verify --man=no " UNITS "/*.service " UNITS "/*.socket 2>&1 | "
             "grep emojify; true");
    assert_no_output(fixture);
}

static void each_unit_is_exposed_less_than_two_and_a_half(void **state)
{
    struct fixture *fixture = *state;
    if (!command_exists("systemd-analyze"))
        skip();
    install_units(fixture);
    run_well(fixture, "for p in api cache facebox; do "
                      "systemd-analyze security --no-pager --offline=true --threshold=24 " UNITS
                      "/emojify-$p.service || exit 1; done");
}

/*
 * systemd's RemoveIPC= deletes what the user has in /dev/shm when the unit stops, and the local
 * tier is there. A unit that starts again after a mistake in its settings does so for ever.
 */
static void a_restart_keeps_the_tier_and_a_mistake_ends_the_unit(void **state)
{
    struct fixture *fixture = *state;
    install_units(fixture);
    run_well(fixture, "! grep -q '^RemoveIPC=' " UNITS "/emojify-api.service && "
                      "grep -q '^ExecStopPost=.*78.* stop emojify-api.socket' " UNITS
                      "/emojify-api.service && "
                      "for p in api cache facebox; do "
                      "grep -qx 'Type=notify' " UNITS "/emojify-$p.service && "
                      "grep -qx 'RestartPreventExitStatus=78' " UNITS "/emojify-$p.service || "
                      "exit 1; done");
}

static void users_and_directories_are_made_as_the_units_need_them(void **state)
{
    struct fixture *fixture = *state;
    if (!command_exists("systemd-sysusers") || geteuid() != 0)
        skip();
    run_well(fixture,
             "mkdir $D/etc && echo www-data:x:33:33::/:/bin/false >$D/etc/passwd && "
             "echo www-data:x:33: >$D/etc/group && " INSTALL(
                 "/usr") "install && "
                         "systemd-sysusers --root=$D && systemd-tmpfiles --root=$D --create "
                         "--prefix=/run --prefix=/dev/shm");
    run_well(fixture, "for p in api cache facebox; do grep -qx \"User=emojify-$p\" "
                      "$D/usr/lib/systemd/system/emojify-$p.service && "
                      "grep -q \"^emojify-$p:\" $D/etc/passwd || exit 1; done");
    run_well(fixture, "api=$(sed -nE 's/^emojify-api:x:([0-9]+):.*/\\1/p' $D/etc/passwd); "
                      "test \"$(stat -c '%a %u %g' $D/dev/shm/emojify)\" = \"2750 $api 33\" && "
                      "test \"$(stat -c '%a %u %g' $D/run/emojify-web)\" = '700 33 33'");
}

/* $1: mount options of /proc. Prints the log of a detector that sees such a /proc only. */
#define START_DETECTOR                                                                             \
    "start() { unshare -m sh -c 'mount -t proc -o \"'\"$1\"'\" proc /proc && "                     \
    "BIND_PORT=0 timeout 2 \"$BUILD\"/emojify-facebox 2>&1'; }; "

static void the_detector_starts_with_what_its_unit_lets_it_see_of_proc(void **state)
{
    struct fixture *fixture = *state;
    if (!command_exists("unshare") || geteuid() != 0)
        skip();
    install_units(fixture);
    run_well(fixture, START_DETECTOR
             "subset=$(sed -n 's/^ProcSubset=//p' " UNITS "/emojify-facebox.service); "
             "start \"rw${subset:+,subset=$subset}\" | grep -q 'Service started'");
    run_well(fixture, START_DETECTOR "start rw,subset=pid | grep 'Cannot start' | "
                                     "grep -q '/proc/cpuinfo cannot be read'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_second_install_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(uninstall_leaves_no_file_but_a_changed_configuration, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_configuration_that_was_changed_outlives_an_install, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_prefix_is_put_into_every_text, setup, teardown),
        cmocka_unit_test_setup_teardown(an_installed_program_finds_its_emoji, setup, teardown),
        cmocka_unit_test_setup_teardown(the_examples_of_settings_are_valid_when_all_are_taken,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_manual_pages_are_clean_and_name_every_setting, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(systemd_takes_the_units_as_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(each_unit_is_exposed_less_than_two_and_a_half, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_restart_keeps_the_tier_and_a_mistake_ends_the_unit, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_detector_starts_with_what_its_unit_lets_it_see_of_proc,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(users_and_directories_are_made_as_the_units_need_them,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "support/cmocka.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/config.h"

struct settings {
    const char *name;
    const char *token;
    bool enabled;
    int64_t count;
    int64_t wait_ms;
    int64_t bytes;
    int colour;
};

static enum app_err check_name(const char *value, struct err_buf *why)
{
    return strcmp(value, "bad") == 0 ? err_set(why, APP_CONFIG, "must not be bad") : APP_OK;
}

#define MEMBER(name) offsetof(struct settings, name)
static const struct config_entry entries[] = {
    {"NAME", CONFIG_STRING, MEMBER(name), "joe", NULL, NULL, NULL, "A name", check_name},
    {"TOKEN", CONFIG_SECRET, MEMBER(token), NULL, NULL, NULL, NULL, "A token", check_name},
    {"ENABLED", CONFIG_BOOL, MEMBER(enabled), "false", NULL, NULL, NULL, "A switch", NULL},
    {"COUNT", CONFIG_INT, MEMBER(count), "3", "1", "10", NULL, "A number", NULL},
    {"WAIT", CONFIG_DURATION, MEMBER(wait_ms), "2s", "10ms", "1h", NULL, "A wait", NULL},
    {"BYTES", CONFIG_SIZE, MEMBER(bytes), "1K", "0", NULL, NULL, "A size", NULL},
    {"COLOUR", CONFIG_CHOICE, MEMBER(colour), "green", NULL, NULL, "red|green|blue", "A colour",
     NULL},
};
static enum app_err check_all(const void *config, struct err_buf *why)
{
    const struct settings *settings = config;
    return settings->enabled && settings->count == 7 ? err_set(why, APP_CONFIG, "not both")
                                                     : APP_OK;
}

static const struct config_table table = {entries, sizeof(entries) / sizeof(entries[0]), check_all};

/* The environment of the test that runs: up to two settings. */
static const char *given[4];

/* config_lookup has getenv's type, whose results nobody frees: kept for the tear-down. */
static char *kept[64];
static size_t kept_count;

static char *lookup(const char *name)
{
    for (size_t i = 0; i < 4; i += 2) {
        if (given[i] && strcmp(given[i], name) == 0) {
            kept[kept_count] = strdup(given[i + 1]);
            return kept[kept_count++];
        }
    }
    return NULL;
}

static enum app_err load(struct settings *settings, struct err_buf *why, const char *name,
                         const char *value)
{
    given[0] = name;
    given[1] = value;
    memset(settings, 0, sizeof(*settings));
    return config_load(&table, settings, lookup, why);
}

static int tear_down(void **state)
{
    (void)state;
    while (kept_count > 0)
        free(kept[--kept_count]);
    memset(given, 0, sizeof(given));
    return 0;
}

static void defaults_hold_when_nothing_is_set(void **state)
{
    (void)state;
    struct settings settings;
    struct err_buf why;
    assert_int_equal(load(&settings, &why, NULL, NULL), APP_OK);
    assert_string_equal(settings.name, "joe");
    assert_string_equal(settings.token, "");
    assert_false(settings.enabled);
    assert_int_equal(settings.count, 3);
    assert_int_equal(settings.wait_ms, 2000);
    assert_int_equal(settings.bytes, 1024);
    assert_int_equal(settings.colour, 1);
    config_release(&table, &settings);
    config_release(&table, &settings);
    assert_null(settings.name);
}

static void an_empty_value_is_an_unset_one(void **state)
{
    (void)state;
    struct settings settings;
    struct err_buf why;
    assert_int_equal(load(&settings, &why, "COUNT", ""), APP_OK);
    assert_int_equal(settings.count, 3);
    config_release(&table, &settings);
}

static void bounds_are_included_and_beyond_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        enum app_err expected;
    } cases[] = {
        {"COUNT", "0", APP_CONFIG},
        {"COUNT", "1", APP_OK},
        {"COUNT", "10", APP_OK},
        {"COUNT", "11", APP_CONFIG},
        {"COUNT", "2x", APP_CONFIG},
        {"COUNT", " 2", APP_CONFIG},
        {"COUNT", "99999999999999999999", APP_CONFIG},
        {"WAIT", "9ms", APP_CONFIG},
        {"WAIT", "10ms", APP_OK},
        {"WAIT", "1h", APP_OK},
        {"WAIT", "61m", APP_CONFIG},
        {"WAIT", "abc", APP_CONFIG},
        {"BYTES", "-1", APP_CONFIG},
        {"BYTES", "1T", APP_CONFIG},
        {"BYTES", "1KB", APP_CONFIG},
        {"BYTES", "2g", APP_OK},
        {"COLOUR", "re", APP_CONFIG},
        {"COLOUR", "Blue", APP_OK},
        {"COLOUR", "red|green", APP_CONFIG},
        {"ENABLED", "maybe", APP_CONFIG},
        {"ENABLED", "ON", APP_OK},
        {"NAME", "bad", APP_CONFIG},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct settings settings;
        struct err_buf why = {.text = ""};
        enum app_err err = load(&settings, &why, cases[i].name, cases[i].value);
        if (err != cases[i].expected)
            fail_msg("%s=%s gave %d", cases[i].name, cases[i].value, (int)err);
        if (err == APP_OK)
            config_release(&table, &settings);
    }
}

static void a_refusal_names_setting_value_and_range(void **state)
{
    (void)state;
    struct settings settings;
    struct err_buf why = {.text = ""};
    assert_int_equal(load(&settings, &why, "COUNT", "11"), APP_CONFIG);
    assert_string_equal(why.text, "COUNT=11: must be a whole number from 1 to 10");
    assert_int_equal(load(&settings, &why, "COLOUR", "pink"), APP_CONFIG);
    assert_string_equal(why.text, "COLOUR=pink: must be red|green|blue");
    assert_int_equal(load(&settings, &why, "TOKEN", "bad"), APP_CONFIG);
    assert_string_equal(why.text, "TOKEN=***: must not be bad");
}

static void durations_follow_gos_syntax(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"300ms", 300}, {"1.5s", 1500},     {"5m", 300000}, {"1000h", 3600000000},
                {"30", 30000},  {"1h30m", 5400000}, {"0s", 0},      {"2h0.5s", 7200500}};
    int64_t ms = -1;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(config_parse_duration(good[i].text, &ms), APP_OK);
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {"", "s", "-1s", "1d", "0x10", "inf", "nan", "1e400s", "1s "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (config_parse_duration(bad[i], &ms) == APP_OK)
            fail_msg("%s was taken", bad[i]);
}

static void a_secret_comes_from_its_file_without_the_newline(void **state)
{
    (void)state;
    char path[] = "/tmp/emojify-test-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "s3cret\n", 7), 7);
    close(fd);

    struct settings settings;
    struct err_buf why = {.text = ""};
    assert_int_equal(load(&settings, &why, "TOKEN_FILE", path), APP_OK);
    assert_string_equal(settings.token, "s3cret");
    config_release(&table, &settings);

    given[2] = "TOKEN";
    given[3] = "other";
    assert_int_equal(load(&settings, &why, "TOKEN_FILE", path), APP_CONFIG);
    assert_string_equal(why.text, "TOKEN and TOKEN_FILE are both set");
    given[2] = NULL;
    unlink(path);
    assert_int_equal(load(&settings, &why, "TOKEN_FILE", path), APP_CONFIG);
    assert_non_null(strstr(why.text, "No such file"));
}

static void a_check_across_settings_refuses_what_each_row_allows(void **state)
{
    (void)state;
    struct settings settings;
    struct err_buf why = {.text = ""};
    given[2] = "ENABLED";
    given[3] = "on";
    assert_int_equal(load(&settings, &why, "COUNT", "7"), APP_CONFIG);
    assert_string_equal(why.text, "not both");
    assert_null(settings.name);
    assert_int_equal(load(&settings, &why, "COUNT", "8"), APP_OK);
    config_release(&table, &settings);
}

static void the_log_line_masks_secrets(void **state)
{
    (void)state;
    struct settings settings;
    struct err_buf why;
    char record[4096];
    int ends[2];
    assert_int_equal(load(&settings, &why, "TOKEN", "s3cret"), APP_OK);
    assert_int_equal(pipe(ends), 0);
    struct log_sink sink = {.fd = ends[1], .level = LOG_INFO};
    struct log log = {&sink, "api", NULL};
    config_log(&table, &settings, &log);
    ssize_t len = read(ends[0], record, sizeof(record) - 1);
    assert_true(len > 0);
    record[len] = '\0';
    assert_null(strstr(record, "s3cret"));
    assert_non_null(strstr(record, "TOKEN=*** "));
    assert_non_null(strstr(record, "WAIT=2000ms"));
    assert_non_null(strstr(record, "COLOUR=green"));
    close(ends[0]);
    close(ends[1]);
    config_release(&table, &settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(defaults_hold_when_nothing_is_set, tear_down),
        cmocka_unit_test_teardown(an_empty_value_is_an_unset_one, tear_down),
        cmocka_unit_test_teardown(bounds_are_included_and_beyond_is_refused, tear_down),
        cmocka_unit_test_teardown(a_refusal_names_setting_value_and_range, tear_down),
        cmocka_unit_test(durations_follow_gos_syntax),
        cmocka_unit_test_teardown(a_secret_comes_from_its_file_without_the_newline, tear_down),
        cmocka_unit_test_teardown(a_check_across_settings_refuses_what_each_row_allows, tear_down),
        cmocka_unit_test_teardown(the_log_line_masks_secrets, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

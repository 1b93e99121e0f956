/* SPDX-License-Identifier: MIT */
#include "cache/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/log.h"

/* One setting at a time; no mutable globals but in a test's own lookup. */
static char setting_name[64];
static char setting_value[200];

static char *look_up(const char *name)
{
    return strcmp(name, setting_name) == 0 ? setting_value : NULL;
}

static enum app_err load(const char *name, const char *value, struct cache_config *config)
{
    const struct config_table table = cache_config_table();
    struct err_buf why = {.text = ""};
    memset(config, 0, sizeof(*config));
    strncpy(setting_name, name, sizeof(setting_name) - 1);
    strncpy(setting_value, value, sizeof(setting_value) - 1);
    enum app_err err = config_load(&table, config, look_up, &why);
    if (err)
        assert_non_null(strstr(why.text, name));
    return err;
}

static void release(struct cache_config *config)
{
    const struct config_table table = cache_config_table();
    config_release(&table, config);
}

static void the_defaults_are_the_documented_ones(void **state)
{
    (void)state;
    struct cache_config config;
    assert_int_equal(load("NOTHING", "", &config), APP_OK);
    assert_string_equal(config.bind_address, "127.0.0.1");
    assert_int_equal(config.bind_port, 9090);
    assert_string_equal(config.health_bind_address, "127.0.0.1");
    assert_int_equal(config.health_bind_port, 9091);
    assert_int_equal(config.cache_type, CACHE_TYPE_FILE);
    assert_string_equal(config.file_location, "/var/lib/emojify-cache");
    assert_string_equal(config.redis_url, "redis://127.0.0.1:6379/0");
    assert_int_equal(config.max_life, INT64_C(720) * 3600 * 1000);
    assert_int_equal(config.max_bytes, 1 << 30);
    assert_int_equal(config.log_level, LOG_INFO);
    assert_int_equal(config.log_format, LOG_FORMAT_TEXT);
    release(&config);
}

static void assert_takes(const char *name, const char *value)
{
    struct cache_config config;
    assert_int_equal(load(name, value, &config), APP_OK);
    release(&config);
}

static void assert_refuses(const char *name, const char *value)
{
    struct cache_config config;
    assert_int_equal(load(name, value, &config), APP_CONFIG);
}

static void addresses_are_hosts_or_sockets(void **state)
{
    (void)state;
    char path[200] = "unix:/";
    assert_takes("BIND_ADDRESS", "0.0.0.0");
    assert_takes("BIND_ADDRESS", "::1");
    assert_takes("BIND_ADDRESS", "unix:/run/cache.sock");
    memset(path + 6, 'a', 106); /* 107 with the slash, and a NUL */
    assert_takes("BIND_ADDRESS", path);
    path[112] = 'a';
    assert_refuses("BIND_ADDRESS", path);
    assert_refuses("BIND_ADDRESS", "unix:relative");
    assert_refuses("BIND_ADDRESS", "dns:///cache");
    assert_refuses("BIND_ADDRESS", "10.0.0.1,10.0.0.2");
}

static void a_redis_may_be_chosen_by_its_url(void **state)
{
    (void)state;
    struct cache_config config;
    assert_int_equal(load("CACHE_TYPE", "redis", &config), APP_OK);
    assert_int_equal(config.cache_type, CACHE_TYPE_REDIS);
    release(&config);
    assert_takes("REDIS_URL", "redis://:secret@10.0.0.1:6380/2");
    assert_takes("REDIS_URL", "unix:///run/redis.sock?db=1");
    assert_refuses("REDIS_URL", "10.0.0.1:6380");
    assert_refuses("REDIS_URL", "rediss://10.0.0.1");
}

static void values_out_of_their_range_are_refused(void **state)
{
    (void)state;
    assert_takes("BIND_PORT", "0");
    assert_takes("BIND_PORT", "65535");
    assert_refuses("BIND_PORT", "65536");
    assert_refuses("HEALTH_BIND_PORT", "-1");
    assert_refuses("CACHE_TYPE", "tape");
    assert_refuses("CACHE_FILE_LOCATION", "relative/path");
    assert_takes("CACHE_MAX_LIFE", "0");
    assert_refuses("CACHE_MAX_LIFE", "-1h");
    assert_takes("CACHE_MAX_BYTES", "0");
    assert_takes("CACHE_MAX_BYTES", "20G");
    assert_refuses("CACHE_MAX_BYTES", "much");
    assert_takes("STATSD_TAGS", "env:prod,region:eu");
    assert_refuses("STATSD_TAGS", "env:prod#");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_the_documented_ones),
        cmocka_unit_test(addresses_are_hosts_or_sockets),
        cmocka_unit_test(a_redis_may_be_chosen_by_its_url),
        cmocka_unit_test(values_out_of_their_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

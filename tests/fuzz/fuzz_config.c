/* SPDX-License-Identifier: MIT */
/*
 * The environment of one of the three programs: a byte that says of which, then
 * lines NAME=value. Secrets in files are left out, for a name may be anything.
 */
#include "fuzz/input.h"

#include <assert.h>

#include "api/config.h"
#include "cache/config.h"
#include "cache/redis_url.h"
#include "facebox/basic_auth.h"
#include "facebox/config.h"
#include "lib/base/config.h"
#include "lib/net/cidr.h"
#include "lib/net/host_list.h"

enum { VARIABLES_MAX = 64, CONFIG_ROOM = 4096 };

static char *variables[VARIABLES_MAX];
static size_t variable_count;

static char *find(const char *name)
{
    size_t len = strlen(name);
    if (len > 5 && strcmp(name + len - 5, "_FILE") == 0)
        return NULL;
    for (size_t i = 0; i < variable_count; i++)
        if (strncmp(variables[i], name, len) == 0 && variables[i][len] == '=')
            return variables[i] + len + 1;
    return NULL;
}

static_assert(sizeof(struct api_config) <= CONFIG_ROOM &&
                  sizeof(struct cache_config) <= CONFIG_ROOM &&
                  sizeof(struct facebox_config) <= CONFIG_ROOM,
              "room for any of them");

static void load(const struct config_table *table)
{
    static _Alignas(max_align_t) char config[CONFIG_ROOM];
    struct err_buf why = {.text = ""};
    memset(config, 0, sizeof(config));
    enum app_err err = config_load(table, config, find, &why);
    must(err == APP_OK || (err == APP_CONFIG && why.text[0]));
    config_release(table, config);
}

/* The syntaxes that a table's checks and the programs read later. */
static void parse(const char *text)
{
    struct err_buf why = {.text = ""};
    struct cidr *ranges = NULL;
    struct port_range *ports = NULL;
    struct redis_url url;
    size_t count = 0;
    int64_t number = 0;
    (void)config_parse_duration(text, &number);
    (void)config_parse_size(text, &number);
    if (cidr_parse_list(text, &ranges, &count, &why) == APP_OK)
        free(ranges);
    if (port_range_parse_list(text, &ports, &count, &why) == APP_OK)
        free(ports);
    if (host_list_check(text, &why) == APP_OK)
        (void)host_list_has(text, "www.example.org");
    (void)redis_url_parse(text, &url, &why);
    (void)basic_auth_check_user(text, &why);
    (void)basic_auth_matches(text, "user", "password");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    unsigned program = fuzz_byte(&input);
    variable_count = 0;
    while (input.left > 0 && variable_count < VARIABLES_MAX) {
        char *line = fuzz_line(&input);
        const char *value = strchr(line, '=');
        parse(value ? value + 1 : line);
        variables[variable_count++] = line;
    }
    const struct config_table cache_table = cache_config_table();
    const struct config_table *const tables[] = {&api_config_table, &facebox_config_table,
                                                 &cache_table};
    load(tables[program % 3]);
    for (size_t i = 0; i < variable_count; i++)
        free(variables[i]);
    return 0;
}

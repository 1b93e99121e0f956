/* SPDX-License-Identifier: MIT */
/* Every value goes through one parser by type, the defaults and bounds as well. */
#include "lib/base/config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { SECRET_FILE_MAX = 4096, LOG_FIELDS_MAX = 96 };

/* A parsed value of any type: strings stay as text. */
union value {
    bool truth;
    int64_t number;
    double fraction;
    int choice;
};

/* The number at the start of `text`; *end is behind it. False when there is none. */
static bool parse_decimal(const char *text, double *number, const char **end)
{
    /* strtod also takes signs, hex, "inf" and "nan", which nobody means here. */
    bool hex = text[0] == '0' && tolower((unsigned char)text[1]) == 'x';
    if (!isdigit((unsigned char)text[0]) || hex)
        return false;
    char *stop;
    errno = 0;
    *number = strtod(text, &stop);
    *end = stop;
    return errno == 0 && isfinite(*number);
}

enum app_err config_parse_duration(const char *text, int64_t *ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}};

    double total = 0;
    do {
        double number;
        const char *rest;
        if (!parse_decimal(text, &number, &rest))
            return APP_CONFIG;
        if (*rest == '\0') { /* a bare number is seconds, but not after "1h" */
            total += number * 1e3;
            break;
        }
        size_t len = strcspn(rest, "0123456789.");
        size_t unit = 0;
        while (unit < sizeof(units) / sizeof(units[0]) &&
               (strlen(units[unit].name) != len || strncmp(units[unit].name, rest, len) != 0))
            unit++;
        if (unit == sizeof(units) / sizeof(units[0]))
            return APP_CONFIG;
        total += number * units[unit].ms;
        text = rest + len;
    } while (*text != '\0');

    if (total > 1e15)
        return APP_CONFIG;
    *ms = llround(total);
    return APP_OK;
}

enum app_err config_parse_size(const char *text, int64_t *bytes)
{
    double number;
    const char *rest;
    if (!parse_decimal(text, &number, &rest))
        return APP_CONFIG;
    double unit = 1;
    switch (toupper((unsigned char)*rest)) {
    case 'K':
        unit = 1024.0;
        rest++;
        break;
    case 'M':
        unit = 1024.0 * 1024;
        rest++;
        break;
    case 'G':
        unit = 1024.0 * 1024 * 1024;
        rest++;
        break;
    default:
        break;
    }
    if (*rest != '\0' || number * unit > 1e15)
        return APP_CONFIG;
    *bytes = llround(number * unit);
    return APP_OK;
}

static enum app_err parse_bool(const char *text, bool *truth)
{
    static const char *const yes[] = {"true", "on", "yes", "1"};
    static const char *const no[] = {"false", "off", "no", "0"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *truth = strcasecmp(text, yes[i]) == 0;
            return APP_OK;
        }
    }
    return APP_CONFIG;
}

static enum app_err parse_int(const char *text, int64_t *number)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (errno || end == text || *end != '\0' || isspace((unsigned char)text[0]))
        return APP_CONFIG;
    *number = parsed;
    return APP_OK;
}

static enum app_err parse_fraction(const char *text, double *fraction)
{
    double number;
    const char *rest;
    if (!parse_decimal(text, &number, &rest) || *rest != '\0' || number > 1)
        return APP_CONFIG;
    *fraction = number;
    return APP_OK;
}

static enum app_err parse_choice(const char *text, const char *choices, int *choice)
{
    size_t len = strlen(text);
    for (int index = 0;; index++) {
        size_t span = strcspn(choices, "|");
        if (span == len && strncasecmp(text, choices, len) == 0) {
            *choice = index;
            return APP_OK;
        }
        if (choices[span] == '\0')
            return APP_CONFIG;
        choices += span + 1;
    }
}

/* Parse `text` as the entry's type; strings always succeed. */
static enum app_err parse_value(const struct config_entry *entry, const char *text,
                                union value *value)
{
    switch (entry->type) {
    case CONFIG_BOOL:
        return parse_bool(text, &value->truth);
    case CONFIG_INT:
        return parse_int(text, &value->number);
    case CONFIG_DURATION:
        return config_parse_duration(text, &value->number);
    case CONFIG_SIZE:
        return config_parse_size(text, &value->number);
    case CONFIG_FRACTION:
        return parse_fraction(text, &value->fraction);
    case CONFIG_CHOICE:
        return parse_choice(text, entry->choices, &value->choice);
    case CONFIG_STRING:
    case CONFIG_SECRET:
    case CONFIG__MAX:
        break;
    }
    return APP_OK;
}

static bool is_number(const struct config_entry *entry)
{
    return entry->type == CONFIG_INT || entry->type == CONFIG_DURATION ||
           entry->type == CONFIG_SIZE;
}

static bool is_text(const struct config_entry *entry)
{
    return entry->type == CONFIG_STRING || entry->type == CONFIG_SECRET;
}

/* Whether the number lies within the entry's bounds, both included. */
static bool in_bounds(const struct config_entry *entry, int64_t number)
{
    union value bound;
    if (entry->min && parse_value(entry, entry->min, &bound) == APP_OK && number < bound.number)
        return false;
    return !(entry->max && parse_value(entry, entry->max, &bound) == APP_OK &&
             number > bound.number);
}

/* What an operator may write for this entry. */
static void describe_allowed(const struct config_entry *entry, char *out, size_t size)
{
    static const char *const kinds[CONFIG__MAX] = {
        [CONFIG_STRING] = "text",      [CONFIG_SECRET] = "text",
        [CONFIG_BOOL] = "true, false", [CONFIG_INT] = "a whole number",
        [CONFIG_SIZE] = "a size",      [CONFIG_DURATION] = "a duration such as 300ms or 5m",
        [CONFIG_CHOICE] = "",          [CONFIG_FRACTION] = "a fraction from 0 to 1",
    };
    const char *kind = entry->type == CONFIG_CHOICE ? entry->choices : kinds[entry->type];
    if (entry->min && entry->max)
        (void)snprintf(out, size, "%s from %s to %s", kind, entry->min, entry->max);
    else if (entry->min)
        (void)snprintf(out, size, "%s, at least %s", kind, entry->min);
    else
        (void)snprintf(out, size, "%s", kind);
}

/* The content of NAME_FILE without its last newline; caller frees. */
static enum app_err read_secret_file(const char *name, const char *path, char **out,
                                     struct err_buf *why)
{
    char content[SECRET_FILE_MAX + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, content, sizeof(content));
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (len < 0)
        return err_set(why, APP_CONFIG, "%s_FILE: cannot read %s: %s", name, path, strerror(error));
    if (len == sizeof(content))
        return err_set(why, APP_CONFIG, "%s_FILE: %s is longer than %d bytes", name, path,
                       SECRET_FILE_MAX);
    if (len > 0 && content[len - 1] == '\n')
        len--;
    if (memchr(content, '\0', (size_t)len))
        return err_set(why, APP_CONFIG, "%s_FILE: %s is not text", name, path);
    *out = strndup(content, (size_t)len);
    return *out ? APP_OK : APP_NO_MEMORY;
}

/* The text for an entry: from the environment, its file, or the default. Caller frees. */
static enum app_err find_text(const struct config_entry *entry, config_lookup *lookup, char **out,
                              struct err_buf *why)
{
    const char *given = lookup(entry->name);
    if (given && *given == '\0')
        given = NULL;
    if (entry->type == CONFIG_SECRET) {
        char file_name[80];
        (void)snprintf(file_name, sizeof(file_name), "%s_FILE", entry->name);
        const char *path = lookup(file_name);
        if (path && *path && given)
            return err_set(why, APP_CONFIG, "%s and %s are both set", entry->name, file_name);
        if (path && *path)
            return read_secret_file(entry->name, path, out, why);
    }
    const char *initial = entry->initial ? entry->initial : "";
    *out = strdup(given ? given : initial);
    return *out ? APP_OK : APP_NO_MEMORY;
}

static enum app_err load_entry(const struct config_entry *entry, void *config,
                               config_lookup *lookup, struct err_buf *why)
{
    char *text = NULL;
    union value value = {0};
    char allowed[128];
    char *member = (char *)config + entry->offset;

    enum app_err err = find_text(entry, lookup, &text, why);
    if (err)
        goto out;
    err = parse_value(entry, text, &value);
    if (err || (is_number(entry) && !in_bounds(entry, value.number))) {
        describe_allowed(entry, allowed, sizeof(allowed));
        err = err_set(why, APP_CONFIG, "%s=%.80s: must be %s", entry->name, text, allowed);
        goto out;
    }
    if (entry->check) {
        struct err_buf reason = {.text = "not allowed"};
        err = entry->check(text, &reason);
        if (err) {
            bool secret = entry->type == CONFIG_SECRET;
            err = err_set(why, err, "%s=%.80s: %.160s", entry->name, secret ? "***" : text,
                          reason.text);
            goto out;
        }
    }

    if (is_text(entry)) {
        memcpy(member, &text, sizeof(text));
        text = NULL; /* the struct owns it now */
    } else if (is_number(entry)) {
        memcpy(member, &value.number, sizeof(value.number));
    } else if (entry->type == CONFIG_BOOL) {
        memcpy(member, &value.truth, sizeof(value.truth));
    } else if (entry->type == CONFIG_FRACTION) {
        memcpy(member, &value.fraction, sizeof(value.fraction));
    } else {
        memcpy(member, &value.choice, sizeof(value.choice));
    }
out:
    free(text);
    return err;
}

enum app_err config_load(const struct config_table *table, void *config, config_lookup *lookup,
                         struct err_buf *why)
{
    for (size_t i = 0; i < table->count; i++) {
        enum app_err err = load_entry(&table->entries[i], config, lookup, why);
        if (err) {
            config_release(table, config);
            return err;
        }
    }
    enum app_err err = table->check ? table->check(config, why) : APP_OK;
    if (err)
        config_release(table, config);
    return err;
}

void config_release(const struct config_table *table, void *config)
{
    for (size_t i = 0; i < table->count; i++) {
        if (is_text(&table->entries[i])) {
            char **member = (char **)((char *)config + table->entries[i].offset);
            free(*member);
            *member = NULL;
        }
    }
}

void config_print_help(const struct config_table *table, FILE *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct config_entry *entry = &table->entries[i];
        char allowed[128];
        describe_allowed(entry, allowed, sizeof(allowed));
        const char *initial = entry->initial && *entry->initial ? entry->initial : "empty";
        fprintf(out, "  %s%s\n      %s.\n      %s; default %s\n", entry->name,
                entry->type == CONFIG_SECRET ? " (or the file in its _FILE)" : "", entry->help,
                allowed, initial);
    }
}

static void put_markdown(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (strchr("\\`*_{}[]<>|#", *text))
            putc('\\', out);
        putc(*text, out);
    }
}

void config_print_markdown(const struct config_table *table, FILE *out)
{
    fputs("| setting | default | allowed | meaning |\n| --- | --- | --- | --- |\n", out);
    for (size_t i = 0; i < table->count; i++) {
        const struct config_entry *entry = &table->entries[i];
        char allowed[128];
        describe_allowed(entry, allowed, sizeof(allowed));
        fprintf(out, "| `%s`", entry->name);
        if (entry->type == CONFIG_SECRET)
            fprintf(out, " or `%s_FILE`", entry->name);
        fputs(" | ", out);
        put_markdown(entry->initial && *entry->initial ? entry->initial : "empty", out);
        fputs(" | ", out);
        put_markdown(allowed, out);
        fputs(" | ", out);
        put_markdown(entry->help, out);
        fputs(" |\n", out);
    }
}

/* An entry's effective value as text, in `out` when it is not a string. */
static const char *value_text(const struct config_entry *entry, const void *config, char *out,
                              size_t size)
{
    const char *member = (const char *)config + entry->offset;
    switch (entry->type) {
    case CONFIG_STRING:
        return *(const char *const *)(const void *)member;
    case CONFIG_SECRET:
        return **(const char *const *)(const void *)member ? "***" : "";
    case CONFIG_BOOL:
        return *(const bool *)(const void *)member ? "true" : "false";
    case CONFIG_INT:
    case CONFIG_SIZE:
        (void)snprintf(out, size, "%" PRId64, *(const int64_t *)(const void *)member);
        break;
    case CONFIG_FRACTION:
        (void)snprintf(out, size, "%g", *(const double *)(const void *)member);
        break;
    case CONFIG_DURATION:
        (void)snprintf(out, size, "%" PRId64 "ms", *(const int64_t *)(const void *)member);
        break;
    case CONFIG_CHOICE: {
        const char *choice = entry->choices;
        for (int index = *(const int *)(const void *)member; index > 0; index--)
            choice += strcspn(choice, "|") + 1;
        (void)snprintf(out, size, "%.*s", (int)strcspn(choice, "|"), choice);
        break;
    }
    case CONFIG__MAX:
        break;
    }
    return out;
}

void config_log(const struct config_table *table, const void *config, const struct log *log)
{
    struct log_field fields[LOG_FIELDS_MAX + 1];
    char values[LOG_FIELDS_MAX][32];
    assert(table->count <= LOG_FIELDS_MAX);
    for (size_t i = 0; i < table->count; i++) {
        const struct config_entry *entry = &table->entries[i];
        fields[i] = LOG_STR(entry->name, value_text(entry, config, values[i], sizeof(values[i])));
    }
    fields[table->count] = (struct log_field){.key = NULL};
    log_info(log, "Startup parameters", fields);
}

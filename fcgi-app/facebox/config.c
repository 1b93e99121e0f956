/* SPDX-License-Identifier: MIT */
/* The table is read by the parser, --help and the log line at start. */
#include "facebox/config.h"

#include <sched.h>

#include "facebox/basic_auth.h"
#include "lib/net/address_guard.h"

#define MEMBER(name) offsetof(struct facebox_config, name)

static const struct config_entry entries[] = {
    {.name = "BIND_ADDRESS",
     .type = CONFIG_STRING,
     .offset = MEMBER(bind_address),
     .initial = "127.0.0.1",
     .help = "Address to listen on, numeric or a name; :: is every address"},
    {.name = "BIND_PORT",
     .type = CONFIG_INT,
     .offset = MEMBER(bind_port),
     .initial = "8090",
     .min = "0",
     .max = "65535",
     .help = "Port to listen on; 0 takes a free one and names it in the log"},
    {.name = "FACEBOX_USER",
     .type = CONFIG_STRING,
     .offset = MEMBER(user),
     .check = basic_auth_check_user,
     .help = "User that clients must name by Basic authorization; empty asks for none"},
    {.name = "FACEBOX_PASS",
     .type = CONFIG_SECRET,
     .offset = MEMBER(password),
     .help = "Password of that user"},
    {.name = "FACEBOX_WORKERS",
     .type = CONFIG_INT,
     .offset = MEMBER(workers),
     .initial = "0",
     .min = "0",
     .max = "256",
     .help = "Pictures searched at once, each on one core; 0 is one for each core"},
    {.name = "FACEBOX_CONFIDENCE",
     .type = CONFIG_FRACTION,
     .offset = MEMBER(confidence),
     .initial = "0.55",
     .min = "0.2",
     .max = "0.95",
     .help = "Least confidence of a face that is reported; less finds more faces and more that are "
             "none"},
    {.name = "FETCH_ALLOW_CIDR",
     .type = CONFIG_STRING,
     .offset = MEMBER(fetch_allow_cidr),
     .check = address_guard_check_cidr_list,
     .help = "Private address ranges that a picture's url may lead to, such as 10.0.0.0/8"},
    {.name = "FETCH_ALLOW_PORTS",
     .type = CONFIG_STRING,
     .offset = MEMBER(fetch_allow_ports),
     .check = address_guard_check_port_list,
     .help = "Ports beside 80 and 443 that a picture's url may have, such as 8080, 9000-9100"},
    {.name = "LOG_LEVEL",
     .type = CONFIG_CHOICE,
     .offset = MEMBER(log_level),
     .initial = "info",
     .choices = "trace|debug|info|warn|error|off",
     .help = "Least level of what is logged"},
    {.name = "LOG_FORMAT",
     .type = CONFIG_CHOICE,
     .offset = MEMBER(log_format),
     .initial = "text",
     .choices = "text|json",
     .help = "Shape of a log record"},
};

/* A password alone would leave the service open while it looks closed. */
static enum app_err check_all(const void *checked, struct err_buf *why)
{
    const struct facebox_config *config = checked;
    if (*config->password && !*config->user)
        return err_set(why, APP_CONFIG, "FACEBOX_PASS is set, but FACEBOX_USER is not");
    return APP_OK;
}

const struct config_table facebox_config_table = {entries, sizeof(entries) / sizeof(entries[0]),
                                                  check_all};

size_t facebox_config_workers(const struct facebox_config *config)
{
    if (config->workers > 0)
        return (size_t)config->workers;
    cpu_set_t mine;
    int count = sched_getaffinity(0, sizeof(mine), &mine) == 0 ? CPU_COUNT(&mine) : 1;
    return count > 0 ? (size_t)count : 1;
}

/* SPDX-License-Identifier: MIT */
/* The settings of emojify-facebox, from the environment; see lib/base/config.h. */
#ifndef FACEBOX_CONFIG_H
#define FACEBOX_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/config.h"

struct facebox_config {
    const char *bind_address;
    int64_t bind_port;
    const char *user;
    const char *password;
    int64_t workers;
    double confidence;
    const char *fetch_allow_cidr;
    const char *fetch_allow_ports;
    int log_level;
    int log_format;
};

/* The table for a struct facebox_config. */
extern const struct config_table facebox_config_table;

/* FACEBOX_WORKERS, or the processors that this process may run on; at least 1. */
size_t facebox_config_workers(const struct facebox_config *config);

#endif

/* SPDX-License-Identifier: MIT */
#include "api/clients/upstream_error.h"

enum app_err upstream_error(struct err_buf *why, enum app_err err, const char *upstream)
{
    if (err == APP_UPSTREAM_TIMEOUT)
        return err_set(why, err, "%s did not answer in time", upstream);
    if (err == APP_UPSTREAM_FAILED)
        return err_set(why, err, "%s failed", upstream);
    return err;
}

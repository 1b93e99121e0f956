/* SPDX-License-Identifier: MIT */
/*
 * An authority and the certificates that it issues, as files in PEM. Any thread
 * that has an authority of its own. What goes wrong fails the running test.
 */
#ifndef TESTS_SUPPORT_CERTIFICATES_H
#define TESTS_SUPPORT_CERTIFICATES_H

#include <limits.h>

#include "lib/rpc/tls.h"
#include "support/temp_dir.h"

struct authority;

struct authority *authority_new(void);
/* NULLs the pointer. NULL allowed. */
void authority_free(struct authority **authority);

/* The files of one end of a connection. */
struct certificates {
    char ca[PATH_MAX];
    char certificate[PATH_MAX];
    char key[PATH_MAX];
    struct rpc_tls tls; /* points to the three */
};

/*
 * Issue a certificate for `names`, in OpenSSL's words ("DNS:localhost,
 * URI:spiffe://..."), and write the files dir/NAME.ca, .cert and .key, each put
 * in place by rename, so that they may be in use. `trusted` issues what the
 * other end has to show; `certificates` must stay where it is.
 */
void authority_issue(const struct authority *authority, const struct authority *trusted,
                     const char *names, const struct temp_dir *dir, const char *name,
                     struct certificates *certificates);

#endif

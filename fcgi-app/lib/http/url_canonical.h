/* SPDX-License-Identifier: MIT */
/*
 * One spelling for all spellings of a URL that are known to mean the same without asking
 * anybody: RFC 3986, sections 6.2.2 (case, escapes, dot segments) and 6.2.3 (default port,
 * empty path). Besides, a query that is empty and the dot at a host's end are left out, since
 * servers answer alike with and without them. It only names a URL: what is fetched, and what
 * the key of a picture is made of, is the URL as url_normalise has it. Pure, any thread.
 */
#ifndef LIB_HTTP_URL_CANONICAL_H
#define LIB_HTTP_URL_CANONICAL_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

/*
 * Append the canonical form of `url`, which url_normalise has made of a URL without a
 * fragment. It may be three times as long. APP_TOO_LARGE, APP_NO_MEMORY from `out`, which then
 * holds a part of it.
 */
enum app_err url_canonical(const char *url, struct buf *out) __attribute__((warn_unused_result));

#endif

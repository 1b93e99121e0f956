/* SPDX-License-Identifier: MIT */
#include "cache/content.h"

#include <stdlib.h>

struct content *content_new(void *data, size_t len)
{
    struct content *content = malloc(sizeof(*content));
    if (!content)
        return NULL;
    content->data = data;
    content->len = len;
    atomic_init(&content->references, 1);
    atomic_init(&content->senders, 0);
    return content;
}

struct content *content_get(struct content *content)
{
    atomic_fetch_add_explicit(&content->references, 1, memory_order_relaxed);
    return content;
}

void content_put(struct content *content)
{
    if (!content || atomic_fetch_sub_explicit(&content->references, 1, memory_order_acq_rel) > 1)
        return;
    free(content->data);
    free(content);
}

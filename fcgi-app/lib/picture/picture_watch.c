/* SPDX-License-Identifier: MIT */
/* Deadlines and errors around libvips calls. */
#include <assert.h>
#include <glib.h>
#include <string.h>
#include <vips/vips.h>

#include "lib/base/clock.h"
#include "lib/picture/picture_vips.h"

void picture_watch_init(struct picture_watch *watch, int64_t deadline_ns)
{
    *watch = (struct picture_watch){.deadline_ns = deadline_ns};
}

bool picture_watch_expired(struct picture_watch *watch)
{
    if (clock_now_ns() >= watch->deadline_ns)
        atomic_store(&watch->expired, true);
    return atomic_load(&watch->expired);
}

static void on_eval(VipsImage *image, VipsProgress *progress, struct picture_watch *watch)
{
    (void)progress;
    if (picture_watch_expired(watch))
        vips_image_set_kill(image, TRUE);
}

void picture_watch_start(struct picture_watch *watch, VipsImage *image)
{
    assert(!watch->image);
    watch->image = g_object_ref(image);
    watch->handler = g_signal_connect(image, "eval", G_CALLBACK(on_eval), watch);
    vips_image_set_progress(image, TRUE);
}

void picture_watch_stop(struct picture_watch *watch)
{
    if (!watch->image)
        return;
    g_signal_handler_disconnect(watch->image, watch->handler);
    vips_image_set_progress(watch->image, FALSE);
    g_clear_object(&watch->image);
}

/* libvips has no error codes: its words are all there is to tell want of memory by. */
static bool is_out_of_memory(const char *message)
{
    return strstr(message, "out of memory") || strstr(message, "nsufficient memory") ||
           strstr(message, "Error creating thread");
}

enum app_err picture_failure(const struct picture_watch *watch, enum app_err otherwise,
                             const char *text, struct err_buf *why)
{
    char *message = vips_error_buffer_copy();
    err_detail(why, "%s", g_strchomp(message));
    bool no_memory = is_out_of_memory(message);
    g_free(message);
    if (atomic_load(&watch->expired))
        return err_set(why, APP_PICTURE_REFUSED, "the picture takes too long to process");
    if (no_memory)
        return err_set(why, APP_NO_MEMORY, "%s", app_strerror(APP_NO_MEMORY));
    return err_set(why, otherwise, "%s", text);
}

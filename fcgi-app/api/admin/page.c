/* SPDX-License-Identifier: MIT */
#include "api/admin/page.h"

#include "lib/base/page.h"
#include "profiling/pprof.h"

extern const char _binary_admin_html_start[], _binary_admin_html_end[];
extern const char _binary_admin_css_start[], _binary_admin_css_end[];
extern const char _binary_charts_js_start[], _binary_charts_js_end[];
extern const char _binary_admin_js_start[], _binary_admin_js_end[];

/* Paths and labels are the profiler's own texts. */
static enum app_err put_profiles(struct buf *out)
{
    struct pprof_link link;
    enum app_err err = APP_OK;
    for (size_t i = 0; !err && pprof_link_at(i, &link); i++)
        err = buf_printf(out,
                         "<a href=\"pprof/%s\" target=\"_blank\" rel=\"noopener\">%s</a>\n"
                         "        ",
                         link.path, link.label);
    return err;
}

static enum app_err put_part(struct page_text *rest, const char *marker, struct page_text content,
                             struct buf *out)
{
    enum app_err err = page_put_until(rest, marker, out);
    return err ? err : buf_append(out, content.data, content.len);
}

enum app_err admin_page_write(struct buf *out)
{
    struct page_text rest = PAGE_EMBEDDED(admin_html);
    enum app_err err = put_part(&rest, "<!--style-->", PAGE_EMBEDDED(admin_css), out);
    if (!err)
        err = page_put_until(&rest, "<!--profiles-->", out);
    if (!err)
        err = put_profiles(out);
    if (!err)
        err = put_part(&rest, "<!--charts-->", PAGE_EMBEDDED(charts_js), out);
    if (!err)
        err = put_part(&rest, "<!--script-->", PAGE_EMBEDDED(admin_js), out);
    return err ? err : buf_append(out, rest.data, rest.len);
}

enum app_err admin_page_policy(struct buf *out)
{
    enum app_err err = buf_append_str(out, "default-src 'none'; connect-src 'self'; style-src ");
    if (!err)
        err = page_put_hash(PAGE_EMBEDDED(admin_css), out);
    if (!err)
        err = buf_append_str(out, "; script-src ");
    if (!err)
        err = page_put_hash(PAGE_EMBEDDED(charts_js), out);
    if (!err)
        err = buf_append_str(out, " ");
    if (!err)
        err = page_put_hash(PAGE_EMBEDDED(admin_js), out);
    return err ? err
               : buf_append_str(out, "; img-src data:; base-uri 'none'; form-action 'none'; "
                                     "frame-ancestors 'none'");
}

/* SPDX-License-Identifier: MIT */
#include "api/admin/page.h"

#include "lib/base/page.h"

extern const char _binary_admin_html_start[], _binary_admin_html_end[];
extern const char _binary_admin_css_start[], _binary_admin_css_end[];
extern const char _binary_charts_js_start[], _binary_charts_js_end[];
extern const char _binary_admin_js_start[], _binary_admin_js_end[];

enum app_err admin_page_write(struct buf *out)
{
    const struct {
        const char *marker;
        struct page_text content;
    } parts[] = {
        {"<!--style-->", PAGE_EMBEDDED(admin_css)},
        {"<!--charts-->", PAGE_EMBEDDED(charts_js)},
        {"<!--script-->", PAGE_EMBEDDED(admin_js)},
    };
    struct page_text rest = PAGE_EMBEDDED(admin_html);
    enum app_err err = APP_OK;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !err; i++) {
        err = page_put_until(&rest, parts[i].marker, out);
        if (!err)
            err = buf_append(out, parts[i].content.data, parts[i].content.len);
    }
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

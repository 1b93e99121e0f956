/* SPDX-License-Identifier: MIT */
/*
 * Urlencoded bodies are decoded here and not by libmicrohttpd's post processor,
 * which fails on '=' inside a value: `curl -d url=http://host/?a=b` sends that,
 * as does base64 with its padding.
 */
#include "lib/httpd/form.h"

#include <string.h>

#include "lib/base/hex.h"

void form_init(struct form *form, size_t max_value)
{
    memset(form, 0, sizeof(*form));
    form->max_value = max_value;
}

void form_release(struct form *form)
{
    for (size_t i = 0; i < form->count; i++) {
        buf_release(&form->fields[i].name);
        buf_release(&form->fields[i].value);
    }
    form_init(form, form->max_value);
}

/* A new, empty field, or NULL when there are enough of them. */
static struct form_field *add_field(struct form *form)
{
    form->skipping = form->count == LIMIT_HTTPD_FIELDS;
    if (form->skipping)
        return NULL;
    struct form_field *field = &form->fields[form->count++];
    buf_init(&field->name, form->max_value);
    buf_init(&field->value, form->max_value);
    return field;
}

static bool has_name(const struct form_field *field, const char *name)
{
    size_t len = strlen(name);
    return field->name.len == len && (len == 0 || memcmp(field->name.data, name, len) == 0);
}

enum app_err form_append(struct form *form, const char *name, size_t offset, const char *data,
                         size_t len)
{
    struct form_field *last = form->count ? &form->fields[form->count - 1] : NULL;
    /* The post processor may announce a field with an empty piece first. */
    bool announced = last && !form->skipping && last->value.len == 0 && has_name(last, name);
    if (offset == 0 && !announced) {
        last = add_field(form);
        if (last) {
            enum app_err err = buf_append_str(&last->name, name);
            if (err)
                return err;
        }
    }
    if (!last || form->skipping)
        return APP_OK;
    return buf_append(&last->value, data, len);
}

/* Append `text` with + and %XX decoded; a % that begins no such pair stays. */
static enum app_err append_decoded(struct buf *out, const char *text, size_t len)
{
    enum app_err err = APP_OK;
    size_t plain = 0; /* start of the run that needs no decoding */
    for (size_t i = 0; i < len && !err; i++) {
        char byte = ' ';
        size_t step = 1;
        int escaped = text[i] == '%' && len - i > 2 ? hex_byte(text + i + 1) : -1;
        if (escaped >= 0) {
            byte = (char)escaped;
            step = 3;
        } else if (text[i] != '+') {
            continue;
        }
        err = buf_append(out, text + plain, i - plain);
        if (!err)
            err = buf_append(out, &byte, 1);
        plain = i + step;
        i += step - 1;
    }
    return err ? err : buf_append(out, text + plain, len - plain);
}

enum app_err form_parse_urlencoded(struct form *form, const char *body, size_t len)
{
    const char *end = body + len;
    while (body < end) {
        const char *stop = memchr(body, '&', (size_t)(end - body));
        if (!stop)
            stop = end;
        const char *equals = memchr(body, '=', (size_t)(stop - body));
        const char *name_end = equals ? equals : stop;
        struct form_field *field = stop > body ? add_field(form) : NULL;
        if (form->skipping)
            break;
        if (field) {
            enum app_err err = append_decoded(&field->name, body, (size_t)(name_end - body));
            if (!err && equals)
                err = append_decoded(&field->value, equals + 1, (size_t)(stop - equals - 1));
            if (err)
                return err;
        }
        body = stop < end ? stop + 1 : end;
    }
    return APP_OK;
}

const struct form_field *form_find(const struct form *form, const char *name)
{
    for (size_t i = 0; i < form->count; i++) {
        if (has_name(&form->fields[i], name))
            return &form->fields[i];
    }
    return NULL;
}

/* body.c: owns the bytes of a body: JSON, url-encoded or the parts of a multipart. Must not know
 * clients. */
#include <string.h>

#include "json.h"
#include "maker.h"
#include "urlencode.h"

static int write_json(mw__maker *make)
{
    mw_request *request = make->request;
    mw_value object = {.type = make->body_count ? MW_V_OBJECT : MW_V_EMPTY,
                       .length = make->body_count,
                       .as.members = make->body};
    mw_field root = {.name = "", .type = MW_T_OBJECT, .fields = make->operation->fields};
    if (request->options.unchecked)
        root.fields = NULL;
    mw__buf buf;
    mw__buf_init(&buf, MW_MAX_REQUEST_BODY);
    int rc = mw__json_write(&buf, &object, &root, make->error);
    if (rc == MW_OK) {
        request->body = mw__buf_take(&buf, &request->body_length);
        request->content_type = "application/json";
        rc = request->body ? MW_OK : MW_MEMORY;
    } else if (rc == MW_INVALID && make->error) {
        char why[sizeof make->error->message];
        memcpy(why, make->error->message, sizeof why);
        mw_error_set(make->error, rc, NULL, "%s: %s", request->name, why);
    }
    mw__buf_free(&buf);
    return rc;
}

/* A url-encoded list is one field joined by commas, so an element can't hold one. */
static int check_csv(const mw__maker *make, const mw_field *field, const mw_value *value)
{
    for (size_t i = 0; value->type == MW_V_ARRAY && i < value->length; i++) {
        const mw_value *item = &value->as.items[i];
        if (item->type == MW_V_STRING && memchr(item->as.string, ',', item->length))
            return mw_error_set(
                make->error, MW_INVALID, field->name,
                "%s: '%s[%zu]' holds a comma, which separates the elements on the wire",
                make->request->name, field->name, i + 1);
    }
    return MW_OK;
}

static int write_form(mw__maker *make)
{
    mw_request *request = make->request;
    mw__buf buf;
    mw__buf_init(&buf, MW_MAX_REQUEST_BODY);
    for (size_t i = 0; i < make->body_count; i++) {
        const mw_member *member = &make->body[i];
        const mw_field *known =
            mw__field_find(make->operation->fields, member->name, member->name_length);
        mw_field free_field = {.name = member->name};
        int rc = known ? check_csv(make, known, &member->value) : MW_OK;
        if (rc != MW_OK) {
            mw__buf_free(&buf);
            return rc;
        }
        mw__url_field(&buf, known ? known : &free_field, &member->value, true);
    }
    int status = buf.status;
    request->body = mw__buf_take(&buf, &request->body_length);
    request->content_type = "application/x-www-form-urlencoded";
    return request->body ? MW_OK : status ? status : MW_MEMORY;
}

static int write_parts(mw__maker *make)
{
    for (size_t i = 0; i < make->body_count; i++) {
        const mw_member *member = &make->body[i];
        const mw_field *known =
            mw__field_find(make->operation->fields, member->name, member->name_length);
        mw_field free_field = {.name = member->name};
        const mw_field *field = known ? known : &free_field;
        int rc = mw__parts_add(&make->request->parts, make->request->name, field,
                               field->wire ? field->wire : field->name, &member->value, make->error);
        if (rc != MW_OK)
            return rc;
    }
    return MW_OK;
}

int mw__write_body(mw__maker *make)
{
    switch (make->operation->body) {
    case MW_BODY_JSON:
        return make->has_file ? write_parts(make) : write_json(make);
    case MW_BODY_FORM:
        return write_form(make);
    default:
        return MW_OK;
    }
}

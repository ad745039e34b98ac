/* fill.c: owns which parameter goes where and whether it may. Must not know bytes or clients. One
 * thread at a time. */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "maker.h"
#include "urlencode.h"

/* Appends the names of fields, "a, b", to a text; what does not fit is left out. */
static void list_fields(char *list, size_t size, const mw_field *fields)
{
    size_t used = strlen(list);
    for (const mw_field *f = fields; f && f->name; f++) {
        const char *comma = used > 0 ? ", " : "";
        if (used + strlen(comma) + strlen(f->name) >= size)
            return;
        used += (size_t)snprintf(list + used, size - used, "%s%s", comma, f->name);
    }
}

static int unknown_field(const mw__maker *make, const mw_member *member)
{
    const char *names[2 * MW_MAX_FIELDS + 1];
    char list[400] = "";
    size_t count = 0;
    const mw_field *lists[] = {make->operation->query, make->operation->fields};
    for (size_t l = 0; l < 2; l++) {
        list_fields(list, sizeof list, lists[l]);
        for (const mw_field *f = lists[l]; f && f->name && count < 2 * MW_MAX_FIELDS; f++)
            names[count++] = f->name;
    }
    names[count] = NULL;
    const char *near = mw_closest(member->name, names);
    if (near)
        return mw_error_set(make->error, MW_INVALID, member->name,
                            "%s: unknown field '%s' (did you mean '%s'?)", make->request->name,
                            member->name, near);
    return mw_error_set(make->error, MW_INVALID, member->name, "%s: unknown field '%s' (%s%s)",
                        make->request->name, member->name, count ? "known: " : "it takes no fields",
                        list);
}

static int add_query(mw__maker *make, const mw_field *field, const mw_value *value)
{
    make->check.query = true;
    int rc = mw__check_field(&make->check, field, value);
    make->check.query = false;
    if (rc == MW_OK)
        mw__url_field(&make->query, field, value, false);
    return rc;
}

static bool names_file(const mw_field *field, const mw_value *value)
{
    if (field->type == MW_T_ARRAY && field->item && field->item->type == MW_T_FILE)
        return value->type == MW_V_ARRAY && value->length > 0;
    return field->type == MW_T_FILE && value->type == MW_V_STRING;
}

/* A list of files is no JSON: without files in it, it is left out. */
static bool holds_nothing(const mw_field *field, const mw_value *value)
{
    return field->type == MW_T_ARRAY && field->item && field->item->type == MW_T_FILE &&
           value->length == 0;
}

static int add_body(mw__maker *make, const mw_field *field, const mw_member *member)
{
    if (make->body_count == MW_MAX_FIELDS)
        return mw_error_set(make->error, MW_INVALID, member->name, "%s: more than %d fields",
                            make->request->name, MW_MAX_FIELDS);
    bool checked = !make->request->options.unchecked;
    if (field && checked) {
        int rc = mw__check_field(&make->check, field, &member->value);
        if (rc != MW_OK)
            return rc;
    }
    if (field && holds_nothing(field, &member->value))
        return MW_OK;
    if (field && names_file(field, &member->value))
        make->has_file = true;
    mw_member *added = &make->body[make->body_count++];
    *added = *member;
    if (!checked && field && field->type == MW_T_ARRAY && added->value.type == MW_V_EMPTY)
        added->value.type = MW_V_ARRAY; /* sent as given; only what {} means comes from the facts */
    return MW_OK;
}

/* Sends each parameter to the query or to the body. */
static int sort_params(mw__maker *make)
{
    const mw_value *params = make->params;
    if (!params || params->type == MW_V_NONE || params->type == MW_V_NULL ||
        params->type == MW_V_EMPTY)
        return MW_OK;
    if (params->type != MW_V_OBJECT) {
        char got[80];
        mw__describe(params, got, sizeof got);
        return mw_error_set(make->error, MW_INVALID, NULL,
                            "%s: parameters must be a table of named fields, not %s",
                            make->request->name, got);
    }
    const mw_operation *operation = make->operation;
    for (size_t i = 0; i < params->length; i++) {
        const mw_member *member = &params->as.members[i];
        const mw_field *query = mw__field_find(operation->query, member->name, member->name_length);
        const mw_field *body = mw__field_find(operation->fields, member->name, member->name_length);
        int rc = MW_OK;
        if (body)
            rc = add_body(make, body, member);
        else if (query)
            rc = add_query(make, query, &member->value);
        else if (member->name_length == 5 && memcmp(member->name, "extra", 5) == 0)
            make->extra = &member->value;
        else
            rc = unknown_field(make, member);
        if (rc != MW_OK)
            return rc;
    }
    return MW_OK;
}

static bool flat(const mw_value *value)
{
    if (value->type == MW_V_OBJECT || value->type == MW_V_NULL)
        return false;
    for (size_t i = 0; value->type == MW_V_ARRAY && i < value->length; i++) {
        const mw_value *item = &value->as.items[i];
        if (item->type == MW_V_ARRAY || !flat(item))
            return false;
    }
    return true;
}

/* What the row knows goes where it is checked; and no name may be cut short on its way. */
static int check_extra_name(const mw__maker *make, const mw_member *member)
{
    const mw_operation *operation = make->operation;
    if (strlen(member->name) != member->name_length || member->name_length == 0)
        return mw_error_set(make->error, MW_INVALID, "extra",
                            "%s: a name in 'extra' is empty or holds a NUL byte",
                            make->request->name);
    if (mw__field_find(operation->query, member->name, member->name_length) ||
        mw__field_find(operation->fields, member->name, member->name_length))
        return mw_error_set(make->error, MW_INVALID, member->name,
                            "%s: '%s' is a documented field: give it beside 'extra', not in it",
                            make->request->name, member->name);
    return MW_OK;
}

static int add_extra(mw__maker *make)
{
    const mw_value *extra = make->extra;
    if (!extra || extra->type == MW_V_EMPTY || extra->type == MW_V_NULL)
        return MW_OK;
    if (extra->type != MW_V_OBJECT)
        return mw_error_set(make->error, MW_INVALID, "extra",
                            "%s: 'extra' must be a table of named fields", make->request->name);
    for (size_t i = 0; i < extra->length; i++) {
        const mw_member *member = &extra->as.members[i];
        int rc = check_extra_name(make, member);
        if (rc != MW_OK)
            return rc;
        if (make->operation->body != MW_BODY_JSON && !flat(&member->value))
            rc = mw_error_set(
                make->error, MW_INVALID, member->name,
                "%s: extra field '%s' must be text, a number, a boolean or a list of them",
                make->request->name, member->name);
        else if (make->operation->body == MW_BODY_NONE)
            mw__url_field(&make->query, &(mw_field){.name = member->name}, &member->value, false);
        else
            rc = add_body(make, NULL, member);
        if (rc != MW_OK)
            return rc;
    }
    return MW_OK;
}

static const mw_member *given(const mw__maker *make, const char *name)
{
    for (size_t i = 0; i < make->body_count; i++) {
        if (strcmp(make->body[i].name, name) == 0)
            return &make->body[i];
    }
    return NULL;
}

/* A field of the body that the path names too needs to be said only once. */
static bool take_from_path(mw__maker *make, const char *name)
{
    const mw_field *fields = mw__path_fields(make->operation);
    for (size_t i = 0; fields && fields[i].name; i++) {
        if (strcmp(fields[i].name, name) == 0 && make->body_count < MW_MAX_FIELDS) {
            make->body[make->body_count++] =
                (mw_member){.name = name, .name_length = strlen(name), .value = make->path[i]};
            return true;
        }
    }
    return false;
}

static int missing(const mw__maker *make, const char *name)
{
    return mw_error_set(make->error, MW_INVALID, name, "%s: missing required field '%s'",
                        make->request->name, name);
}

static int check_required(mw__maker *make)
{
    const mw_operation *operation = make->operation;
    for (const mw_field *f = operation->query; f && f->name; f++) {
        bool found = false;
        for (size_t i = 0; f->required && make->params && make->params->type == MW_V_OBJECT &&
                           i < make->params->length && !found;
             i++)
            found = strcmp(make->params->as.members[i].name, f->name) == 0;
        if (f->required && !found)
            return missing(make, f->name);
    }
    for (const mw_field *f = operation->fields; f && f->name; f++) {
        if (f->required && !make->request->options.unchecked && !given(make, f->name) &&
            !take_from_path(make, f->name))
            return missing(make, f->name);
    }
    if (operation->at_least_one && make->body_count == 0) {
        char list[200] = "";
        list_fields(list, sizeof list, operation->fields);
        return mw_error_set(make->error, MW_INVALID, NULL,
                            "%s: an update needs at least one field (%s)", make->request->name,
                            list);
    }
    return MW_OK;
}

int mw__fill(mw__maker *make)
{
    int rc = sort_params(make);
    if (rc == MW_OK)
        rc = check_required(make);
    return rc == MW_OK ? add_extra(make) : rc;
}

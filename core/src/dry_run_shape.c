/* dry_run_shape.c: owns what a plausible answer looks like: the documented shape of the row, filled with what the
 * caller gave. Must not know which placeholders there are: it leaves marks. One thread at a time. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dry_run.h"
#include "json.h"
#include "maker.h"

enum { MAX_PLACE = 240, MAX_NESTED = 6 };

typedef struct shaper {
    const mw_request *request;
    const mw_operation *operation;
    const mw__dry_arguments *arguments;
    mw__buf *out;
    mw__buf places; /* a newline before each */
    mw_error *error;
} shaper;

/* An object of the answer. */
typedef struct object {
    const mw_field *fields;
    const char *name;
    const char *place; /* "payload.contact", "" */
    int depth;
    bool another; /* it has an id of its own below another thing: what the caller gave is not about it */
} object;

static bool write_field(shaper *shape, const object *in, const mw_field *field, const char *place);

/* ---- what the caller gave ---- */

static const mw_value *member(const mw_value *params, const char *name)
{
    for (size_t i = 0; params && params->type == MW_V_OBJECT && i < params->length; i++) {
        if (strcmp(params->as.members[i].name, name) == 0 &&
            params->as.members[i].value.type != MW_V_NONE)
            return &params->as.members[i].value;
    }
    return NULL;
}

static const mw_value *path_value(const shaper *shape, const char *name)
{
    const mw_field *fields = mw__path_fields(shape->operation);
    for (size_t i = 0; fields && fields[i].name && i < shape->arguments->path_count; i++) {
        if (strcmp(fields[i].name, name) == 0)
            return &shape->arguments->path[i];
    }
    return NULL;
}

static const mw_value *given(const shaper *shape, const char *name)
{
    const mw_value *value = member(shape->arguments->params, name);
    if (!value)
        value = member(member(shape->arguments->params, "extra"), name);
    return value ? value : path_value(shape, name);
}

/* The id of the thing that the path is about: its last parameter, when nothing but a slash follows it. */
static const mw_value *addressed(const shaper *shape)
{
    const char *open = strrchr(shape->operation->path, '{');
    const char *close = open ? strchr(open, '}') : NULL;
    const mw_field *fields = mw__path_fields(shape->operation);
    size_t count = shape->arguments->path_count;
    if (!close || (close[1] != '\0' && strcmp(close + 1, "/") != 0) || !fields || count == 0)
        return NULL;
    const char *name = fields[count - 1].name;
    return strncmp(name, open + 1, (size_t)(close - open - 1)) == 0 ? path_value(shape, name) : NULL;
}

/* Whether an answer of this type can have that value. */
static bool fits(const mw_field *field, const mw_value *value)
{
    int64_t whole;
    bool number = value->type == MW_V_INTEGER || value->type == MW_V_NUMBER;
    bool text = value->type == MW_V_STRING;
    switch (field->type) {
    case MW_T_ANY:
        return true;
    case MW_T_STRING:
    case MW_T_FILE:
        return text || value->type == MW_V_INTEGER || value->type == MW_V_NULL ||
               (value->type == MW_V_NUMBER && mw__whole_number(value->as.number, &whole));
    case MW_T_INTEGER:
    case MW_T_NUMBER:
        return number || value->type == MW_V_NULL ||
               (text && mw__is_integer_text(value->as.string, value->length));
    case MW_T_BOOLEAN:
        return value->type == MW_V_BOOLEAN;
    case MW_T_ARRAY:
        return value->type == MW_V_ARRAY || value->type == MW_V_EMPTY;
    default:
        return value->type == MW_V_OBJECT || value->type == MW_V_EMPTY;
    }
}

/* ---- ids ---- */

static bool mark(shaper *shape, char what, const char *place)
{
    mw__buf_putc(shape->out, what);
    mw__buf_putc(&shape->places, '\n');
    return mw__buf_puts(&shape->places, place) == MW_OK;
}

static bool ends_with_id(const char *name)
{
    size_t length = strlen(name);
    return length > 3 && strcmp(name + length - 3, "_id") == 0;
}

/* "contact" for the module "contacts": what an operation of it answers with, under its own name. */
static bool names_thing(const shaper *shape, const char *name)
{
    const char *dot = strrchr(shape->operation->module, '.');
    const char *module = dot ? dot + 1 : shape->operation->module;
    size_t length = strlen(name);
    return strncmp(module, name, length) == 0 && strcmp(module + length, "s") == 0;
}

/* The id of an object: the given one, or one that the server would make. */
static bool write_id(shaper *shape, const object *in, const mw_field *field, const char *place)
{
    bool text = field->type == MW_T_STRING;
    const mw_value *value = NULL;
    if (in->another) {
        char name[80];
        snprintf(name, sizeof name, "%s_id", in->name);
        value = given(shape, name);
    } else {
        value = addressed(shape);
    }
    if (value && value->type != MW_V_NULL && fits(field, value))
        return mw__json_write(shape->out, value, field, shape->error) == MW_OK;
    if (in->another)
        return mark(shape, text ? MW_MARK_ID_TEXT : MW_MARK_ID, place);
    return mark(shape, text ? MW_MARK_THING_TEXT : MW_MARK_THING, place);
}

/* ---- what nobody gave ---- */

static const mw_field *body_field(const shaper *shape, const mw_field *field)
{
    return mw__field_find(shape->operation->fields, field->name, strlen(field->name));
}

/* What the documents name as the usual value, else the first of those that there are. */
static bool write_usual(shaper *shape, const object *in, const mw_field *field)
{
    const mw_field *same = in->another ? NULL : body_field(shape, field);
    const char *text = field->values ? field->values[0] : "";
    char now[32];
    if (same && same->preset)
        text = same->preset;
    else if (same && same->values)
        text = same->values[0];
    if (field->format && strcmp(field->format, "date-time") == 0) {
        time_t seconds = time(NULL);
        struct tm utc;
        if (gmtime_r(&seconds, &utc) && strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%S.000Z", &utc))
            text = now;
    }
    mw__json_string(shape->out, text, strlen(text));
    return true;
}

static bool write_object(shaper *shape, const object *as)
{
    mw__buf_putc(shape->out, '{');
    bool first = true;
    bool has_id = false;
    for (const mw_field *field = as->fields; field && field->name; field++) {
        char place[MAX_PLACE];
        int length =
            snprintf(place, sizeof place, "%s%s%s", as->place, *as->place ? "." : "", field->name);
        if (length < 0 || (size_t)length >= sizeof place)
            continue;
        if (!first)
            mw__buf_putc(shape->out, ',');
        first = false;
        has_id = has_id || strcmp(field->name, "id") == 0;
        mw__json_string(shape->out, field->name, strlen(field->name));
        mw__buf_putc(shape->out, ':');
        if (!write_field(shape, as, field, place))
            return false;
    }
    if (as->fields && !has_id && !as->another && names_thing(shape, as->name)) {
        char place[MAX_PLACE + 4];
        snprintf(place, sizeof place, "%s.id", as->place);
        mw__buf_puts(shape->out, first ? "\"id\":" : ",\"id\":");
        if (!write_id(shape, as, &(mw_field){.name = "id", .type = MW_T_NUMBER}, place))
            return false;
    }
    mw__buf_putc(shape->out, '}');
    return true;
}

static bool write_inner(shaper *shape, const object *in, const mw_field *field, const char *name,
                        const char *place)
{
    object inner = {.name = name, .place = place, .depth = in->depth + 1, .fields = field->fields};
    if (inner.depth > MAX_NESTED)
        inner.fields = NULL;
    inner.another = in->another || mw__field_find(field->fields, "id", 2) != NULL;
    return write_object(shape, &inner);
}

/* A list has one element where the caller named what it is about: `inbox_id`, and the elements have an `inbox`. */
static bool write_list(shaper *shape, const object *in, const mw_field *field, const char *place)
{
    const mw_field *item = field->item;
    bool about = false;
    for (const mw_field *f = item ? item->fields : NULL; f && f->name && !about; f++) {
        char name[80];
        snprintf(name, sizeof name, "%s_id", f->name);
        about = f->type == MW_T_OBJECT && given(shape, name) != NULL;
    }
    char first[MAX_PLACE];
    int length = snprintf(first, sizeof first, "%s[1]", place);
    mw__buf_putc(shape->out, '[');
    if (about && !in->another && length > 0 && (size_t)length < sizeof first) {
        object element = {.name = "", .place = first, .depth = in->depth + 1, .another = true};
        element.fields = item->fields;
        if (!write_object(shape, &element))
            return false;
    }
    mw__buf_putc(shape->out, ']');
    return true;
}

static bool write_field(shaper *shape, const object *in, const mw_field *field, const char *place)
{
    if (strcmp(field->name, "id") == 0)
        return write_id(shape, in, field, place);
    const mw_value *value = in->another ? NULL : given(shape, field->name);
    if (value && fits(field, value))
        return mw__json_write(shape->out, value, field, shape->error) == MW_OK;
    switch (field->type) {
    case MW_T_STRING:
        if (ends_with_id(field->name))
            return mark(shape, MW_MARK_ID_TEXT, place);
        return write_usual(shape, in, field);
    case MW_T_INTEGER:
    case MW_T_NUMBER:
        mw__buf_puts(shape->out, ends_with_id(field->name) ? "null" : "0");
        return true;
    case MW_T_BOOLEAN:
        mw__buf_puts(shape->out, "false");
        return true;
    case MW_T_ARRAY:
        return write_list(shape, in, field, place);
    case MW_T_OBJECT:
        return write_inner(shape, in, field, field->name, place);
    default:
        mw__buf_puts(shape->out, field->type == MW_T_FILE ? "\"\"" : "null");
        return true;
    }
}

/* ---- whole answers ---- */

/* A list without a thing in it, where the row says that the list is: {"data":{"payload":[]}}. */
static void write_empty_list(shaper *shape, const char *at)
{
    size_t closing = 0;
    while (*at) {
        size_t length = strcspn(at, ".");
        mw__buf_putc(shape->out, '{');
        mw__json_string(shape->out, at, length);
        mw__buf_putc(shape->out, ':');
        closing++;
        at += length;
        at += *at == '.';
    }
    mw__buf_puts(shape->out, "[]");
    for (; closing > 0; closing--)
        mw__buf_putc(shape->out, '}');
}

/* The only list of plain values that a call sets, when its answer is such a list as well. */
static const mw_value *lone_list(const shaper *shape, const mw_field *answer)
{
    const mw_field *fields = shape->operation->fields;
    const mw_field *list = answer->fields;
    if (!fields || !fields[0].name || fields[1].name || !list || !list[0].name || list[1].name)
        return NULL;
    const mw_value *value = given(shape, fields[0].name);
    bool plain = list[0].type == MW_T_ARRAY && list[0].item && fields[0].item &&
                 list[0].item->type == fields[0].item->type && !list[0].item->fields;
    return plain && value && fits(&list[0], value) ? value : NULL;
}

static bool write_documented(shaper *shape)
{
    const mw_field *answer = shape->operation->answer;
    const char *at = shape->operation->items.at;
    bool object_answer = answer && answer->type == MW_T_OBJECT;
    if (at) {
        size_t first = strcspn(at, ".");
        if (!*at || !object_answer || !mw__field_find(answer->fields, at, first)) {
            write_empty_list(shape, at);
            return true;
        }
    }
    if (!answer)
        return true;
    const mw_value *list = object_answer && !at ? lone_list(shape, answer) : NULL;
    if (list) {
        mw__buf_putc(shape->out, '{');
        mw__json_string(shape->out, answer->fields[0].name, strlen(answer->fields[0].name));
        mw__buf_putc(shape->out, ':');
        if (mw__json_write(shape->out, list, &answer->fields[0], shape->error) != MW_OK)
            return false;
        mw__buf_putc(shape->out, '}');
        return true;
    }
    if (object_answer)
        return write_object(shape, &(object){.fields = answer->fields, .name = "", .place = ""});
    return write_field(shape, &(object){.name = "", .place = "", .another = true}, answer, "");
}

/* A raw request: nobody knows what answers it. What was sent comes back, with an id where something is made. */
static bool write_raw(shaper *shape)
{
    const mw_value *sent = member(shape->arguments->params, "body");
    if (!sent)
        sent = member(shape->arguments->params, "form");
    if (shape->request->verb == MW_DELETE)
        return true;
    bool makes = shape->request->verb == MW_POST;
    mw__buf_putc(shape->out, '{');
    bool first = true;
    for (size_t i = 0; sent && sent->type == MW_V_OBJECT && i < sent->length; i++) {
        const mw_member *at = &sent->as.members[i];
        makes = makes && strcmp(at->name, "id") != 0;
        if (!first)
            mw__buf_putc(shape->out, ',');
        first = false;
        mw__json_string(shape->out, at->name, at->name_length);
        mw__buf_putc(shape->out, ':');
        if (mw__json_write(shape->out, &at->value, NULL, shape->error) != MW_OK)
            return false;
    }
    if (makes) {
        mw__buf_puts(shape->out, first ? "\"id\":" : ",\"id\":");
        mark(shape, MW_MARK_THING, "id");
    }
    mw__buf_putc(shape->out, '}');
    return true;
}

int mw__dry_run_shape(const mw_request *request, const mw__dry_arguments *arguments, mw__buf *out,
                      mw_error *error)
{
    shaper shape = {.request = request,
                    .operation = request->operation,
                    .arguments = arguments,
                    .out = out,
                    .error = error};
    mw__buf_init(&shape.places, out->cap);
    bool good = shape.operation ? write_documented(&shape) : write_raw(&shape);
    if (good && shape.places.length > 0)
        mw__buf_append(out, shape.places.data, shape.places.length);
    int status = out->status ? out->status : shape.places.status;
    mw__buf_free(&shape.places);
    if (status != MW_OK)
        return status;
    return good ? MW_OK : MW_INVALID;
}

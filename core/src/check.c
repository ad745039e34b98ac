/* check.c: owns what a documented type accepts. Must not know where the value goes. Pure functions. */
#include "check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

enum { WHERE = 96 };

static int check_value(const mw__check *check, const mw_field *field, const mw_value *value,
                       const char *where, bool nested);

void mw__describe(const mw_value *value, char *text, size_t size)
{
    switch (value->type) {
    case MW_V_BOOLEAN:
        snprintf(text, size, "the boolean %s", value->as.boolean ? "true" : "false");
        break;
    case MW_V_INTEGER:
        snprintf(text, size, "the integer %" PRId64, value->as.integer);
        break;
    case MW_V_NUMBER:
        snprintf(text, size, "the number %g", value->as.number);
        break;
    case MW_V_STRING:
        snprintf(text, size, "the string '%.*s'", (int)(value->length > 40 ? 40 : value->length),
                 value->as.string);
        break;
    case MW_V_ARRAY:
        snprintf(text, size, "a list");
        break;
    case MW_V_OBJECT:
    case MW_V_EMPTY:
        snprintf(text, size, "a table");
        break;
    default:
        snprintf(text, size, "null");
    }
}

/* "id", "inbox_id", "user_ids": documented as string here and as integer there, so both are taken everywhere. */
static bool is_id(const char *name)
{
    size_t length = strlen(name);
    return strcmp(name, "id") == 0 || (length > 3 && strcmp(name + length - 3, "_id") == 0) ||
           (length > 4 && strcmp(name + length - 4, "_ids") == 0);
}

static bool fits(const mw__check *check, const mw_field *field, const mw_value *value)
{
    bool digits = value->type == MW_V_STRING && mw__is_integer_text(value->as.string, value->length);
    int64_t whole;
    bool integer = value->type == MW_V_INTEGER ||
                   (value->type == MW_V_NUMBER && mw__whole_number(value->as.number, &whole));
    switch (field->type) {
    case MW_T_STRING:
        return value->type == MW_V_STRING || (integer && (check->query || is_id(field->name)));
    case MW_T_INTEGER:
        return integer || digits;
    case MW_T_NUMBER:
        return integer || digits || (value->type == MW_V_NUMBER && isfinite(value->as.number));
    case MW_T_BOOLEAN:
        return value->type == MW_V_BOOLEAN;
    case MW_T_ARRAY:
        return value->type == MW_V_ARRAY || value->type == MW_V_EMPTY;
    case MW_T_OBJECT:
        return value->type == MW_V_OBJECT || value->type == MW_V_EMPTY;
    case MW_T_FILE:
        return value->type == MW_V_STRING;
    case MW_T_ANY:
        break;
    }
    return true;
}

static const char *wanted(mw_type type)
{
    static const char *const names[] = {
        [MW_T_ANY] = "a value",     [MW_T_STRING] = "a string",       [MW_T_INTEGER] = "an integer",
        [MW_T_NUMBER] = "a number", [MW_T_BOOLEAN] = "a boolean",     [MW_T_ARRAY] = "a list",
        [MW_T_OBJECT] = "a table",  [MW_T_FILE] = "a path to a file",
    };
    return names[type];
}

static void join(char *text, size_t size, const char *const *words)
{
    size_t used = 0;
    text[0] = '\0';
    for (; *words && used < size; words++) {
        int n = snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", *words);
        used += n > 0 ? (size_t)n : 0;
    }
}

/* The text of a scalar in a small buffer, for comparison with the allowed values. */
static bool scalar_word(const mw_value *value, char *word, size_t size)
{
    if (value->type == MW_V_STRING) {
        if (value->length >= size || memchr(value->as.string, '\0', value->length))
            return false;
        memcpy(word, value->as.string, value->length);
        word[value->length] = '\0';
        return true;
    }
    snprintf(word, size, "%" PRId64,
             value->type == MW_V_INTEGER ? value->as.integer : (int64_t)value->as.number);
    return true;
}

static bool listed(const char *const *values, const char *word)
{
    for (; *values; values++) {
        if (strcmp(*values, word) == 0)
            return true;
    }
    return false;
}

static int check_choice(const mw__check *check, const mw_field *field, const mw_value *value,
                        const char *where)
{
    char word[96] = "";
    bool known = scalar_word(value, word, sizeof word);
    if (field->values && !(known && listed(field->values, word))) {
        char list[300];
        char got[80];
        join(list, sizeof list, field->values);
        mw__describe(value, got, sizeof got);
        const char *near = known ? mw_closest(word, field->values) : NULL;
        return mw_error_set(check->error, MW_INVALID, where,
                            "%s: '%s' can't be %s%s%s%s (one of: %s)", check->operation, where, got,
                            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "",
                            list);
    }
    if (field->known && !(known && listed(field->known, word)) && check->warning_size > 0)
        snprintf(check->warning, check->warning_size,
                 "%s: '%s' is not among the documented values of %s; sent as it is",
                 check->operation, word, where);
    return MW_OK;
}

static int check_items(const mw__check *check, const mw_field *field, const mw_value *value,
                       const char *where, bool nested)
{
    if (value->type != MW_V_ARRAY || !field->item)
        return MW_OK;
    mw_field item = *field->item; /* name and values of a list are those of its elements */
    item.name = field->name;
    item.values = item.values ? item.values : field->values;
    item.known = item.known ? item.known : field->known;
    item.required = true; /* null is no element of a documented list */
    for (size_t i = 0; i < value->length; i++) {
        char at[WHERE];
        snprintf(at, sizeof at, "%s[%zu]", where, i + 1);
        int rc = check_value(check, &item, &value->as.items[i], at, nested);
        if (rc != MW_OK)
            return rc;
    }
    return MW_OK;
}

/* Inside objects only the listed types are held: what is not listed passes, and a missing or unusual
 * value may be right for another kind of inbox, filter or template than the documented one. */
static int check_members(const mw__check *check, const mw_field *field, const mw_value *value,
                         const char *where)
{
    if (value->type != MW_V_OBJECT || !field->fields)
        return MW_OK;
    for (size_t i = 0; i < value->length; i++) {
        const mw_member *member = &value->as.members[i];
        const mw_field *known = mw__field_find(field->fields, member->name, member->name_length);
        if (!known)
            continue;
        char at[WHERE];
        snprintf(at, sizeof at, "%s.%s", where, known->name);
        int rc = check_value(check, known, &member->value, at, true);
        if (rc != MW_OK)
            return rc;
    }
    return MW_OK;
}

static int check_value(const mw__check *check, const mw_field *field, const mw_value *value,
                       const char *where, bool nested)
{
    if (value->type == MW_V_NULL && !check->query && (!field->required || field->nullable || nested))
        return MW_OK;
    if (value->type == MW_V_NULL || !fits(check, field, value)) {
        char got[80];
        mw__describe(value, got, sizeof got);
        return mw_error_set(check->error, MW_INVALID, where, "%s: '%s' must be %s, not %s",
                            check->operation, where, wanted(field->type), got);
    }
    if (value->type == MW_V_STRING && field->type != MW_T_FILE &&
        !mw__is_utf8(value->as.string, value->length))
        return mw_error_set(check->error, MW_INVALID, where, "%s: '%s' is not valid UTF-8",
                            check->operation, where);
    if (field->max_length > 0 && value->type == MW_V_STRING && value->length > field->max_length)
        return mw_error_set(check->error, MW_INVALID, where, "%s: '%s' is longer than %u bytes",
                            check->operation, where, (unsigned)field->max_length);
    if ((field->values || field->known) && field->type != MW_T_ARRAY && !nested) {
        int rc = check_choice(check, field, value, where);
        if (rc != MW_OK)
            return rc;
    }
    int rc = check_items(check, field, value, where, nested);
    return rc == MW_OK ? check_members(check, field, value, where) : rc;
}

int mw__check_field(const mw__check *check, const mw_field *field, const mw_value *value)
{
    return check_value(check, field, value, field->name, false);
}

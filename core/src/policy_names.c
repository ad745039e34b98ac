/* policy_names.c: owns which accounts and inboxes the parameters of a request name: what a policy is asked
 * about later, when they are text on the wire. Must not know policies. One thread at a time. */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "maker.h"

static void note_text(mw__named *named, const char *text, size_t length)
{
    if (length == 0 || length >= MW_MAX_NAMED_LENGTH || memchr(text, '\0', length)) {
        named->unclear = true;
        return;
    }
    for (size_t i = 0; i < named->count; i++) {
        if (strlen(named->ids[i]) == length && memcmp(named->ids[i], text, length) == 0)
            return;
    }
    if (named->count == MW_MAX_NAMED) {
        named->unclear = true;
        return;
    }
    memcpy(named->ids[named->count], text, length);
    named->ids[named->count++][length] = '\0';
}

static bool digits(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
    }
    return length > 0;
}

/* "3", 3 and 3.0 are one. Of a text the servers read the digits that it begins with, so one that is more
 * than an id is unclear, unless it is an identifier. */
static void note_value(mw__named *named, const mw_value *value, bool identifier)
{
    char text[32];
    int64_t whole;
    switch (value->type) {
    case MW_V_NONE:
    case MW_V_NULL:
        return;
    case MW_V_STRING:
        if (identifier || digits(value->as.string, value->length))
            note_text(named, value->as.string, value->length);
        else
            named->unclear = true;
        return;
    case MW_V_NUMBER:
        if (!mw__whole_number(value->as.number, &whole))
            break;
        snprintf(text, sizeof text, "%lld", (long long)whole);
        note_text(named, text, strlen(text));
        return;
    case MW_V_INTEGER:
        snprintf(text, sizeof text, "%lld", (long long)value->as.integer);
        note_text(named, text, strlen(text));
        return;
    default:
        break;
    }
    named->unclear = true;
}

static void note(mw__maker *make, mw_names names, const mw_value *value, bool identifier)
{
    if (names == MW_NAMES_ACCOUNT)
        note_value(&make->request->accounts, value, identifier);
    else if (names == MW_NAMES_INBOX)
        note_value(&make->request->inboxes, value, identifier);
}

void mw__note_path(mw__maker *make, const mw_field *field, const mw_value *value)
{
    note(make, field->names, value, field->type == MW_T_STRING);
}

/* What "type" says of the subject of a report. More than one of them, and the last one counts, or the
 * first: then it is an inbox only where all say so. */
static mw_names subject(const mw__maker *make)
{
    size_t inboxes = 0;
    size_t others = 0;
    for (size_t i = 0; i < make->params->length; i++) {
        const mw_member *member = &make->params->as.members[i];
        if (strcmp(member->name, "type") != 0)
            continue;
        bool inbox = member->value.type == MW_V_STRING && member->value.length == 5 &&
                     memcmp(member->value.as.string, "inbox", 5) == 0;
        inboxes += inbox;
        others += !inbox;
    }
    if (inboxes > 0 && others > 0)
        make->request->inboxes.unclear = true;
    return inboxes > 0 ? MW_NAMES_INBOX : MW_NAMES_NOTHING;
}

/* What a name in `extra` names, as the servers read it: "[inbox_id]" and "inbox_id[]" are "inbox_id", and "[id]" may
 * stand for a documented "id". */
static mw_names undocumented(const mw_operation *operation, const char *name)
{
    static const struct {
        const char *name;
        mw_names names;
    } known[] = {
        {"account_id", MW_NAMES_ACCOUNT},
        {"inbox_id", MW_NAMES_INBOX},
        {"inbox_ids", MW_NAMES_INBOX},
        {"inbox_identifier", MW_NAMES_INBOX},
    };
    name += strspn(name, "[]");
    size_t length = strcspn(name, "[]");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i].name) == length && memcmp(known[i].name, name, length) == 0)
            return known[i].names;
    }
    const mw_field *field = mw__field_find(operation->fields, name, length);
    if (!field)
        field = mw__field_find(operation->query, name, length);
    return field ? field->names : MW_NAMES_NOTHING;
}

/* Whether a report says what it is about: then a second "type", or a name of brackets alone, which takes up what
 * stands in it, may change that. */
static bool changes_subject(const mw_operation *operation, const char *name)
{
    name += strspn(name, "[]");
    size_t length = strcspn(name, "[]");
    if (length == 0)
        return true;
    bool type = length == 4 && memcmp(name, "type", 4) == 0;
    for (const mw_field *f = operation->query; type && f && f->name; f++) {
        if (f->names == MW_NAMES_SUBJECT)
            return true;
    }
    return false;
}

static void note_extra(mw__maker *make)
{
    const mw_value *extra = make->extra;
    mw_request *request = make->request;
    for (size_t i = 0; extra && extra->type == MW_V_OBJECT && i < extra->length; i++) {
        const mw_member *member = &extra->as.members[i];
        mw_names names = undocumented(make->operation, member->name);
        if (names == MW_NAMES_SUBJECT || changes_subject(make->operation, member->name))
            request->inboxes.unclear = true;
        else
            note(make, names, &member->value, false);
    }
}

void mw__note_params(mw__maker *make)
{
    const mw_operation *operation = make->operation;
    const mw_value *params = make->params;
    bool nothing = false; /* an inbox is named as null; beside an id, the server may read either */
    mw_names meant = MW_NAMES_SUBJECT; /* what "type" says, once that was asked */
    if (!params || params->type != MW_V_OBJECT)
        return;
    for (size_t i = 0; i < params->length; i++) {
        const mw_member *member = &params->as.members[i];
        const mw_field *field = mw__field_find(operation->fields, member->name, member->name_length);
        if (!field)
            field = mw__field_find(operation->query, member->name, member->name_length);
        mw_names names = field ? field->names : MW_NAMES_NOTHING;
        if (names == MW_NAMES_SUBJECT && meant == MW_NAMES_SUBJECT)
            meant = subject(make);
        if (names == MW_NAMES_SUBJECT)
            names = meant;
        nothing |= names == MW_NAMES_INBOX && member->value.type <= MW_V_NULL;
        note(make, names, &member->value, false);
    }
    note_extra(make);
    if (nothing && make->request->inboxes.count > 0)
        make->request->inboxes.unclear = true;
}

/* ops_value.c: turns the row of an operation into a tree for mw_json_write. Knows the columns of a
 * row and nothing of any single operation. Any thread, one arena each. */
#include <string.h>

#include "ops_value.h"

/* An object that grows within the room it was given. `members` NULL: the arena is full, and adding
 * does nothing. */
typedef struct object {
    mw_member *members;
    size_t count;
    size_t room;
} object;

static object object_new(mw_arena *arena, size_t room)
{
    return (object){.members = mw_arena_alloc(arena, room * sizeof(mw_member)), .room = room};
}

static void add(object *into, const char *name, mw_value value)
{
    if (into->members && into->count < into->room)
        into->members[into->count++] =
            (mw_member){.name = name, .name_length = strlen(name), .value = value};
}

static mw_value object_value(const object *from)
{
    if (!from->members)
        return (mw_value){.type = MW_V_NONE};
    return (mw_value){.type = MW_V_OBJECT, .length = from->count, .as.members = from->members};
}

static mw_value text(const char *string)
{
    if (!string)
        return (mw_value){.type = MW_V_NULL};
    return (mw_value){.type = MW_V_STRING, .length = strlen(string), .as.string = string};
}

static mw_value boolean(bool value)
{
    return (mw_value){.type = MW_V_BOOLEAN, .as.boolean = value};
}

static mw_value integer(int64_t value)
{
    return (mw_value){.type = MW_V_INTEGER, .as.integer = value};
}

static mw_value positive(int64_t value)
{
    return value ? integer(value) : (mw_value){.type = MW_V_NULL};
}

static mw_value array(const mw_value *items, size_t count)
{
    return (mw_value){.type = MW_V_ARRAY, .length = count, .as.items = items};
}

/* A NULL-ended list of strings; `absent` when there is no list at all. */
static mw_value texts(mw_arena *arena, const char *const *list, mw_value absent)
{
    size_t count = 0;
    while (list && list[count])
        count++;
    if (!list)
        return absent;
    mw_value *items = mw_arena_alloc(arena, (count + 1) * sizeof *items);
    for (size_t i = 0; items && i < count; i++)
        items[i] = text(list[i]);
    return items ? array(items, count) : (mw_value){.type = MW_V_NONE};
}

static mw_value fields(mw_arena *arena, const mw_field *list);

static mw_value field(mw_arena *arena, const mw_field *from)
{
    static const mw_value null = {.type = MW_V_NULL};
    object into = object_new(arena, 12);
    add(&into, "name", text(from->name));
    if (from->wire)
        add(&into, "wire", text(from->wire));
    add(&into, "type", text(mw_type_name(from->type)));
    add(&into, "required", boolean(from->required));
    if (from->item)
        add(&into, "item", field(arena, from->item));
    if (from->fields)
        add(&into, "fields", fields(arena, from->fields));
    if (from->values)
        add(&into, "values", texts(arena, from->values, null));
    if (from->known)
        add(&into, "known", texts(arena, from->known, null));
    if (from->preset)
        add(&into, "preset", text(from->preset));
    if (from->format)
        add(&into, "format", text(from->format));
    if (from->max_length)
        add(&into, "max_length", integer(from->max_length));
    if (from->beyond)
        add(&into, "beyond", boolean(true));
    return object_value(&into);
}

static mw_value fields(mw_arena *arena, const mw_field *list)
{
    size_t count = 0;
    while (list && list[count].name)
        count++;
    mw_value *items = mw_arena_alloc(arena, (count + 1) * sizeof *items);
    for (size_t i = 0; items && i < count; i++)
        items[i] = field(arena, &list[i]);
    return items ? array(items, count) : (mw_value){.type = MW_V_NONE};
}

static mw_value tokens(mw_arena *arena, unsigned bits)
{
    mw_value *items = mw_arena_alloc(arena, 4 * sizeof *items);
    size_t count = 0;
    for (unsigned bit = MW_TOKEN_USER; items && bit <= MW_TOKEN_OAUTH; bit *= 2)
        if (bits & bit)
            items[count++] = text(mw_token_name((mw_token)bit));
    return items ? array(items, count) : (mw_value){.type = MW_V_NONE};
}

static mw_value body(mw_arena *arena, const mw_operation *operation)
{
    if (operation->body == MW_BODY_NONE)
        return (mw_value){.type = MW_V_NULL};
    object into = object_new(arena, 4);
    add(&into, "kind", text(operation->body == MW_BODY_FORM ? "form" : "json"));
    add(&into, "name", text(operation->body_name));
    add(&into, "type", text(operation->body_type));
    add(&into, "fields", fields(arena, operation->fields));
    return object_value(&into);
}

static mw_value items(mw_arena *arena, const mw_items *list)
{
    if (!list->at)
        return (mw_value){.type = MW_V_NULL};
    object into = object_new(arena, 3);
    add(&into, "at", text(list->at));
    add(&into, "page_by", text(list->page_by));
    add(&into, "page_size", positive(list->page_size));
    return object_value(&into);
}

/* What `once` finds the object by. */
static mw_value once(mw_arena *arena, const mw_once *from)
{
    static const mw_value null = {.type = MW_V_NULL};
    if (!from->find)
        return null;
    const char *by[8] = {0};
    for (size_t i = 0; i < 7 && from->by && from->by[i].field; i++)
        by[i] = from->by[i].field;
    object into = object_new(arena, 3);
    add(&into, "find", text(from->find));
    add(&into, "by", texts(arena, by, null));
    add(&into, "marker", text(from->marker));
    return object_value(&into);
}

static mw_value responses(mw_arena *arena, const mw_response *list)
{
    size_t count = 0;
    while (list && list[count].status)
        count++;
    mw_value *all = mw_arena_alloc(arena, (count + 1) * sizeof *all);
    for (size_t i = 0; all && i < count; i++) {
        object into = object_new(arena, 2);
        add(&into, "status", integer(list[i].status));
        add(&into, "meaning", text(list[i].meaning));
        all[i] = object_value(&into);
    }
    return all ? array(all, count) : (mw_value){.type = MW_V_NONE};
}

mw_value mw__ops_value(mw_arena *arena, const mw_operation *operation)
{
    object into = object_new(arena, 24);
    add(&into, "service", text(mw_service_name(operation->service)));
    add(&into, "module", text(operation->module));
    add(&into, "method", text(operation->method));
    add(&into, "id", text(operation->id));
    add(&into, "alias", text(operation->alias));
    add(&into, "title", text(operation->title));
    add(&into, "verb", text(mw_verb_name(operation->verb)));
    add(&into, "path", text(operation->path));
    add(&into, "upstream", text(operation->upstream));
    add(&into, "auth", tokens(arena, operation->auth));
    add(&into, "lane", text(mw_lane_name(operation->lane)));
    add(&into, "mutates", boolean(operation->mutates));
    add(&into, "idempotent", boolean(operation->idempotent));
    add(&into, "at_least_one", boolean(operation->at_least_one));
    add(&into, "takes_account", boolean(mw_operation_takes_account(operation)));
    add(&into, "path_params", fields(arena, operation->path_params));
    add(&into, "query", fields(arena, operation->query));
    add(&into, "body", body(arena, operation));
    add(&into, "items", items(arena, &operation->items));
    add(&into, "returns", text(operation->returns));
    add(&into, "answer",
        operation->answer ? field(arena, operation->answer) : (mw_value){.type = MW_V_NULL});
    add(&into, "responses", responses(arena, operation->responses));
    add(&into, "scopes", texts(arena, operation->scopes, (mw_value){.type = MW_V_NULL}));
    add(&into, "once", once(arena, &operation->once));
    return object_value(&into);
}

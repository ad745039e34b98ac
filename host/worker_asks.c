/* worker_asks.c: owns what a script asks the broker for besides calls: connections, modules, files; and variables,
 * which came with the script. Must not know what the broker makes of it. The worker's only thread. */
#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "worker_private.h"

#define MAX_NODES ((size_t)64 << 20)

/* ---- trees ---- */

int mw__tree_take(mw__tree *tree, char *data, size_t length)
{
    size_t at = 0;
    const char *problem = NULL;
    *tree = (mw__tree){.data = data, .arena = mw_arena_new(MAX_NODES)};
    int code = tree->arena ? mw_value_unpack(data, length, &at, tree->arena, &tree->value, &problem)
                           : MW_MEMORY;
    if (code == MW_OK && at != length)
        code = MW_DECODE;
    if (code != MW_OK)
        mw__tree_drop(tree);
    return code;
}

void mw__tree_drop(mw__tree *tree)
{
    mw_arena_free(tree->arena);
    free(tree->data);
    *tree = (mw__tree){0};
}

const mw_value *mw__tree_get(const mw__tree *tree, const char *name, mw_value_type type)
{
    if (tree->value.type != MW_V_OBJECT)
        return NULL;
    const mw_value *value = mw_value_member(&tree->value, name);
    return value && value->type == type ? value : NULL;
}

const char *mw__tree_text(const mw__tree *tree, const char *name)
{
    const mw_value *value = mw__tree_get(tree, name, MW_V_STRING);
    return value ? value->as.string : "";
}

mw_value mw__text(const char *text, size_t length)
{
    return (mw_value){.type = MW_V_STRING, .length = length, .as.string = text};
}

mw_member mw__member(const char *name, mw_value value)
{
    return (mw_member){.name = name, .name_length = strlen(name), .value = value};
}

static mw_member text_member(const char *name, const char *text)
{
    return mw__member(name, mw__text(text, strlen(text)));
}

static mw_member integer_member(const char *name, int64_t value)
{
    return mw__member(name, (mw_value){.type = MW_V_INTEGER, .as.integer = value});
}

static void copy_text(const mw__tree *tree, const char *name, char *text, size_t size)
{
    const mw_value *value = mw__tree_get(tree, name, MW_V_STRING);
    size_t length = value ? value->length : 0;
    if (length >= size)
        length = size - 1;
    if (length)
        memcpy(text, value->as.string, length);
    text[length] = '\0';
}

/* ---- asking ---- */

/* Sends the question and waits for its answer; one that refuses becomes `error`. Drop the tree after MW_OK. */
static int ask(mw__inside *inside, uint8_t type, const mw_member *members, size_t count,
               mw__tree *answer, mw_error *error)
{
    char *data = NULL;
    size_t length = 0;
    mw_value question = {.type = MW_V_OBJECT, .length = count, .as.members = members};
    int code = mw_channel_ask(inside->channel, type, ++inside->last_ask, &question, MW__F_REPLY,
                              &data, &length);
    if (code == MW_OK)
        code = mw__tree_take(answer, data, length);
    if (code != MW_OK)
        return mw_error_set(error, code, "", "the broker does not answer: %s", mw_err_text(code));
    const mw_value *refused = mw__tree_get(answer, "code", MW_V_INTEGER);
    if (!refused || refused->as.integer >= 0)
        return MW_OK;
    char field[sizeof error->field], message[sizeof error->message];
    code = (int)refused->as.integer;
    copy_text(answer, "field", field, sizeof field);
    copy_text(answer, "message", message, sizeof message);
    mw__tree_drop(answer);
    return mw_error_set(error, code, field, "%s", *message ? message : mw_err_text(code));
}

static int broken(mw__tree *answer, mw_error *error)
{
    mw__tree_drop(answer);
    return mw_error_set(error, MW_DECODE, "", "the broker's answer is not what it should be");
}

/* ---- connections ---- */

static int on_connect(const char *name, mw_gate **gate, char *label, size_t size, mw_error *error,
                      void *ud)
{
    mw__inside *inside = ud;
    mw__tree answer;
    mw_member question = text_member("name", name);
    int code = ask(inside, MW__F_CONNECT, &question, 1, &answer, error);
    if (code != MW_OK)
        return code;
    const mw_value *door = mw__tree_get(&answer, "door", MW_V_INTEGER);
    const mw_value *service = mw__tree_get(&answer, "service", MW_V_INTEGER);
    if (!door || !service)
        return broken(&answer, error);
    copy_text(&answer, "label", label, size);
    code = mw_wire_gate(inside->wire, (uint32_t)door->as.integer, (mw_service)service->as.integer,
                        gate);
    mw__tree_drop(&answer);
    return code == MW_OK ? code : mw_error_set(error, code, "", "connect: %s", mw_err_text(code));
}

/* ---- modules ---- */

int mw__ask_module(const char *name, mw__source *source, mw_error *error, void *ud)
{
    mw__tree answer;
    mw_member question = text_member("name", name);
    int code = ask(ud, MW__F_REQUIRE, &question, 1, &answer, error);
    if (code != MW_OK)
        return code;
    const mw_value *text = mw__tree_get(&answer, "source", MW_V_STRING);
    const mw_value *path = mw__tree_get(&answer, "path", MW_V_STRING);
    if (!text || !path)
        return broken(&answer, error);
    size_t size = text->length + path->length + 1;
    source->data = malloc(size);
    if (source->data) {
        memcpy(source->data, path->as.string, path->length);
        source->data[path->length] = '\0';
        memcpy(source->data + path->length + 1, text->as.string, text->length);
        source->path = source->data;
        source->text = source->data + path->length + 1;
        source->length = text->length;
    }
    mw__tree_drop(&answer);
    return source->data ? MW_OK
                        : mw_error_set(error, MW_MEMORY, "", "module '%s': out of memory", name);
}

/* ---- files ---- */

static int open_file(const char *path, char mode, uint32_t *handle, mw_error *error, void *ud)
{
    mw__tree answer;
    mw_member question[] = {text_member("op", "open"), text_member("path", path),
                            mw__member("mode", mw__text(&mode, 1))};
    int code = ask(ud, MW__F_FILE, question, 3, &answer, error);
    if (code != MW_OK)
        return code;
    const mw_value *given = mw__tree_get(&answer, "handle", MW_V_INTEGER);
    if (!given)
        return broken(&answer, error);
    *handle = (uint32_t)given->as.integer;
    mw__tree_drop(&answer);
    return MW_OK;
}

static int read_file(uint32_t handle, char *data, size_t *length, mw_error *error, void *ud)
{
    mw__tree answer;
    size_t size = *length < MW__FILE_CHUNK ? *length : MW__FILE_CHUNK;
    mw_member question[] = {text_member("op", "read"), integer_member("handle", handle),
                            integer_member("size", (int64_t)size)};
    *length = 0;
    if (size == 0)
        return MW_OK;
    int code = ask(ud, MW__F_FILE, question, 3, &answer, error);
    if (code != MW_OK)
        return code;
    const mw_value *given = mw__tree_get(&answer, "data", MW_V_STRING);
    if (!given || given->length > size)
        return broken(&answer, error);
    memcpy(data, given->as.string, given->length);
    *length = given->length;
    mw__tree_drop(&answer);
    return MW_OK;
}

static int write_file(uint32_t handle, const char *data, size_t length, mw_error *error, void *ud)
{
    for (size_t at = 0; at < length;) {
        size_t piece = length - at < MW__FILE_CHUNK ? length - at : MW__FILE_CHUNK;
        mw__tree answer;
        mw_member question[] = {text_member("op", "write"), integer_member("handle", handle),
                                mw__member("data", mw__text(data + at, piece))};
        int code = ask(ud, MW__F_FILE, question, 3, &answer, error);
        if (code != MW_OK)
            return code;
        mw__tree_drop(&answer);
        at += piece;
    }
    return MW_OK;
}

static int close_file(uint32_t handle, bool keep, mw_error *error, void *ud)
{
    mw__tree answer;
    mw_member question[] = {
        text_member("op", "close"), integer_member("handle", handle),
        mw__member("keep", (mw_value){.type = MW_V_BOOLEAN, .as.boolean = keep})};
    int code = ask(ud, MW__F_FILE, question, 3, &answer, error);
    if (code == MW_OK)
        mw__tree_drop(&answer);
    return code;
}

static int file_exists(const char *path, bool *exists, mw_error *error, void *ud)
{
    mw__tree answer;
    mw_member question[] = {text_member("op", "exists"), text_member("path", path)};
    int code = ask(ud, MW__F_FILE, question, 2, &answer, error);
    if (code != MW_OK)
        return code;
    const mw_value *given = mw__tree_get(&answer, "exists", MW_V_BOOLEAN);
    if (!given)
        return broken(&answer, error);
    *exists = given->as.boolean;
    mw__tree_drop(&answer);
    return MW_OK;
}

/* ---- variables ---- */

/* Those that are granted and set came with the script; the others are one to the script. */
static int on_variable(const char *name, const char **value, mw_error *error, void *ud)
{
    const mw__inside *inside = ud;
    const mw_value *env = mw__tree_get(&inside->setup, "env", MW_V_OBJECT);
    const mw_value *found = env ? mw_value_member(env, name) : NULL;
    if (!found || (found->type != MW_V_STRING && found->type != MW_V_NULL))
        return mw_error_set(error, MW_DENIED, name,
                            "env: the variable '%.80s' is not granted; --allow-env %.80s grants it",
                            name, name);
    *value = found->type == MW_V_STRING ? found->as.string : NULL;
    return MW_OK;
}

void mw__ask_hooks(mw__inside *inside)
{
    static const mw_lua_files files = {.open = open_file,
                                       .read = read_file,
                                       .write = write_file,
                                       .close = close_file,
                                       .exists = file_exists};
    mw_lua_on_connect(inside->vm.lua, on_connect, inside);
    mw_lua_on_files(inside->vm.lua, &files, inside);
    mw_lua_on_variable(inside->vm.lua, on_variable, inside);
}

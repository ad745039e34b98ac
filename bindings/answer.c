/* answer.c: owns the way from an answer to Lua: the copy that outlives the callback, results and
 * the error that a bad answer becomes. Must not know who asked.
 * mw__lua_answer_copy runs within mw_loop_run and touches no Lua; the rest runs on the thread of
 * the Lua state, after it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_private.h"

#define MAX_ERROR_BODY ((size_t)64 << 10)
#define EXCERPT 80
#define MAX_MESSAGE 300

/* Copies a string to *at and moves on; NULL stays NULL. */
static const char *pack(char **at, const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

static size_t size_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

mw_answer *mw__lua_answer_copy(const mw_answer *answer)
{
    size_t size =
        sizeof *answer + answer->header_count * sizeof(mw_header) + answer->body_length + 1;
    size += size_of(answer->request_id) + size_of(answer->url) + size_of(answer->message) +
            size_of(answer->field);
    for (size_t i = 0; i < answer->header_count; i++)
        size += size_of(answer->headers[i].name) + size_of(answer->headers[i].value);
    mw_answer *copy = malloc(size);
    if (!copy)
        return NULL;
    *copy = *answer;
    mw_header *headers = (mw_header *)(copy + 1);
    char *at = (char *)(headers + answer->header_count);
    for (size_t i = 0; i < answer->header_count; i++) {
        headers[i].name = pack(&at, answer->headers[i].name);
        headers[i].value = pack(&at, answer->headers[i].value);
    }
    copy->headers = headers;
    copy->request_id = pack(&at, answer->request_id);
    copy->url = pack(&at, answer->url);
    copy->message = pack(&at, answer->message);
    copy->field = pack(&at, answer->field);
    copy->body = at;
    if (answer->body_length > 0)
        memcpy(at, answer->body, answer->body_length);
    at[answer->body_length] = '\0';
    return copy;
}

/* Pushes the first line of what a server says. [-0, +1, memory] */
static const char *push_line(lua_State *L, const char *text, size_t length)
{
    size_t end = 0;
    while (end < length && text[end] != '\n' && text[end] != '\r')
        end++;
    return mw__lua_push_clean(L, text, end, MAX_MESSAGE);
}

/* The first `kind` of a member of the table at the top as a line of text, or NULL.
 * [-0, +1, memory] */
static const char *member_text(lua_State *L, int table, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, table);
    if (lua_type(L, -1) == LUA_TTABLE) {
        int nested = lua_gettop(L);
        if (lua_rawgeti(L, nested, 1) == LUA_TTABLE) {
            int item = lua_gettop(L);
            lua_pushliteral(L, "message");
            lua_rawget(L, item);
        }
        if (lua_type(L, -1) != LUA_TSTRING) {
            lua_pushliteral(L, "message");
            lua_rawget(L, nested);
        }
    }
    if (lua_type(L, -1) != LUA_TSTRING || lua_rawlen(L, -1) == 0)
        return NULL;
    size_t length = 0;
    const char *text = lua_tolstring(L, -1, &length);
    return push_line(L, text, length);
}

/* What the server says about a failure, from the decoded body at `body`, or NULL.
 * [-0, +n, memory] */
static const char *server_message(lua_State *L, int body)
{
    static const char *const names[] = {"error",       "message", "errors", "error_description",
                                        "description", NULL};
    luaL_checkstack(L, 40, NULL);
    if (lua_type(L, body) == LUA_TSTRING) {
        size_t length = 0;
        const char *text = lua_tolstring(L, body, &length);
        return (unsigned char)*text < 0x20 || *text == '<' ? NULL : push_line(L, text, length);
    }
    if (lua_type(L, body) != LUA_TTABLE)
        return NULL;
    for (int i = 0; names[i]; i++) {
        const char *text = member_text(L, body, names[i]);
        if (text)
            return text;
    }
    return NULL;
}

/* Pushes a body that is no JSON as text, cut. The copy is ours alone: secrets that the server echoes
 * are struck out in place. [-0, +1, memory] */
static const char *push_text(lua_State *L, mw_lua *ctx, const mw_answer *answer)
{
    size_t length = mw__lua_redact_json(ctx, (char *)(uintptr_t)answer->body, answer->body_length);
    return lua_pushlstring(L, answer->body, length < MAX_ERROR_BODY ? length : MAX_ERROR_BODY);
}

/* Pushes the body of a bad answer: decoded, or as text, cut; nil when there is none.
 * [-0, +1, memory] */
static void push_error_body(lua_State *L, mw_lua *ctx, const mw_answer *answer)
{
    if (answer->body_length == 0) {
        lua_pushnil(L);
        return;
    }
    if (answer->body_length <= MAX_ERROR_BODY) {
        if (mw__lua_json_decode(L, ctx, answer->body, answer->body_length)) {
            mw__lua_redact_value(L, ctx);
            return;
        }
        lua_pop(L, 1);
    }
    push_text(L, ctx, answer);
}

/* `message`, with how long the server asks to wait where it does. [-0, +1 or +0, memory] */
static const char *with_pause(lua_State *L, const mw_answer *answer, const char *message)
{
    if ((answer->status != 429 && answer->status != 503) || answer->retry_after < 1)
        return message;
    char seconds[32];
    snprintf(seconds, sizeof seconds, "%.0f", answer->retry_after);
    return lua_pushfstring(L, "%s; the server asks to wait %s s", message, seconds);
}

/* [-0, +0, raises] */
static int raise_answer(lua_State *L, mw_lua *ctx, const mw_answer *answer, const char *operation)
{
    mw__failure failure = {.code = answer->code, .operation = operation, .answer = answer};
    push_error_body(L, ctx, answer);
    int body = lua_gettop(L);
    if (!lua_isnil(L, body))
        failure.body = body;
    if (lua_type(L, body) == LUA_TTABLE) {
        lua_pushliteral(L, "attributes");
        if (lua_rawget(L, body) == LUA_TTABLE)
            failure.fields = lua_gettop(L);
    }
    failure.message = server_message(L, body);
    if (!failure.message)
        failure.message =
            answer->message && *answer->message ? answer->message : mw_err_text(answer->code);
    failure.message = with_pause(L, answer, failure.message);
    return mw__lua_error_raise(L, ctx, &failure);
}

/* The answer was good but its body is not; the reason is at the top. [-0, +0, raises] */
static int raise_decode(lua_State *L, mw_lua *ctx, const mw_answer *answer, const char *operation)
{
    const char *reason = lua_tostring(L, -1);
    const char *type = "";
    for (size_t i = 0; i < answer->header_count; i++) {
        if (strcmp(answer->headers[i].name, "content-type") == 0)
            type = answer->headers[i].value;
    }
    mw__lua_redact(ctx, (char *)(uintptr_t)type, strlen(type));
    type = mw__lua_push_clean(L, type, strlen(type), EXCERPT);
    push_text(L, ctx, answer);
    int body = lua_gettop(L);
    const char *text = lua_tostring(L, body);
    const char *excerpt = mw__lua_push_clean(L, text, lua_rawlen(L, body), EXCERPT);
    const char *message = lua_pushfstring(L, "the answer is not JSON%s%s (%s): %s",
                                          *type ? " but " : "", type, reason, excerpt);
    mw__failure failure = {
        .code = MW_DECODE, .operation = operation, .message = message, .answer = answer};
    failure.body = body;
    return mw__lua_error_raise(L, ctx, &failure);
}

int mw__lua_answer_push(lua_State *L, mw_lua *ctx, const mw_answer *answer, const char *operation)
{
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    if (answer->code != MW_OK)
        return raise_answer(L, ctx, answer, operation);
    if (answer->status == 204 || answer->body_length == 0)
        lua_pushboolean(L, true);
    else if (!mw__lua_json_decode(L, ctx, answer->body, answer->body_length))
        return raise_decode(L, ctx, answer, operation);
    mw__lua_response_push(L, ctx, answer);
    return 2;
}

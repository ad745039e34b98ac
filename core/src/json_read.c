/* json_read.c: owns the reading of JSON text in the core. Must not know what the text says. One thread at a time. */
#include "json_read.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define MOST_DIGITS 320 /* of a number that is no integer */

/* Values of arrays and objects that are not read to their end stand on a stack: how many there are turns out later. */
typedef struct reader {
    const char *text;
    const char *at;
    const char *end;
    mw_arena *arena;
    mw_member *stack;
    size_t used;
    size_t room;
    size_t nodes;
    int depth;
    int status;
    const char *problem;
} reader;

static bool read_value(reader *r, mw_value *value);

static bool bad(reader *r, const char *problem)
{
    if (r->status == MW_OK) {
        r->status = MW_DECODE;
        r->problem = problem;
    }
    return false;
}

static bool full(reader *r)
{
    if (r->status == MW_OK)
        r->status = MW_MEMORY;
    return false;
}

static void skip_space(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

static bool take(reader *r, char c)
{
    if (r->at >= r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool read_word(reader *r, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0)
        return bad(r, "no value");
    r->at += length;
    return true;
}

/* ---- numbers ---- */

static bool skip_digits(reader *r)
{
    const char *begin = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > begin;
}

static bool read_number(reader *r, mw_value *value)
{
    const char *begin = r->at;
    char text[MOST_DIGITS + 1];
    bool whole = true;
    take(r, '-');
    if (!take(r, '0') && !skip_digits(r))
        return bad(r, "no value");
    if (take(r, '.')) {
        whole = false;
        if (!skip_digits(r))
            return bad(r, "a number that is none");
    }
    if (take(r, 'e') || take(r, 'E')) {
        whole = false;
        if (!take(r, '+'))
            take(r, '-');
        if (!skip_digits(r))
            return bad(r, "a number that is none");
    }
    size_t length = (size_t)(r->at - begin);
    if (length > MOST_DIGITS)
        return bad(r, "a number that is too long");
    memcpy(text, begin, length);
    text[length] = '\0';
    errno = 0;
    long long integer = whole ? strtoll(text, NULL, 10) : 0;
    if (whole && errno == 0) {
        *value = (mw_value){.type = MW_V_INTEGER, .as.integer = integer};
        return true;
    }
    char *end;
    double number = strtod(text, &end);
    if (*end || !isfinite(number))
        return bad(r, "a number that is too large");
    *value = (mw_value){.type = MW_V_NUMBER, .as.number = number};
    return true;
}

/* ---- strings ---- */

static bool read_hex(reader *r, unsigned *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++) {
        char c = r->at < r->end ? *r->at++ : '\0';
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (unsigned)((c | 32) - 'a') + 10;
        else
            return bad(r, "a \\u without four digits");
        *code = *code * 16 + digit;
    }
    return true;
}

static char *put_utf8(char *to, unsigned code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xC0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *to++ = (char)(0xE0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    } else {
        *to++ = (char)(0xF0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3F));
        *to++ = (char)(0x80 | (code >> 6 & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    }
    return to;
}

/* What follows "\u", with the second half of a pair of surrogates. */
static bool read_code(reader *r, char **to)
{
    unsigned code;
    unsigned low;
    if (!read_hex(r, &code))
        return false;
    if (code >= 0xDC00 && code <= 0xDFFF)
        return bad(r, "half of a character");
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (!take(r, '\\') || !take(r, 'u'))
            return bad(r, "half of a character");
        if (!read_hex(r, &low))
            return false;
        if (low < 0xDC00 || low > 0xDFFF)
            return bad(r, "half of a character");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *to = put_utf8(*to, code);
    return true;
}

static bool read_escape(reader *r, char **to)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meant[] = "\"\\/\b\f\n\r\t";
    char c = r->at < r->end ? *r->at++ : '\0';
    if (c == 'u')
        return read_code(r, to);
    const char *place = c ? strchr(names, c) : NULL;
    if (!place)
        return bad(r, "an escape that there is none of");
    *(*to)++ = meant[place - names];
    return true;
}

/* The place of the quote that ends the string, or NULL. */
static const char *string_end(const reader *r)
{
    for (const char *c = r->at; c < r->end; c++) {
        if (*c == '"')
            return c;
        if (*c == '\\')
            c++;
    }
    return NULL;
}

/* Behind the first quote. No escape is shorter than what it stands for. */
static bool read_string(reader *r, const char **text, size_t *length)
{
    const char *end = string_end(r);
    if (!end)
        return bad(r, "a string without an end");
    char *begin = mw_arena_alloc(r->arena, (size_t)(end - r->at) + 1);
    if (!begin)
        return full(r);
    char *to = begin;
    while (*r->at != '"') {
        if ((unsigned char)*r->at < 0x20)
            return bad(r, "a control character in a string");
        if (*r->at != '\\')
            *to++ = *r->at++;
        else if (r->at++, !read_escape(r, &to))
            return false;
    }
    r->at++;
    *to = '\0';
    *text = begin;
    *length = (size_t)(to - begin);
    return true;
}

/* ---- arrays and objects ---- */

static bool push(reader *r, const mw_member *member)
{
    if (++r->nodes > MW_JSON_MAX_NODES)
        return bad(r, "too many values");
    if (r->used == r->room) {
        size_t room = r->room ? r->room * 2 : 64;
        mw_member *stack = realloc(r->stack, room * sizeof *stack);
        if (!stack)
            return full(r);
        r->stack = stack;
        r->room = room;
    }
    r->stack[r->used++] = *member;
    return true;
}

/* Moves what is on the stack from `base` on into `value`. */
static bool close_list(reader *r, size_t base, bool object, mw_value *value)
{
    size_t count = r->used - base;
    r->used = base;
    *value = (mw_value){.type = object ? MW_V_OBJECT : MW_V_ARRAY, .length = count};
    if (count == 0)
        return true;
    if (object) {
        mw_member *members = mw_arena_alloc(r->arena, count * sizeof *members);
        if (!members)
            return full(r);
        memcpy(members, r->stack + base, count * sizeof *members);
        value->as.members = members;
        return true;
    }
    mw_value *items = mw_arena_alloc(r->arena, count * sizeof *items);
    if (!items)
        return full(r);
    for (size_t i = 0; i < count; i++)
        items[i] = r->stack[base + i].value;
    value->as.items = items;
    return true;
}

static bool read_element(reader *r, bool object)
{
    mw_member member = {0};
    if (object) {
        skip_space(r);
        if (!take(r, '"'))
            return bad(r, "no name");
        if (!read_string(r, &member.name, &member.name_length))
            return false;
        skip_space(r);
        if (!take(r, ':'))
            return bad(r, "no ':' behind a name");
    }
    return read_value(r, &member.value) && push(r, &member);
}

static bool read_list(reader *r, bool object, mw_value *value)
{
    size_t base = r->used;
    char last = object ? '}' : ']';
    if (++r->depth > MW_MAX_DEPTH)
        return bad(r, "nested too deeply");
    skip_space(r);
    bool more = !take(r, last);
    while (more) {
        if (!read_element(r, object))
            return false;
        skip_space(r);
        more = take(r, ',');
        if (!more && !take(r, last))
            return bad(r, "neither ',' nor an end");
    }
    r->depth--;
    return close_list(r, base, object, value);
}

static bool read_value(reader *r, mw_value *value)
{
    skip_space(r);
    switch (r->at < r->end ? *r->at : '\0') {
    case '{':
        r->at++;
        return read_list(r, true, value);
    case '[':
        r->at++;
        return read_list(r, false, value);
    case '"':
        r->at++;
        *value = (mw_value){.type = MW_V_STRING};
        return read_string(r, &value->as.string, &value->length);
    case 't':
        *value = (mw_value){.type = MW_V_BOOLEAN, .as.boolean = true};
        return read_word(r, "true");
    case 'f':
        *value = (mw_value){.type = MW_V_BOOLEAN};
        return read_word(r, "false");
    case 'n':
        *value = (mw_value){.type = MW_V_NULL};
        return read_word(r, "null");
    default:
        return read_number(r, value);
    }
}

int mw__json_read(const char *text, size_t length, mw_arena *arena, mw_value *value, mw_error *error)
{
    reader r = {.text = text, .at = text, .end = text + length, .arena = arena};
    if (!mw__is_utf8(text, length))
        bad(&r, "not UTF-8");
    else if (read_value(&r, value)) {
        skip_space(&r);
        if (r.at < r.end)
            bad(&r, "something behind the value");
    }
    free(r.stack);
    if (r.status == MW_DECODE)
        return mw_error_set(error, MW_DECODE, NULL, "no JSON at byte %zu: %s",
                            (size_t)(r.at - r.text) + 1, r.problem);
    if (r.status == MW_MEMORY)
        return mw_error_set(error, MW_MEMORY, NULL, "the JSON takes too much memory");
    return MW_OK;
}

const mw_value *mw__json_member(const mw_value *value, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = value && value->type == MW_V_OBJECT ? value->length : 0; i > 0; i--) {
        const mw_member *member = &value->as.members[i - 1];
        if (member->name_length == length && memcmp(member->name, name, length) == 0)
            return &member->value;
    }
    return NULL;
}

const mw_value *mw__json_at(const mw_value *value, const char *path)
{
    char name[64];
    while (value && *path) {
        size_t length = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)length, path);
        value = mw__json_member(value, name);
        path += length + (path[length] == '.');
    }
    return value;
}

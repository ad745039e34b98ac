/* documents_test.c: files of documents and HMAC as C sees them: limits to the byte, who may use a file when, and what
 * happens when memory runs out. What survives a crash, and which files are refused, is in spec/documents_spec.lua. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lua.h>

#include <lauxlib.h>
#include <lualib.h>

#include "failing_alloc.h"
#include "moonwire_lua.h"
#include "mw/documents.h"
#include "mw/hmac.h"
#include "test.h"

typedef struct place {
    char folder[32];
    char path[64];
} place;

static place make_place(void)
{
    place p = {.folder = "/tmp/mw_documents_XXXXXX"};
    CHECK(mkdtemp(p.folder) != NULL);
    snprintf(p.path, sizeof p.path, "%s/file", p.folder);
    return p;
}

/* Nothing but the file itself is there. */
static void remove_place(const place *p)
{
    CHECK_INT(unlink(p->path), 0);
    CHECK_INT(rmdir(p->folder), 0);
}

static mw_documents *open_file(const place *p, bool read_only)
{
    mw_documents *file = NULL;
    mw_error error = {0};
    int rc = mw_documents_open(&(mw_documents_options){.path = p->path, .read_only = read_only},
                               &file, &error);
    CHECK_STR(error.message, "");
    CHECK_INT(rc, MW_OK);
    return file;
}

static mw_document change(const char *kind, const char *id, const char *body)
{
    return (mw_document){.kind = kind,
                         .kind_length = strlen(kind),
                         .id = id,
                         .id_length = strlen(id),
                         .body = body,
                         .body_length = body ? strlen(body) : 0};
}

typedef struct seen {
    char text[256];
    unsigned count;
    unsigned most; /* 0: all */
    size_t bytes;
    mw_documents *file; /* to be used from within */
} seen;

static bool see(const mw_document *document, void *ud)
{
    seen *s = ud;
    size_t used = strlen(s->text);
    if (document->body_length < 32)
        snprintf(s->text + used, sizeof s->text - used, "%.*s/%.*s=%.*s ",
                 (int)document->kind_length, document->kind, (int)document->id_length, document->id,
                 (int)document->body_length, document->body);
    s->bytes += document->body_length;
    s->count++;
    if (s->file) {
        mw_error error = {0};
        mw_document again = *document;
        CHECK_INT(mw_documents_write(s->file, &again, 1, &error), MW_INVALID);
        CHECK(strstr(error.message, "it is being read") != NULL);
        CHECK_INT(mw_documents_each(s->file, see, s, &error), MW_INVALID);
        CHECK(strstr(error.message, "it is being read already") != NULL);
    }
    return s->count != s->most;
}

TEST(documents_come_by_kind_and_age)
{
    place p = make_place();
    mw_documents *file = open_file(&p, false);
    const mw_document first[] = {change("b", "1", "one"), change("a", "2", "two"),
                                 change("a", "1", ""), change("a", "3", "three")};
    const mw_document second[] = {change("a", "2", "TWO"), change("a", "3", NULL),
                                  change("a", "9", NULL), change("a", "3", "back")};
    seen all = {.file = file};
    seen some = {.most = 2};
    CHECK_INT(mw_documents_write(file, first, 4, NULL), MW_OK);
    CHECK_INT(mw_documents_write(file, second, 4, NULL), MW_OK);
    CHECK_INT(mw_documents_write(file, NULL, 0, NULL), MW_OK);
    CHECK_INT(mw_documents_each(file, see, &all, NULL), MW_OK);
    CHECK_STR(all.text, "a/2=TWO a/1= a/3=back b/1=one ");
    CHECK_INT(mw_documents_each(file, see, &some, NULL), MW_OK);
    CHECK_STR(some.text, "a/2=TWO a/1= ");
    CHECK_INT(mw_documents_write(file, first, 1, NULL), MW_OK); /* what was stopped holds nothing */
    mw_documents_close(file);

    file = open_file(&p, true);
    mw_documents *other = open_file(&p, true);
    seen later = {0};
    mw_error error = {0};
    CHECK_INT(mw_documents_each(other, see, &later, NULL), MW_OK);
    CHECK_STR(later.text, all.text);
    CHECK_INT(mw_documents_write(file, first, 1, &error), MW_INVALID);
    CHECK(strstr(error.message, "it was opened to be read only") != NULL);
    mw_documents_close(file);
    mw_documents_close(other);
    mw_documents_close(NULL);
    remove_place(&p);
}

TEST(documents_have_limits_to_the_byte)
{
    place p = make_place();
    mw_documents *file = open_file(&p, false);
    size_t most = MW_DOCUMENT_MAX_BODY;
    char *large = malloc(most + 1);
    CHECK(large != NULL);
    memset(large, 'x', most + 1);
    mw_document d = change("k", "1", "good");
    const struct {
        size_t kind, id, body;
        const char *problem;
    } cases[] = {{MW_DOCUMENT_MAX_KIND, MW_DOCUMENT_MAX_ID, most, NULL},
                 {0, 1, 1, "change 2: its kind must have 1 to 64 bytes"},
                 {MW_DOCUMENT_MAX_KIND + 1, 1, 1, "change 2: its kind must have 1 to 64 bytes"},
                 {1, 0, 1, "change 2: its id must have 1 to 256 bytes"},
                 {1, MW_DOCUMENT_MAX_ID + 1, 1, "change 2: its id must have 1 to 256 bytes"},
                 {1, 1, most + 1, "change 2: its body is over 64 MiB"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mw_error error = {0};
        mw_document batch[] = {d, {large, cases[i].kind, large, cases[i].id, large, cases[i].body}};
        int rc = mw_documents_write(file, batch, 2, &error);
        CHECK_INT(rc, cases[i].problem ? MW_INVALID : MW_OK);
        CHECK(!cases[i].problem || strstr(error.message, cases[i].problem));
        d.id = "2"; /* of the refused batches */
    }
    for (int i = 0; i < 3; i++) {
        mw_document nul = change("kind", "id", "body");
        nul.kind = i == 0 ? "ki\0d" : nul.kind;
        nul.id = i == 1 ? "\0d" : nul.id;
        nul.body = i == 2 ? "bod\0" : nul.body;
        CHECK_INT(mw_documents_write(file, &nul, 1, NULL), MW_INVALID);
    }
    seen all = {0};
    CHECK_INT(mw_documents_each(file, see, &all, NULL), MW_OK);
    CHECK_STR(all.text, "k/1=good ");
    CHECK_INT(all.count, 2);
    CHECK_INT(all.bytes, most + 4);
    free(large);
    mw_documents_close(file);
    remove_place(&p);
}

TEST(documents_are_for_their_owner_alone)
{
    place p = make_place();
    struct stat info;
    mw_documents *file = open_file(&p, false);
    CHECK_INT(stat(p.path, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0600);
    mw_documents_close(file);
    remove_place(&p);
}

TEST(documents_survive_any_failing_allocation)
{
    place p = make_place();
    unsigned nth = 1;
    for (; nth < 100; nth++) {
        mw_documents *file = NULL;
        mw_error error = {0};
        mw_document d = change("k", "1", "one");
        fail_allocation(nth);
        int rc = mw_documents_open(&(mw_documents_options){.path = p.path}, &file, &error);
        if (rc == MW_OK)
            rc = mw_documents_write(file, &d, 1, &error);
        bool failed = allocation_failed();
        fail_allocation(0);
        CHECK_INT(rc, failed ? MW_MEMORY : MW_OK);
        CHECK(!failed || strstr(error.message, "out of memory"));
        mw_documents_close(file);
        if (!failed)
            break;
    }
    CHECK(nth > 1 && nth < 100);
    remove_place(&p);
}

TEST(documents_and_signatures_are_denied_to_a_confined_script)
{
    static const char script[] =
        "local core = require 'moonwire.core'"
        " for name, call in pairs{ documents = function() core.documents{ path = '/x/y' } end,"
        "   hmac_sha256 = function() core.hmac_sha256('k', 't') end } do"
        "   local ok, problem = pcall(call)"
        "   assert(not ok and problem.kind == 'denied' and problem.operation == name)"
        "   assert(problem.message:find('--sandbox=off', 1, true)) end"
        " assert(core.same('a', 'a'))";
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    mw_lua_confine(mw_lua_preload(L, NULL));
    if (luaL_dostring(L, script) != LUA_OK)
        CHECK_STR(luaL_tolstring(L, -1, NULL), "");
    lua_close(L);
}

TEST(hmac_is_that_of_rfc_4231)
{
    char hex[MW_HMAC_SHA256_HEX + 1];
    CHECK_INT(mw_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, hex, NULL), MW_OK);
    CHECK_STR(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK_INT(mw_hmac_sha256("", 0, "", 0, hex, NULL), MW_OK);
    CHECK_STR(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    mw_error error = {0};
    CHECK_INT(mw_hmac_sha256("x", (size_t)1 << 31, "", 0, hex, &error), MW_INVALID);
    CHECK_STR(error.field, "key");
}

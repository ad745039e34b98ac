/* ops_fields.c: lays out what an operation takes: one line a field, with type, whether it is
 * required, allowed values and default. Knows the columns of a row and nothing of any single
 * operation. */
#include "ops_fields.h"

#include <stdio.h>
#include <string.h>

enum { INDENT = 2, TYPE_SIZE = 64, MAX_DEPTH = 8 };

static void type_of(const mw_field *field, char type[TYPE_SIZE])
{
    const char *name = mw_type_name(field->type);
    if (field->type == MW_T_ARRAY && field->item)
        snprintf(type, TYPE_SIZE, "%s of %s", name, mw_type_name(field->item->type));
    else
        snprintf(type, TYPE_SIZE, "%s", name);
}

/* Appends to the remarks of a field: "; " between them. */
static void remark(bool *any, const char *text)
{
    printf("%s%s", *any ? "; " : "  ", text);
    *any = true;
}

static void print_values(bool *any, const char *what, const char *const *values)
{
    if (!values)
        return;
    remark(any, what);
    for (size_t i = 0; values[i]; i++)
        printf("%s%s", i ? ", " : " ", values[i]);
}

static void print_remarks(const mw_operation *operation, const mw_field *field)
{
    bool any = false;
    const mw_field *item = field->item;
    if (operation->path_params == field && mw_operation_takes_account(operation))
        remark(&any, "the client's own");
    else if (field->required)
        remark(&any, field->nullable ? "required, may be null" : "required");
    print_values(&any, "one of", field->values ? field->values : item ? item->values : NULL);
    print_values(&any, "such as", field->known ? field->known : item ? item->known : NULL);
    if (field->preset) {
        remark(&any, "default");
        printf(" %s", field->preset);
    }
    if (field->format)
        remark(&any, field->format);
    if (field->max_length) {
        remark(&any, "at most");
        printf(" %lu bytes", (unsigned long)field->max_length);
    }
    if (field->beyond)
        remark(&any, "not in the documents");
    putchar('\n');
}

/* The fields of an object, or of the objects in an array; NULL: none are known. */
static const mw_field *inner(const mw_field *field)
{
    for (int depth = 0; field && depth < MAX_DEPTH; depth++) {
        if (field->fields)
            return field->fields;
        field = field->item;
    }
    return NULL;
}

static void print_list(const mw_operation *operation, const mw_field *list, int depth)
{
    char type[TYPE_SIZE];
    int width = 0;
    int type_width = 0;
    for (const mw_field *field = list; field->name; field++) {
        type_of(field, type);
        width = (int)strlen(field->name) > width ? (int)strlen(field->name) : width;
        type_width = (int)strlen(type) > type_width ? (int)strlen(type) : type_width;
    }
    for (const mw_field *field = list; field->name; field++) {
        type_of(field, type);
        printf("%*s%-*s  %s", depth * INDENT, "", width, field->name, type);
        print_remarks(operation, field);
        if (inner(field) && depth < MAX_DEPTH)
            print_list(operation, inner(field), depth + 1);
    }
}

static void print_section(const mw_operation *operation, const char *title, const mw_field *list)
{
    if (!list || !list->name)
        return;
    printf("%*s%s\n", INDENT, "", title);
    print_list(operation, list, 2);
}

static void print_paging(const mw_items *items)
{
    if (!items->at)
        return;
    printf("%*s", INDENT, "");
    if (!items->page_by)
        fputs("a list, in one answer", stdout);
    else if (strcmp(items->page_by, "page") == 0)
        fputs("a list in pages: each{...} goes through all of them", stdout);
    else
        printf("a list in pages, by '%s': each{...} goes through all of them", items->page_by);
    if (items->page_by && items->page_size)
        printf(", %lu to a page", (unsigned long)items->page_size);
    putchar('\n');
}

void mw__ops_print_fields(const mw_operation *operation)
{
    printf("%*s%s\n", INDENT, "", operation->title);
    print_section(operation, "path", operation->path_params);
    print_section(operation, "query", operation->query);
    print_section(operation, operation->body == MW_BODY_FORM ? "body, as a form" : "body",
                  operation->fields);
    if (operation->body != MW_BODY_NONE && !operation->fields)
        printf("%*sbody: any fields\n", INDENT, "");
    if (operation->at_least_one)
        printf("%*sat least one field has to be given\n", INDENT, "");
    print_paging(&operation->items);
}

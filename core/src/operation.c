/* operation.c: finds rows and names the enumerations of mw/operation.h. Owns the order of the rows;
 * what a row says stands in ooctopus/ and circuit/, and no operation is known here by its name.
 * Constant data and pure functions; any thread. */
#include "mw/operation.h"

#include <string.h>

#include "operation_rows.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Pointers to the first n rows of a table. */
#define ROWS_1(t) &(t)[0]
#define ROWS_2(t) ROWS_1(t), &(t)[1]
#define ROWS_3(t) ROWS_2(t), &(t)[2]
#define ROWS_4(t) ROWS_3(t), &(t)[3]
#define ROWS_5(t) ROWS_4(t), &(t)[4]
#define ROWS_6(t) ROWS_5(t), &(t)[5]
#define ROWS_7(t) ROWS_6(t), &(t)[6]
#define ROWS_8(t) ROWS_7(t), &(t)[7]
#define ROWS_9(t) ROWS_8(t), &(t)[8]
#define ROWS_10(t) ROWS_9(t), &(t)[9]

/* In the order of module, then method: `mw_operation_find` searches by halves. */
static const mw_operation *const ooctopus[] = {
    ROWS_5(mw__ooctopus_agent_bots),
    ROWS_4(mw__ooctopus_agents),
    ROWS_5(mw__ooctopus_automation_rules),
    ROWS_4(mw__ooctopus_canned_responses),
    ROWS_10(mw__ooctopus_contacts),
    ROWS_9(mw__ooctopus_conversations),
    ROWS_5(mw__ooctopus_custom_attributes),
    ROWS_5(mw__ooctopus_custom_filters),
    ROWS_10(mw__ooctopus_inboxes),
    ROWS_4(mw__ooctopus_integrations),
    ROWS_3(mw__ooctopus_messages),
    ROWS_3(mw__ooctopus_platform_account_users),
    ROWS_4(mw__ooctopus_platform_accounts),
    ROWS_5(mw__ooctopus_platform_agent_bots),
    ROWS_5(mw__ooctopus_platform_users),
    ROWS_1(mw__ooctopus_profile),
    ROWS_3(mw__ooctopus_public_contacts),
    ROWS_2(mw__ooctopus_public_conversations),
    ROWS_3(mw__ooctopus_public_messages),
    ROWS_4(mw__ooctopus_reports),
    ROWS_9(mw__ooctopus_teams),
    ROWS_4(mw__ooctopus_webhooks),
};

static const mw_operation *const circuit[] = {ROWS_8(mw__circuit_webhooks)};

static const struct {
    const mw_operation *const *rows;
    size_t count;
} services[MW_SERVICES] = {
    [MW_OOCTOPUS] = {ooctopus, COUNT(ooctopus)},
    [MW_CIRCUIT] = {circuit, COUNT(circuit)},
};

const mw_operation *const *mw_operations(mw_service service, size_t *count)
{
    /* The cast also catches a negative value, whether or not the compiler made the enum signed. */
    bool exists = (unsigned)service < MW_SERVICES;
    if (count)
        *count = exists ? services[service].count : 0;
    return exists ? services[service].rows : NULL;
}

static int compare(const char *module, const char *method, const mw_operation *row)
{
    int order = strcmp(module, row->module);
    return order ? order : strcmp(method, row->method);
}

/* The place of a row among `count`; `count` when it is none of them. */
static size_t search(const mw_operation *const *rows, size_t count, const char *module,
                     const char *method)
{
    size_t high = count;
    for (size_t low = 0; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = compare(module, method, rows[middle]);
        if (order == 0)
            return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return count;
}

const mw_operation *mw_operation_find(mw_service service, const char *module, const char *method)
{
    size_t count;
    const mw_operation *const *rows = mw_operations(service, &count);
    if (!module || !method)
        return NULL;
    size_t place = search(rows, count, module, method);
    return place < count ? rows[place] : NULL;
}

bool mw__operation_place(mw_service service, const mw_operation *operation, size_t *place)
{
    size_t count;
    const mw_operation *const *rows = mw_operations(service, &count);
    *place = operation ? search(rows, count, operation->module, operation->method) : count;
    return !operation || (*place < count && rows[*place] == operation);
}

const mw_operation *mw_operation_by_id(mw_service service, const char *id_or_alias)
{
    size_t count;
    const mw_operation *const *rows = mw_operations(service, &count);
    if (!id_or_alias)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i]->id, id_or_alias) == 0 || strcmp(rows[i]->alias, id_or_alias) == 0)
            return rows[i];
    return NULL;
}

bool mw_operation_takes_account(const mw_operation *operation)
{
    const mw_field *path = operation->path_params;
    return path && path->name && strcmp(path->name, "account_id") == 0 &&
           strncmp(operation->module, "platform.", strlen("platform.")) != 0;
}

const char *mw_verb_name(mw_verb verb)
{
    static const char *const names[MW_VERBS] = {
        [MW_GET] = "GET",     [MW_POST] = "POST",     [MW_PUT] = "PUT",
        [MW_PATCH] = "PATCH", [MW_DELETE] = "DELETE",
    };
    return (unsigned)verb < MW_VERBS ? names[verb] : "?";
}

const char *mw_service_name(mw_service service)
{
    static const char *const names[MW_SERVICES] = {
        [MW_OOCTOPUS] = "ooctopus",
        [MW_CIRCUIT] = "circuit",
    };
    return (unsigned)service < MW_SERVICES ? names[service] : "?";
}

const char *mw_token_name(mw_token token)
{
    switch (token) {
    case MW_TOKEN_USER:
        return "user";
    case MW_TOKEN_BOT:
        return "bot";
    case MW_TOKEN_PLATFORM:
        return "platform";
    case MW_TOKEN_OAUTH:
        return "oauth";
    }
    return "?";
}

const char *mw_lane_name(mw_lane lane)
{
    static const char *const names[MW_LANES] = {
        [MW_LANE_ALL] = "all",     [MW_LANE_SEARCH] = "search", [MW_LANE_REPORTS] = "reports",
        [MW_LANE_WRITE] = "write", [MW_LANE_UPLOAD] = "upload",
    };
    return (unsigned)lane < MW_LANES ? names[lane] : "?";
}

const char *mw_type_name(mw_type type)
{
    static const char *const names[] = {
        [MW_T_ANY] = "any",       [MW_T_STRING] = "string",   [MW_T_INTEGER] = "integer",
        [MW_T_NUMBER] = "number", [MW_T_BOOLEAN] = "boolean", [MW_T_ARRAY] = "array",
        [MW_T_OBJECT] = "object", [MW_T_FILE] = "file",
    };
    return (size_t)type < COUNT(names) ? names[type] : "?";
}

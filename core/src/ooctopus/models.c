/* ooctopus/models.c: what several modules of ooctopus share: path parameters, enumerations,
 * payloads and the shapes of answers. Knows no operation. Constant data; any thread. */
#include "models.h"

#include "../rows.h"

/* The columns of a row stand in groups, which the formatter would take apart. */
/* clang-format off */

const mw_field mw__in_account[] = {MW_ACCOUNT, MW_END};
const mw_field mw__in_account_id[] = {MW_ACCOUNT, MW_ID("id"), MW_END};
const mw_field mw__in_conversation[] = {MW_ACCOUNT, MW_ID("conversation_id"), MW_END};

const char *const mw__roles[] = {"agent", "administrator", NULL};
const char *const mw__availabilities[] = {"available", "busy", "offline", NULL};
static const char *const content_types[] = {"text", "input_select", "cards", "form", NULL};
static const char *const message_types[] = {"incoming", "outgoing", "activity", "template", NULL};
const char *const mw__statuses[] = {"open", "resolved", "pending", NULL};
static const char *const filter_operators[] = {
    "equal_to", "not_equal_to", "contains", "does_not_contain", NULL,
};

const mw_field mw__agent_bot_payload[] = {
    MW_STR("name"), MW_STR("description"), MW_STR("outgoing_url"),
    MW_END,
};

const mw_field mw__agent_bot[] = {
    MW_NUM("id"), MW_STR("name"), MW_STR("description"), MW_NUM("account_id"),
    MW_STR("outgoing_url"),
    MW_END,
};

const mw_field mw__agent[] = {
    MW_INT("id"), MW_STR("uid"), MW_STR("name"), MW_STR("available_name"), MW_STR("display_name"),
    MW_STR("email"), MW_INT("account_id"), MW_ENUM("role", mw__roles), MW_BOOL("confirmed"),
    MW_ENUM("availability_status", mw__availabilities), MW_BOOL("auto_offline"),
    MW_OBJ("custom_attributes", NULL),
    MW_END,
};

const mw_field mw__inbox[] = {
    MW_NUM("id"), MW_STR("name"), MW_STR("website_url"), MW_STR("channel_type"),
    MW_STR("avatar_url"), MW_STR("widget_color"), MW_STR("website_token"),
    MW_BOOL("enable_auto_assignment"), MW_STR("web_widget_script"), MW_STR("welcome_title"),
    MW_STR("welcome_tagline"), MW_BOOL("greeting_enabled"), MW_STR("greeting_message"),
    MW_END,
};

#define MESSAGE_FIELDS \
    MW_STR("content"), MW_ENUM("content_type", content_types), \
    MW_OBJ("content_attributes", NULL), MW_ENUM("message_type", message_types), \
    MW_INT("created_at"), MW_BOOL("private"), MW_OBJ("attachment", NULL), \
    MW_OBJ("sender", NULL), MW_NUM("conversation_id")

const mw_field mw__message[] = {MW_NUM("id"), MESSAGE_FIELDS, MW_END};
const mw_field mw__shown_message[] = {MESSAGE_FIELDS, MW_END};

const mw_field mw__user[] = {
    MW_NUM("id"), MW_STR("uid"), MW_STR("name"), MW_STR("available_name"), MW_STR("display_name"),
    MW_STR("email"), MW_NUM("account_id"), MW_ENUM("role", mw__roles), MW_BOOL("confirmed"),
    MW_OBJ("custom_attributes", NULL),
    MW_OBJS("accounts", MW_FIELDS(
        MW_NUM("id"), MW_STR("name"), MW_ENUM("role", MW_WORDS("administrator", "agent")))),
    MW_END,
};

const mw_field mw__template_params[] = {
    MW_STR("name"), MW_STR("category"), MW_STR("language"), MW_OBJ("processed_params", NULL),
    MW_END,
};

const mw_field mw__filter[] = {
    MW_OBJS("payload", MW_FIELDS(
        MW_STR("attribute_key"), MW_ENUM("filter_operator", filter_operators),
        MW_STRS("values"), MW_ENUM("query_operator", MW_WORDS("AND", "OR")))),
    MW_END,
};

static const mw_field conversation_meta[] = {
    MW_OBJ("sender", MW_FIELDS(
        MW_NUM("id"), MW_STR("name"), MW_STR("thumbnail"), MW_STR("channel"))),
    MW_OBJ("assignee", mw__user),
    MW_END,
};

#define CONVERSATION_FIELDS \
    MW_NUM("id"), MW_OBJS("messages", mw__shown_message), MW_NUM("account_id"), \
    MW_NUM("inbox_id"), MW_ENUM("status", mw__statuses), MW_STR("timestamp"), \
    MW_STR("contact_last_seen_at"), MW_STR("agent_last_seen_at"), MW_NUM("unread_count"), \
    MW_OBJ("additional_attributes", NULL), MW_OBJ("custom_attributes", NULL), \
    MW_OBJ("meta", conversation_meta)

const mw_field mw__conversation[] = {CONVERSATION_FIELDS, MW_END};
const mw_field mw__contact_conversation[] = {CONVERSATION_FIELDS, MW_NUM("display_id"), MW_END};

/* operation_rows.h: the row tables, one per module, for operation.c to gather. A table that grows
 * without its count here does not compile. Constant data; any thread. */
#ifndef MW__OPERATION_ROWS_H
#define MW__OPERATION_ROWS_H

#include "mw/operation.h"

/* operation.c: the place of a row among those of its service; NULL, a raw request, has the place behind the
 * last. False for a row that is none of the service's. */
bool mw__operation_place(mw_service service, const mw_operation *operation, size_t *place);

extern const mw_operation mw__ooctopus_agent_bots[5];
extern const mw_operation mw__ooctopus_agents[4];
extern const mw_operation mw__ooctopus_automation_rules[5];
extern const mw_operation mw__ooctopus_canned_responses[4];
extern const mw_operation mw__ooctopus_contacts[10];
extern const mw_operation mw__ooctopus_conversations[9];
extern const mw_operation mw__ooctopus_custom_attributes[5];
extern const mw_operation mw__ooctopus_custom_filters[5];
extern const mw_operation mw__ooctopus_inboxes[10];
extern const mw_operation mw__ooctopus_integrations[4];
extern const mw_operation mw__ooctopus_messages[3];
extern const mw_operation mw__ooctopus_platform_account_users[3];
extern const mw_operation mw__ooctopus_platform_accounts[4];
extern const mw_operation mw__ooctopus_platform_agent_bots[5];
extern const mw_operation mw__ooctopus_platform_users[5];
extern const mw_operation mw__ooctopus_profile[1];
extern const mw_operation mw__ooctopus_public_contacts[3];
extern const mw_operation mw__ooctopus_public_conversations[2];
extern const mw_operation mw__ooctopus_public_messages[3];
extern const mw_operation mw__ooctopus_reports[4];
extern const mw_operation mw__ooctopus_teams[9];
extern const mw_operation mw__ooctopus_webhooks[4];

extern const mw_operation mw__circuit_webhooks[8];

#endif

/* ooctopus/models.h: what several modules of ooctopus share. Lists end with a field without a name,
 * enumerations with NULL. Constant data; any thread. */
#ifndef MW__OOCTOPUS_MODELS_H
#define MW__OOCTOPUS_MODELS_H

#include "mw/operation.h"

/* Path parameters. */
extern const mw_field mw__in_account[];
extern const mw_field mw__in_account_id[];
extern const mw_field mw__in_conversation[];

/* Enumerations. */
extern const char *const mw__roles[];
extern const char *const mw__availabilities[];
extern const char *const mw__statuses[];

/* Payloads. */
extern const mw_field mw__agent_bot_payload[];
extern const mw_field mw__template_params[];
extern const mw_field mw__filter[];

/* Answers. A shown message is one inside a conversation: it comes without its id. */
extern const mw_field mw__agent_bot[];
extern const mw_field mw__agent[];
extern const mw_field mw__inbox[];
extern const mw_field mw__message[];
extern const mw_field mw__shown_message[];
extern const mw_field mw__user[];
extern const mw_field mw__conversation[];
extern const mw_field mw__contact_conversation[];

#endif

/* profiles.c: owns the clients that the profile variables describe. Knows nothing of scripts. Main thread. */
#define _GNU_SOURCE
#include "profiles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moonwire_lua.h"

/* The first token is the one to ask for. */
typedef struct profile {
    const char *name;
    mw_service service;
    mw_paths paths;
    int url, account, user_token, bot_token, platform_token, oauth_token; /* MW__ENV_..., -1: none */
    int limits;
} profile;

static const profile rows[MW__PROFILES] = {
    {"ooctopus", MW_OOCTOPUS, MW_PATHS_DOCUMENTED, MW__ENV_OOCTOPUS_URL,
     MW__ENV_OOCTOPUS_ACCOUNT_ID, MW__ENV_OOCTOPUS_TOKEN, MW__ENV_OOCTOPUS_BOT_TOKEN,
     MW__ENV_OOCTOPUS_PLATFORM_TOKEN, -1, MW__ENV_OOCTOPUS_LIMITS},
    {"chatwoot", MW_OOCTOPUS, MW_PATHS_UPSTREAM, MW__ENV_OOCTOPUS_URL, MW__ENV_OOCTOPUS_ACCOUNT_ID,
     MW__ENV_OOCTOPUS_TOKEN, MW__ENV_OOCTOPUS_BOT_TOKEN, MW__ENV_OOCTOPUS_PLATFORM_TOKEN, -1,
     MW__ENV_OOCTOPUS_LIMITS},
    {"circuit", MW_CIRCUIT, MW_PATHS_DOCUMENTED, MW__ENV_CIRCUIT_URL, -1, -1, -1, -1,
     MW__ENV_CIRCUIT_TOKEN, MW__ENV_CIRCUIT_LIMITS},
};

/* The value, or NULL when it is unset or empty. */
static const char *value_of(const mw__env *env, int index)
{
    const char *value = index < 0 ? NULL : env->values[index];
    return value && *value ? value : NULL;
}

/* What the core says about an option, with the name of the variable that gave it: nobody wrote an option. */
static void name_variable(const profile *from, mw_error *error)
{
    const struct {
        const char *option;
        int variable;
    } names[] = {
        {"url", from->url},
        {"account", from->account},
        {"token", from->user_token < 0 ? from->oauth_token : from->user_token},
        {"bot_token", from->bot_token},
        {"platform_token", from->platform_token},
        {"limits", from->limits},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].variable < 0 || strcmp(names[i].option, error->field) != 0)
            continue;
        const char *variable = mw__env_name((unsigned)names[i].variable);
        char option[40];
        char message[sizeof error->message];
        int length = snprintf(option, sizeof option, "option '%s'", names[i].option);
        memcpy(message, error->message, sizeof message);
        const char *at = strstr(message, option);
        if (at)
            mw_error_set(error, error->code, names[i].option, "%.*sthe environment variable %s%s",
                         (int)(at - message), message, variable, at + length);
        else
            mw_error_set(error, error->code, names[i].option, "%s (the environment variable %s)",
                         message, variable);
        return;
    }
}

/* Makes the client with the limits of its variable, whose texts are borrowed until it is made. */
static int make_client(mw__profiles *self, const profile *from, mw_client_options *options,
                       mw_client **client, mw_error *error)
{
    const char *limits = value_of(self->env, from->limits);
    char *text = limits ? strdup(limits) : NULL;
    char shared[MW_STATE_PATH];
    if (limits && !text)
        return mw_error_set(error, MW_MEMORY, "", "connect: out of memory");
    int code =
        mw_lua_limits(mw__env_name((unsigned)from->limits), text, shared, &options->limits, error);
    if (code == MW_OK) {
        code = mw_client_new(self->loop, options, client, error);
        if (code != MW_OK) {
            *client = NULL;
            error->code = code;
            name_variable(from, error);
        }
    }
    free(text);
    return code;
}

static int open_client(mw__profiles *self, const profile *from, mw_client **client, mw_error *error)
{
    mw_client_options options = {
        .service = from->service,
        .paths = from->paths,
        .url = value_of(self->env, from->url),
        .account = value_of(self->env, from->account),
        .user_token = value_of(self->env, from->user_token),
        .bot_token = value_of(self->env, from->bot_token),
        .platform_token = value_of(self->env, from->platform_token),
        .oauth_token = value_of(self->env, from->oauth_token),
        .max_body = self->max_body,
        .policy = self->permit ? self->permit->policy : NULL,
    };
    char journal[MW_STATE_PATH];
    if (self->forgets)
        options.journal = MW_JOURNAL_MEMORY;
    else if (mw_lua_state_file("journal.db", journal))
        options.journal = journal;
    int wanted = from->user_token < 0 ? from->oauth_token : from->user_token;
    if (!options.user_token && !options.bot_token && !options.platform_token && !options.oauth_token)
        return mw_error_set(error, MW_INVALID, "",
                            "connect: \"%s\" needs the environment variable %s, which is not set",
                            from->name, mw__env_name((unsigned)wanted));
    int code = make_client(self, from, &options, client, error);
    if (code == MW_OK && self->permit)
        mw__permit_profile(self->permit, from->name, from->service, self->loop);
    return code;
}

int mw__profiles_connect(const char *name, mw_gate **gate, char *label, size_t size,
                         mw_error *error, void *ud)
{
    mw__profiles *self = ud;
    unsigned i = 0;
    mw_error why = {0};
    while (i < MW__PROFILES && strcmp(rows[i].name, name) != 0)
        i++;
    if (i == MW__PROFILES)
        return mw_error_set(
            error, MW_INVALID, "",
            "connect: there is no profile \"%s\"; there are ooctopus, chatwoot, circuit", name);
    int code = self->clients[i] ? MW_OK : open_client(self, &rows[i], &self->clients[i], &why);
    if (code != MW_OK) {
        if (error)
            *error = why;
        return code;
    }
    const char *account = value_of(self->env, rows[i].account);
    *gate = mw_client_gate(self->clients[i]);
    char url[180];
    snprintf(url, sizeof url, "%s", mw_client_url(self->clients[i]));
    mw_loop_redact(self->loop, url);
    snprintf(label, size, "%s at %s%s%.32s", mw_service_name(rows[i].service), url,
             account ? ", account " : "", account ? account : "");
    return MW_OK;
}

void mw__profiles_close(mw__profiles *profiles)
{
    for (unsigned i = 0; i < MW__PROFILES; i++) {
        mw_client_free(profiles->clients[i]);
        profiles->clients[i] = NULL;
    }
}

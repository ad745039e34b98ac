/* embed.c: a program of its own that runs a moonwire script: lists the open conversations of a
 * desk.
 *
 *     embed https://desk.example.com TOKEN 1
 *
 * Owns the host; knows nothing but the embedding header. Main thread. */
#include <stdio.h>
#include <string.h>

#include "moonwire.h"

static const char script[] = "local mw = require 'moonwire'\n"
                             "local desk = mw.connect 'support'\n"
                             "for conversation in desk.conversations:each{ status = 'open' } do\n"
                             "    print(conversation.id, conversation.meta.sender.name)\n"
                             "end\n";

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: embed URL TOKEN ACCOUNT\n");
        return 2;
    }
    mw_error error = {0};
    mw_client *client = NULL;
    moonwire *host = moonwire_new(NULL, &error);
    mw_client_options options = {.url = argv[1], .user_token = argv[2], .account = argv[3]};
    if (!host || mw_client_new(moonwire_loop(host), &options, &client, &error) < 0 ||
        moonwire_lend(host, "support", client, &error) < 0) {
        fprintf(stderr, "embed: %s\n", error.message);
        mw_client_free(client);
        moonwire_free(host);
        return 1;
    }
    int code = moonwire_run_buffer(host, script, strlen(script), "list");
    if (code < 0)
        fprintf(stderr, "%s\n", moonwire_error(host));
    moonwire_free(host);
    return code < 0 ? 1 : 0;
}

/* mw/mw.h: the moonwire core in one header.
 *
 * A tour. Make a loop, make a client on it, look up the row of an operation, make a request from
 * arguments, submit it to the client's gate, and run the loop until the answer is there:
 *
 *     mw_loop *loop;
 *     mw_client *client;
 *     mw_loop_new(&loop);
 *     mw_client_new(loop, &(mw_client_options){.account = "1", .user_token = token}, &client,
 * &error);
 *
 *     const mw_operation *get = mw_operation_find(MW_OOCTOPUS, "contacts", "get");
 *     mw_value id = {.type = MW_V_INTEGER, .as.integer = 12};
 *     mw_request *request;
 *     mw_request_new(get, &id, 1, NULL, NULL, &request, &error);
 *     mw_gate_submit(mw_client_gate(client), request, print_answer, NULL, &call, &error);
 *     while (mw_loop_run(loop, true)) {}
 *
 *     mw_client_free(client);
 *     mw_loop_free(loop);
 *
 * (Real code looks at what each call returns; an unknown name gives `get` NULL, and mw_request_new
 * refuses that.) In a clone, after tools/build:
 *
 *     cc -std=c11 -Icore/include program.c -Llib -lmwcore -luv -lm
 *
 * libcurl and libmicrohttpd are loaded when the first client or server is made; SQLite and libcrypto by
 * the first file of documents and the first signature.
 *
 * Rules that hold everywhere:
 *   - 0 is success, a negative mw_err a failure; an error return means that no callback comes.
 *   - a callback comes exactly once, later, from mw_loop_run, on the loop's thread.
 *   - strings are UTF-8 and NUL-ended unless a length stands beside them.
 *   - who owns what is said at every function: "borrowed" (until when), "copied", "owned" (free
 * with what). */
#ifndef MW_MW_H
#define MW_MW_H

#include "mw/client.h"
#include "mw/documents.h"
#include "mw/error.h"
#include "mw/gate.h"
#include "mw/hmac.h"
#include "mw/loop.h"
#include "mw/operation.h"
#include "mw/policy.h"
#include "mw/post.h"
#include "mw/request.h"
#include "mw/server.h"
#include "mw/value.h"
#include "mw/version.h"

#endif

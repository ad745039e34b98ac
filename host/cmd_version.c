/* cmd_version.c: `moonwire version`. Knows versions only by asking those who have them. Main
 * thread. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "cli.h"
#include "mw/version.h"

static void line(const char *name, const char *value)
{
    printf("  %-8s %s\n", name, value);
}

/* The version of libuv from the symbol that the core has brought in: the host must not include its
 * header. */
static void print_uv(void)
{
    union { /* ISO C has no conversion from an object pointer to a function pointer */
        void *symbol;
        const char *(*version)(void);
    } uv = {.symbol = dlsym(RTLD_DEFAULT, "uv_version_string")};
    line("libuv", uv.symbol ? uv.version() : "unknown");
}

/* "libcurl/7.88.1 OpenSSL/3.0.15 zlib/1.2.13 ...": the second word is the TLS library. */
static void print_transport(void)
{
    const char *transport = mw_client_transport();
    if (!transport) {
        line("libcurl", "not found; install libcurl4");
        line("TLS", "none");
        return;
    }
    char words[256];
    snprintf(words, sizeof words, "%s", transport);
    char *rest = words;
    const char *curl = strsep(&rest, " ");
    const char *tls = strsep(&rest, " ");
    line("libcurl", strncmp(curl, "libcurl/", 8) == 0 ? curl + 8 : curl);
    line("TLS", tls ? tls : "none");
}

int mw__cmd_version(const mw__args *args)
{
    puts("moonwire " MW_VERSION);
    if (!mw__args_get(args, "--verbose"))
        return MW_EXIT_OK;
    line("Lua", LUA_RELEASE + sizeof "Lua");
    print_transport();
    print_uv();
    const char *proxy = mw_client_env_proxy();
    line("proxy", proxy ? proxy : "none");
    return MW_EXIT_OK;
}

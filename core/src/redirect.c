/* redirect.c: owns which redirects are followed: a GET, at most MW_MAX_REDIRECTS times, within the
 * origin of the client, since the token goes along. Anything else is an answer. Loop's thread. */
#include <string.h>
#include <strings.h>

#include "client_private.h"

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
    char *left = NULL;
    char *right = NULL;
    bool same = mw__curl->url_get(a, part, &left, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                mw__curl->url_get(b, part, &right, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                strcasecmp(left, right) == 0;
    mw__curl->free(left);
    mw__curl->free(right);
    return same;
}

static bool has_user(CURLU *url)
{
    char *user = NULL;
    bool has = mw__curl->url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK;
    mw__curl->free(user);
    return has;
}

/* Resolves `location` against the URL that was asked; NULL when it leads elsewhere. */
static char *resolve(const mw__call *call, const char *location)
{
    char *effective = NULL;
    char *target = NULL;
    mw__curl->easy_getinfo(call->wire->transfer.easy, CURLINFO_EFFECTIVE_URL, &effective);
    CURLU *from = mw__curl->url();
    CURLU *to = mw__curl->url();
    if (from && to && effective &&
        mw__curl->url_set(from, CURLUPART_URL, effective, CURLU_PATH_AS_IS) == CURLUE_OK &&
        mw__curl->url_set(to, CURLUPART_URL, effective, CURLU_PATH_AS_IS) == CURLUE_OK &&
        mw__curl->url_set(to, CURLUPART_URL, location, CURLU_PATH_AS_IS) == CURLUE_OK &&
        mw__curl->url_set(to, CURLUPART_FRAGMENT, NULL, 0) == CURLUE_OK &&
        same_part(from, to, CURLUPART_SCHEME) && same_part(from, to, CURLUPART_HOST) &&
        same_part(from, to, CURLUPART_PORT) && !has_user(to))
        mw__curl->url_get(to, CURLUPART_URL, &target, 0);
    mw__curl->url_cleanup(from);
    mw__curl->url_cleanup(to);
    return target;
}

bool mw__call_redirect(const mw__call *call, char **url)
{
    long status = 0;
    mw__curl->easy_getinfo(call->wire->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    bool moved = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    if (!moved || call->request->verb != MW_GET || call->redirects >= MW_MAX_REDIRECTS)
        return false;
    const char *location = mw__headers_get(&call->headers, "location");
    *url = location ? resolve(call, location) : NULL;
    return *url != NULL;
}

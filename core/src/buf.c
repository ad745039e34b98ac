/* buf.c: owns growable memory with a cap. Knows nothing of what it holds. */
#include "buf.h"

#include <stdlib.h>
#include <string.h>

#include "mw/error.h"

void mw__buf_init(mw__buf *buf, size_t cap)
{
    *buf = (mw__buf){.cap = cap};
}

static int grow(mw__buf *buf, size_t needed)
{
    if (needed > buf->cap) {
        buf->status = MW_TOO_LARGE;
        return buf->status;
    }
    size_t capacity = buf->capacity ? buf->capacity : 128;
    while (capacity < needed + 1)
        capacity *= 2;
    char *data = realloc(buf->data, capacity);
    if (!data) {
        buf->status = MW_MEMORY;
        return buf->status;
    }
    buf->data = data;
    buf->capacity = capacity;
    return MW_OK;
}

int mw__buf_reserve(mw__buf *buf, size_t length)
{
    if (buf->status != MW_OK)
        return buf->status;
    if (length > buf->cap - buf->length) {
        buf->status = MW_TOO_LARGE;
        return buf->status;
    }
    if (buf->length + length + 1 > buf->capacity)
        return grow(buf, buf->length + length);
    return MW_OK;
}

int mw__buf_append(mw__buf *buf, const char *data, size_t length)
{
    int rc = mw__buf_reserve(buf, length);
    if (rc != MW_OK)
        return rc;
    if (length > 0)
        memcpy(buf->data + buf->length, data, length);
    buf->length += length;
    buf->data[buf->length] = '\0';
    return MW_OK;
}

int mw__buf_puts(mw__buf *buf, const char *text)
{
    return mw__buf_append(buf, text, strlen(text));
}

int mw__buf_putc(mw__buf *buf, char c)
{
    return mw__buf_append(buf, &c, 1);
}

char *mw__buf_take(mw__buf *buf, size_t *length)
{
    char *data = NULL;
    if (mw__buf_append(buf, "", 0) == MW_OK) {
        data = buf->data;
        if (length)
            *length = buf->length;
        buf->data = NULL;
    }
    mw__buf_free(buf);
    return data;
}

void mw__buf_free(mw__buf *buf)
{
    free(buf->data);
    mw__buf_init(buf, buf->cap);
}

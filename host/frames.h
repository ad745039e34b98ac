/* frames.h: what broker and worker say to each other besides calls (mw/wire.h). Every payload but those of
 * PRINT is a packed mw_value (mw_value_pack); members that are missing have the value in brackets. One
 * worker, one broker, one channel.
 *
 * The worker begins with HELLO, before it has read anything. The broker answers with SETUP, the first
 * bytes of a user that reach the worker. From there on the worker speaks; REPLY answers the frame with the
 * same id. Constant data. */
#ifndef MOONWIRE_FRAMES_H
#define MOONWIRE_FRAMES_H

enum {
    /* worker to broker */
    MW__F_HELLO = 16, /* {active = layers as bits of mw__layer, missing = "text" [""]} */
    MW__F_PRINT,      /* id: 1; bytes of standard output, as they are */
    MW__F_LOG,        /* {level = "info", line = "text without newline"} */
    MW__F_CONNECT,    /* ask: {name = "ooctopus"} -> {door, service, label} or an error */
    MW__F_REQUIRE,    /* ask: {name = "lib.text"} -> {source, path} or an error */
    MW__F_FILE,       /* ask: {op = "open", path, mode = "r" | "w" | "a"} -> {handle}
                         {op = "read", handle, size} -> {data} (shorter than `size` at the end, "" beyond it)
                         {op = "write", handle, data} -> {}
                         {op = "close", handle, keep = true: what was written takes its place} -> {}
                         {op = "exists", path} -> {exists} */
    MW__F_END, /* {ok = bool, kind = "script", text = "message and traceback", budget = "cpu" [none]};
                         the last frame */
    /* broker to worker */
    MW__F_SETUP,  /* {chunk = "@script.lua", source, args = {"a", ...}, script = "script.lua",
                     env = {NAME = "value", ...}} */
    MW__F_CREDIT, /* {bytes}: so many bytes of PRINT and LOG payloads have been written */
    MW__F_REPLY   /* to the id of an ask; an error is {code = mw_err, message, field [""]} */
};

/* Bytes of PRINT and LOG payloads that may be on their way, unwritten. The worker holds back beyond it. */
#define MW__OUTPUT_WINDOW (256u * 1024u)
#define MW__MAX_PRINT (64u * 1024u) /* bytes of one PRINT frame: longer text goes in pieces */
#define MW__FILE_CHUNK (256u * 1024u)

#endif

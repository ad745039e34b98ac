--- Files: sent as multipart parts with their names and types, streamed from disk, or refused before a byte leaves.

local mw = require "moonwire"

local calls = require "spec.support.calls"
local process = require "spec.support.process"
local raw = require "spec.support.raw"

local failing = calls.failing

describe("files", function()
    local server, desk, folder

    local function write(name, bytes)
        return process.write(folder .. "/" .. name, bytes)
    end

    local function send(fields)
        server:clear()
        desk.messages:create(5, fields)
        local log = server:log()
        assert.equal(1, #log)
        assert.is_true(log[1].complete)
        return log[1]
    end

    -- name -> bodies in order
    local function texts(parts)
        local map = {}
        for _, part in ipairs(parts) do
            map[part.name] = map[part.name] or {}
            table.insert(map[part.name], part.body)
        end
        return map
    end

    setup(function()
        server = raw.start()
        folder = process.folder()
        desk = mw.ooctopus { url = server:url("ok"), account = 1, token = "t0ken" }
    end)

    teardown(function()
        desk:close()
        server:stop()
        process.remove(folder)
        calls.quiet()
    end)

    before_each(function()
        server:clear()
    end)

    it("are attachments with their names and types", function()
        local paths = {
            write("report.pdf", "%PDF-1.7\r\n--boundary\r\n\0\1\2"),
            write("voice \u{E9}\u{6F22}.ogg", "OggS\0"),
            write("no ending", "?"),
            write("EMPTY.TXT", ""),
        }
        local captured = send { content = "see these", attachments = paths }
        assert.equal("POST", captured.method)
        assert.equal("/ok/api/v1/accounts/1/conversations/5/messages", captured.target)
        local parts = captured:parts()
        local expected = {
            { "report.pdf", "application/pdf" }, { "voice \u{E9}\u{6F22}.ogg", "audio/ogg" },
            { "no ending", "application/octet-stream" }, { "EMPTY.TXT", "text/plain" },
        }
        local files = 0
        for _, part in ipairs(parts) do
            if part.filename then
                files = files + 1
                assert.equal("attachments[]", part.name)
                assert.same(expected[files], { part.filename, part.type })
                assert.equal(process.read(paths[files]), part.body)
            else
                assert.same({ "content", "see these" }, { part.name, part.body })
            end
        end
        assert.equal(4, files)
    end)

    it("go with texts, booleans and nested tables", function()
        local captured = send {
            content = "caf\u{E9} & <b>\r\n\"quoted\"",
            private = true,
            message_type = "outgoing",
            content_attributes = { in_reply_to = 9007199254740993, deep = { list = { "a", "b" }, no = false } },
            attachments = { write("a.png", "png") },
        }
        assert.same({
            content = { "caf\u{E9} & <b>\r\n\"quoted\"" },
            private = { "true" },
            message_type = { "outgoing" },
            ["content_attributes[in_reply_to]"] = { "9007199254740993" },
            ["content_attributes[deep][list][]"] = { "a", "b" },
            ["content_attributes[deep][no]"] = { "false" },
            ["attachments[]"] = { "png" },
        }, texts(captured:parts()))
    end)

    it("can't smuggle headers or parts in by their names", function()
        local path = write('a"; name="content"\r\nX-Bad: 1\r\n\r\n.png', "png")
        local captured = send { content = "x", attachments = { path } }
        assert.is_nil(captured.body:find("\r\nX-Bad", 1, true))
        assert.equal(2, #captured:parts())
        assert.same({ "x" }, texts(captured:parts()).content)
    end)

    it("of 24 MiB arrive byte for byte", function()
        local block = {}
        for i = 1, 4096 do
            block[i] = string.pack("<I4", (i * 2654435761) & 0xFFFFFFFF)
        end
        local bytes = table.concat(block):rep(24 * 64)
        assert.equal(24 * 1024 * 1024, #bytes)
        local captured = send { content = "big", attachments = { write("big.bin", bytes) } }
        assert.is_true(texts(captured:parts())["attachments[]"][1] == bytes)
        assert.is_nil(captured:header("expect"))
        server:clear()
    end)

    it("are sent as JSON when there are none", function()
        local captured = send { content = "x", attachments = {} }
        assert.equal("application/json", captured:header("content-type"))
        assert.equal('{"content":"x"}', captured.body)
    end)

    it("that can't be read are refused, and nothing is sent", function()
        local cases = {
            folder .. "/missing.png", folder, "", "/dev/null", folder .. "/a\0b", folder .. "/missing/x.png",
        }
        for _, path in ipairs(cases) do
            local err = failing("invalid", function()
                desk.messages:create(5, { content = "x", attachments = { path } })
            end)
            assert.equal("no", err.sent)
            assert.truthy(tostring(err):find("messages:create", 1, true))
        end
        local good = write("good.png", "png")
        failing("invalid", function()
            desk.messages:create(5, { content = "x", attachments = { good, folder .. "/missing.png" } })
        end)
        failing("invalid", function() desk.messages:create(5, { content = "x", attachments = good }) end)
        failing("invalid", function() desk.messages:create(5, { content = "x", attachments = { 7 } }) end)
        assert.equal(0, #server:log())
    end)

    it("are refused on a pipe without waiting for a writer", function()
        local pipe = folder .. "/pipe.png"
        process.run { "mkfifo", pipe }
        failing("invalid", function() desk.messages:create(5, { content = "x", attachments = { pipe } }) end)
        assert.equal(0, #server:log())
    end)

    it("are avatars of contacts and inboxes", function()
        local picture = write("me.jpeg", "\255\216\255")
        desk.contacts:update(3, { name = "Ada", avatar = picture, custom_attributes = { plan = "pro" } })
        desk.inboxes:create { name = "Web", avatar = picture, channel = { type = "web_widget" } }
        local log = server:log()
        assert.same({ "PUT", "POST" }, { log[1].method, log[2].method })
        assert.same({ name = { "Ada" }, avatar = { "\255\216\255" }, ["custom_attributes[plan]"] = { "pro" } },
            texts(log[1]:parts()))
        assert.same({ name = { "Web" }, avatar = { "\255\216\255" }, ["channel[type]"] = { "web_widget" } },
            texts(log[2]:parts()))
    end)

    it("leave no descriptor open", function()
        -- Not through io.popen: its own pipe end may still be open here when the child looks.
        local function descriptors()
            return tonumber((process.run { "sh", "-c", "ls /proc/$PPID/fd | wc -l" }))
        end
        local path = write("again.png", "png")
        send { content = "warm", attachments = { path } }
        local before = descriptors()
        for _ = 1, 20 do
            desk.messages:create(5, { content = "x", attachments = { path, path } })
            pcall(function() desk.messages:create(5, { content = "x", attachments = { path, folder } }) end)
        end
        assert.equal(before, descriptors())
    end)
end)

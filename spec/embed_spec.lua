--- The embedding API, through the example program and through programs that the spec compiles.

local host = require "spec.support.host"
local process = require "spec.support.process"

local embed = host.build .. "/bin/test/embed"

describe("examples/embed.c", function()
    local twin, settings
    setup(function()
        twin, settings = host.twin()
    end)
    teardown(function()
        twin:stop()
    end)

    it("includes the embedding header alone", function()
        for name in process.read("examples/embed.c"):gmatch '#include "([^"]+)"' do
            assert.equal("moonwire.h", name)
        end
    end)

    it("lists the open conversations of a desk", function()
        local output, errors, code = process.run {
            embed, settings.OOCTOPUS_URL, settings.OOCTOPUS_TOKEN, settings.OOCTOPUS_ACCOUNT_ID }
        assert.equal("", errors)
        assert.equal(0, code)
        local expected = host.script([[
            local desk = require "moonwire".connect "ooctopus"
            for conversation in desk.conversations:each{ status = "open" } do
                print(conversation.id, conversation.meta.sender.name)
            end]], { env = settings })
        assert.matches("^%d+\t%S", output)
        assert.equal(expected, output)
    end)

    it("prints the error's text, without the token", function()
        local output, errors, code = process.run { embed, settings.OOCTOPUS_URL, "wrong-token", "1" }
        assert.equal("", output)
        assert.equal(1, code)
        assert.matches("^list:3: conversations:list: auth %(401%)", errors)
        assert.matches("\nstack traceback:\n", errors, 1, true)
        assert.no_match("wrong-token", errors)
    end)

    it("says what is wrong with a client before it runs anything", function()
        local _, errors, code = process.run { embed, "no url", "t", "1" }
        assert.equal(1, code)
        assert.matches("^embed: ", errors)
        assert.equal(2, select(3, process.run { embed }))
    end)
end)

describe("examples/runner.c", function()
    local runner = host.build .. "/bin/test/runner"
    local folder
    setup(function()
        folder = process.folder()
    end)
    teardown(function()
        process.remove(folder)
    end)

    local function script(name, text)
        return process.write(folder .. "/" .. name .. ".lua", text)
    end

    it("runs scripts one after the other on one host, also after a failure", function()
        local first = script("first", "seen = 'first' print(arg[0], (...), require 'shared')")
        script("shared", "return 'of the folder'")
        local wrong = script("wrong", "error(require 'moonwire'.error{ kind = 'denied', message = 'no' })")
        local gone = folder .. "/gone.lua"
        local last = script("last", "print(seen) require 'moonwire'.log.warn 'careful'")
        local output, errors, code = process.run { runner, first, wrong, gone, last }
        assert.equal("", errors)
        assert.equal(1, code)
        assert.matches("^" .. first:gsub("%p", "%%%0") .. "\t[^\n]*runner\tof the folder\t", output)
        assert.matches(wrong .. " failed (denied): ", output, 1, true)
        assert.matches(gone .. " failed (script): cannot open", output, 1, true)
        assert.matches("\nfirst\nlog 1 [warn] careful\n", output, 1, true)
        assert.matches("\n2 of 4 failed, error now ''\n$", output)
    end)

    it("ends the running script on request and goes on with the next", function()
        local stuck = script("stuck", "print 'ready' io.stdout:flush() "
            .. "while true do pcall(function() while true do end end) end")
        local after = script("after", "print 'after'")
        local program = process.start({ runner, stuck, after }, { ready = "^ready$" })
        program:signal "INT"
        local output = program.output:read "a"
        assert.equal(1, program:wait())
        assert.matches("stuck.lua failed (cancelled): ", output, 1, true)
        assert.matches("\nafter\n1 of 2 failed, error now ''\n$", output)
    end)
end)

describe("a program that embeds the host", function()
    local folder, twin, settings
    setup(function()
        folder = process.folder()
        twin, settings = host.twin()
    end)
    teardown(function()
        twin:stop()
        process.remove(folder)
    end)

    -- Builds `body` as a program with the line that moonwire.h gives, and runs it.
    local function run(body, env)
        local source = process.write(folder .. "/prog.c", [[
#include <stdio.h>
#include <string.h>
#include "moonwire.h"

static int run(moonwire *host, const char *text)
{
    int code = moonwire_run_buffer(host, text, strlen(text), "script");
    printf("%d %.*s\n", code, (int)strcspn(moonwire_error(host), "\n"), moonwire_error(host));
    fflush(stdout);
    return code;
}

int main(int argc, char **argv)
{
    mw_error error = {0};
    (void)argc;
    (void)argv;
    (void)run;
]] .. body .. "\n    return 0;\n}\n")
        local line = process.read("host/moonwire.h"):match "(cc %-std=c11 [^\n]+)"
        line = line:gsub("prog%.c", source):gsub("%-Llib", "-L" .. host.build .. "/lib")
        if host.build:find "sanitize" then
            line = line .. " -fsanitize=address,undefined"
        end
        local _, errors, code = process.run { "sh", "-c", line .. " -Wall -Wextra -Werror -o " .. folder .. "/prog" }
        assert.equal("", errors)
        assert.equal(0, code)
        local output
        output, errors, code = process.run({ folder .. "/prog", settings.OOCTOPUS_URL, settings.OOCTOPUS_TOKEN },
            { env = env })
        assert.equal("", errors)
        assert.equal(0, code)
        return output
    end

    it("may lend one client under several names, and frees it once", function()
        assert.equal("0 0\ncan't lend a client as 'a': the name is empty or taken; choose another\n"
            .. "can't lend a client as '': the name is empty or taken; choose another\nsame desk\n0 \n", run [[
    mw_client *client = NULL;
    mw_client_options options = {.url = argv[1], .user_token = argv[2], .account = "1"};
    moonwire *host = moonwire_new(NULL, &error);
    if (mw_client_new(moonwire_loop(host), &options, &client, &error) < 0)
        return 1;
    int first = moonwire_lend(host, "a", client, &error);
    printf("%d %d\n", first, moonwire_lend(host, "b", client, &error));
    if (moonwire_lend(host, "a", client, &error) == MW_INVALID)
        puts(error.message);
    if (moonwire_lend(host, NULL, client, &error) == MW_INVALID)
        puts(error.message);
    fflush(stdout);
    run(host, "local mw = require 'moonwire' local a, b = mw.connect 'a', mw.connect 'b' "
              "local x, y = a.agents:list(), b.agents:list() "
              "print(#x > 0 and #x == #y and 'same desk') io.stdout:flush()");
    moonwire_free(host);]])
    end)

    it("knows no profiles of the environment unless it asks for them", function()
        local output = run([[
    const char *text = "print(#require 'moonwire'.connect 'ooctopus'.agents:list() > 0) io.stdout:flush()";
    moonwire *host = moonwire_new(NULL, &error);
    run(host, text);
    moonwire_free(host);
    host = moonwire_new(&(moonwire_options){.env_profiles = true}, &error);
    run(host, text);
    moonwire_free(host);]], settings)
        local refused, rest = output:match "^([^\n]*)\n(.*)$"
        assert.matches('^%-%d+ script:1: connect: there is no profile "ooctopus"; the host lends none$', refused)
        assert.equal("true\n0 \n", rest)
    end)

    it("reads an error that is no text as lua has it", function()
        assert.matches("^%-%d+ %(error object is a table value%)\n$", run [[
    moonwire *host = moonwire_new(NULL, &error);
    run(host, "error({ code = 3 })");
    moonwire_free(host);]])
    end)
end)

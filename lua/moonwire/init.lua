--- moonwire: automate chat and support platforms. `local mw = require "moonwire"`.
---
---     local desk = mw.connect "ooctopus"                 -- or mw.ooctopus{ url =, account =, token = }
---     local contact = desk.contacts:get(12)              -- path parameters in path order
---     desk.contacts:update(12, { name = "Ada" })         -- then one table: query and body fields together
---     for c in desk.conversations:each{ status = "open" } do print(c.id) end
---
--- A call returns the decoded body (true where there is none) and the response. It raises a moonwire.error when it
--- fails; arguments that an operation does not take are refused before anything is sent. What operations there are,
--- and what they take, is in `mw.operations()` and in `moonwire ops`, from the documents of the services.
---
--- Integers stay integers over the whole 64-bit range, null is mw.null, arrays stay arrays; bytes of an answer that are
--- not UTF-8 are kept as they are. An empty table is sent as [] where the documents say array and as {} elsewhere;
--- mw.array{} is always [].
---
--- A wait (a call, a sleep, task:wait) suspends the running task only. Outside of tasks it runs the loop until it is
--- over, and the tasks with it. All times are in seconds, fractions included.
local core = require "moonwire.core"

core.own()

require "moonwire.each"
local pacing = require "moonwire.pacing"
local task = require "moonwire.task"

--- What a failing call raises, and what the second result of a safe view is. `tostring` gives one line for people:
--- "script.lua:12: contacts:get: not_found (404): Resource could not be found". No token is ever in it.
---@class moonwire.error
---@field kind moonwire.kind
---@field message string one line
---@field operation string? what failed: "contacts:get", "GET /api/v1/labels", "connect"
---@field field string? the parameter or option at fault, "nmae"
---@field budget string? of kind "budget": "calls", "writes", "bytes sent", "tasks", "open files"
---@field where string? "script.lua:12: ", the code that made the call
---@field status integer? of the answer; nil when there was none
---@field fields string[]? names of the fields that the server refused, from `attributes` of a 422
---@field body any the server's answer: decoded, or as text where it is no JSON, cut at 64 KiB
---@field retry_after number? seconds the server asked to wait
---@field attempts integer? how often it was tried, the first time included; each may be sent, or stopped before
---@field waited number? the part of `elapsed` spent in the client's queue and between attempts, in seconds
---@field elapsed number? seconds from the call to its end
--- Of all attempts. "no": none left, nothing has happened; "yes": it was answered; "unknown": one left, and what it did
--- is not known. So a DELETE that ends as "not_found" with sent = "unknown" may have done its work: it went out, got no
--- answer, and found nothing when it went again.
---@field sent "no"|"yes"|"unknown"|nil
---@field url string? redacted
---@field request_id string? what the server calls this request in its logs, from the header X-Request-Id
---@field partial true|nil from `each`: items came before it, so the loop has seen a part of the list. Not in the text

---@alias moonwire.kind
---| "invalid" # the arguments don't fit; nothing was sent
---| "denied" # the policy, or a read-only client, does not allow it; nothing was sent, no file was touched
---| "budget" # a budget is used up (`budget` names it); nothing was sent
---| "auth" # 401
---| "forbidden" # 403
---| "not_found" # 404
---| "conflict" # 409
---| "rejected" # 400, 422, other 4xx, a redirect that is not followed
---| "rate_limited" # 429
---| "server" # 5xx
---| "network" # no answer came back
---| "timeout" # the answer took too long
---| "tls" # no trusted connection could be made
---| "decode" # the answer is not what it should be, or a text is not JSON
---| "too_large" # the answer is larger than max_body
---| "ambiguous" # sent, but the outcome is unknown, and it is not sent again by itself
---| "cancelled" # by task:cancel, client:close or Ctrl-C
---| "memory"

--- The second result of a call: how it went. `headers` is made when it is first looked at; a raw `next` is no look.
---@class moonwire.response
---@field status integer 200
---@field headers table<string, string> names in lower case, repeated ones joined by ", "
---@field elapsed number seconds from the call to its answer
---@field waited number the part of `elapsed` spent in the client's queue and between attempts, in seconds
---@field attempts integer how often it was tried
---@field request_id string? from the header X-Request-Id
---@field once "sent"|"found"|"done"|nil made by this call, by an attempt whose answer was lost, by an earlier call

--- The last argument of every call, after the table of parameters (`nil` or {} for no parameters). What is left out
--- is as the client has it.
---@class moonwire.options
---@field timeout number? seconds for all attempts and the back-offs between them; waiting for a lane does not count
---@field connect_timeout number? seconds until connected
---@field stall_timeout number? seconds without a byte from the server; without it a longer `timeout` counts here, too
---@field max_body integer? bytes of the answer, decompressed
---@field account_id integer|string|nil another account than the client's
---@field retries integer? how often it may be sent again; 0: never, not even a GET whose kept connection died
---@field once string? a key of 1 to 200 bytes: it is made once for it. Refused where nothing finds it again
---@field unchecked boolean? sends body fields of any type and name; path and query are checked all the same

--- What a client may do: asked about every call before anything is sent. A refused call fails with an error of kind
--- "denied", one beyond a budget with "budget". A pattern is "SERVICE:WHAT": a service or "*", then "MODULE.METHOD", in
--- which "*" stands for any characters, "read" or "write" (what does not, or does, change something), or "request"
--- (`client:request`, which nothing else allows).
---@class moonwire.policy
---@field allow string[]? patterns; without the list all operations are allowed, with an empty one none
---@field deny string[]? patterns that win over those of `allow`
---@field accounts (integer|string)[]? the only accounts to go to; operations without an account pass
---@field inboxes (integer|string)[]? the only ones to name, by id or public identifier. What can name one must
---@field read_only boolean? refuses whatever changes something
---@field max_calls integer? calls let through
---@field max_writes integer? of them, those that change something
---@field max_bytes integer? of them, bytes of path, query, body and files
---@field dry_run boolean? what changes something is held back and gets a plausible answer with made-up ids

--- What `mw.ooctopus`, `mw.chatwoot` and `mw.circuit` take.
---@class moonwire.client_options
--- http or https; a path is kept. Default: "https://app.ooctopus.com", for circuit
--- "https://circuitsandbox.net/rest/v2"; upstream Chatwoot has none, so it must be given.
---@field url string?
---@field account integer|string|nil id of the account that calls are about; not for circuit
---@field token string? of a user (`access_token` of the profile); for circuit the OAuth token
---@field bot_token string? of an agent bot; not for circuit. A call takes the kind of token that serves its operation
---@field platform_token string? of a platform app; not for circuit
---@field paths "documented"|"upstream"|nil as the documents of Ooctopus have them, or as Chatwoot serves them
---@field timeout number? seconds for a call's attempts and the back-offs between them; default 60
---@field retries integer? how often a call may be sent again, default 3; what may have taken effect never is, unless
--- sending it twice does what sending it once does
---@field connect_timeout number? seconds until connected, default 10
---@field stall_timeout number? seconds without a byte from the server, default 30
---@field max_body integer? bytes of an answer, decompressed; default 32 MiB
---@field concurrency integer? calls in flight at once, default 32; others wait their turn in order
---@field limits moonwire.limits|false|nil how fast its lanes go; false: no limits, though a 429 stops its lane
---@field read_only boolean? refuses whatever changes something, with an error of kind "denied"
---@field max_calls integer? refuses calls beyond so many, with an error of kind "budget"
---@field journal string? file that remembers what `once` has made, ":memory:" for none; profiles of a host have one
---@field policy moonwire.policy? what may be done, narrower than the token allows
---@field ca_file string? path of certificates (PEM) to trust besides the system's
---@field insecure boolean? does not verify certificates. For tests only
---@field proxy string? URL of a proxy, "" for none; default: HTTPS_PROXY of the environment, for https
---@field user_agent string? default "moonwire/VERSION"

--- A module of a client: `desk.contacts`, or a namespace of modules: `desk.platform.users`. Its methods are the
--- operations of that module:
---
---     local body, response = desk.contacts:update(12, { name = "Ada" }, { timeout = 5 })
---
--- Path parameters come first, in path order (the account is the client's, except below `platform`); then a table with
--- query parameters and body fields together; then options. Names and types that the documents don't know are refused;
--- `extra = { name = value }` among the parameters passes names that they don't know, in the body where there is one,
--- else in the query. A call raises a moonwire.error.
---
--- `each` goes over every item of a list, page by page: `for c in desk.contacts:each("search", { q = "ada" }) do`. With
--- `max = n` among the parameters it ends after n items; with `snapshot = true` it reads the ids of all pages first and
--- gets each item when its turn comes, for loops that change what they list. A page that fails raises its error after
--- the items that came before it, and then `partial` of the error is true.
---@class moonwire.module
---@field each fun(self: moonwire.module, ...: any): fun(): any [method,] path parameters..., parameters, options
---@field [string] moonwire.module|fun(self: moonwire.module, ...: any): any, moonwire.response

--- A connection to one service. It holds the tokens and does not show them. `<close>` works on it.
---@class moonwire.client
--- An operation by its documented id ("contactDetails"), its alias ("contact_details") or "contacts:get", with the path
--- parameters by name among the others.
---@field call fun(self, id: string, params?: table, options?: moonwire.options): any, moonwire.response
--- The way to what has no operation: any path below the URL, percent-encoded already. The verb is "GET", "POST", "PUT",
--- "PATCH" or "DELETE"; the parameters are a moonwire.request.
---@field request fun(self, verb: string, path: string, params?: table, opts?: moonwire.options): any, moonwire.response
--- A view of this client whose methods return nil and the moonwire.error instead of raising it (`each` raises all the
--- same). Its close() closes the client.
---@field safe fun(self): moonwire.client
--- Ends calls in flight with an error of kind "cancelled" and refuses new ones; twice is fine.
---@field close fun(self)
---@field stats fun(self): moonwire.stats what went out so far, and who waits in its lanes
---@field [string] moonwire.module

--- The parameters of client:request.
---@class moonwire.request
---@field query table<string, any>? lists are repeated as name[]=
---@field body any sent as JSON
---@field form table<string, any>? sent url-encoded; not with body
---@field token "user"|"bot"|"platform"|"oauth"|nil which token to send; default: the first kind that the client has

--- An operation, as the documents have it; `moonwire ops NAME` shows one for reading.
---@class moonwire.operation
---@field service "ooctopus"|"circuit"
---@field module string "contacts"
---@field method string "get"
---@field id string the documented id, "contactDetails"
---@field alias string "contact_details"
---@field title string
---@field verb string "GET"
---@field path string the documented template; `upstream` is what Chatwoot serves where that differs
---@field upstream string?
---@field auth string[] kinds of token that serve it; empty: none is sent
---@field lane string "all", "search", "reports", "write", "upload": operations that share a rate limit
---@field mutates boolean changes something
---@field idempotent boolean sending it twice does what sending it once does
---@field at_least_one boolean an update without any field is refused
---@field takes_account boolean the first path parameter is the client's account
---@field path_params moonwire.field[] in path order
---@field query moonwire.field[]
---@field body { kind: "json"|"form", name: string?, type: string?, fields: moonwire.field[] }?
--- Where the list sits in the answer ("" for the answer itself), and how to page.
---@field items { at: string, page_by: string?, page_size: integer? }?
---@field returns string? documented type of the answer
---@field answer moonwire.field? its shape
---@field responses { status: integer, meaning: string }[] as documented
---@field scopes string[]? OAuth scopes of circuit
---@field once { find: string, by: string[], marker: string? }? the method, and the fields or mark, that find it again

---@class moonwire.field
---@field name string "" for the element of an array
---@field wire string? on the wire where that differs
---@field type "any"|"string"|"integer"|"number"|"boolean"|"array"|"object"|"file" a file is a path to it
---@field item moonwire.field? of an array
---@field fields moonwire.field[]? of an object; without it any
---@field values string[]? the only ones allowed
---@field known string[]? documented ones; others are sent all the same
---@field preset string? the documented default; never sent
---@field format string? "date-time"
---@field max_length integer? bytes
---@field required boolean
---@field nullable boolean required, and null says something: no bot
---@field beyond boolean served by the platform though its documents do not list it

--- What to do to text, each in time that grows with its length and no faster, whatever is in it. A pattern that does
--- the same may take seconds on text that was made for it: `s:gsub("%s+$", "")` does, on 30,000 spaces and an x. Works
--- on bytes. Numbers are taken as text, as the functions of `string` do.
---@class moonwire.str
--- Without white space (space, \t, \n, \v, \f, \r) at both ends.
---@field trim fun(s: string): string
--- The pieces between the places where `sep` stands: n places make n + 1 pieces, so "" gives { "" } and "a,,b" has an
--- empty one. `sep` is text, not a pattern, and not empty. With `max` there are at most so many pieces; the last one
--- has the rest.
---@field split fun(s: string, sep: string, max?: integer): string[]
--- Goes over the lines, without their ends, which are \n or \r\n. The last line needs none; "" has no line.
---@field lines fun(s: string): fun(): string?
---@field starts_with fun(s: string, prefix: string): boolean "" is a prefix of all
---@field ends_with fun(s: string, suffix: string): boolean

--- Files. In the sandbox of `moonwire run` a path must lead into a folder that --allow-read DIR or --allow-write DIR
--- has granted, else there is an error of kind "denied"; elsewhere these are the files that the process may use. Paths
--- are absolute or begin at the working directory. Regular files alone: no folder, device or pipe. What fails raises an
--- error of kind "invalid" that says why. A file is read and written at once: other tasks wait.
---@class moonwire.fs
---@field read fun(path: string): string the whole file
--- Writes a file that is complete or not there: the text takes the place of what was there in one step.
---@field write fun(path: string, text: string)
--- Adds to the end of a file, which is made when there is none.
---@field append fun(path: string, text: string)
--- Goes over the lines, as mw.str.lines does: `for line in mw.fs.lines(path) do`. The file is closed at its end and
--- whenever the loop is left.
---@field lines fun(path: string): fun(): string?
---@field exists fun(path: string): boolean

---@class moonwire
local mw = {
    --- Of moonwire, "0.1.0".
    ---@type string
    version = core.version,

    --- JSON's null, in answers and in parameters: `assignee_id = mw.null`. It is true in a condition, unlike nil.
    ---@type lightuserdata
    null = core.null,

    --- Marks a table as an array, so that it is sent as [] when it is empty; returns the table. Without one: a new one.
    --- Arrays of answers are marked where they are empty.
    ---@type fun(list?: table): table
    array = core.array,

    --- Starts a task: `f(...)` runs beside the code that goes on here, from its next wait on. A failure that no
    --- task:wait sees is the script's failure; plain `lua`, where scripts end without waiting for tasks, logs it.
    ---@type fun(f: (fun(...: any): ...), ...: any): moonwire.task
    spawn = core.spawn,

    --- Waits so many seconds, 0 to 1e9; others run meanwhile. 0 lets them have a turn.
    ---@type fun(seconds: number)
    sleep = core.sleep,

    all = task.all,
    map = task.map,
    deadline = task.deadline,

    --- What becomes of waits of more than 2 s for a limit: told when one turns out, and every 30 s while it lasts, for
    --- each lane. `f(wait)` runs as a task, its failure is logged; one handler at a time; nil: a log line, level info.
    ---@type fun(f: (fun(wait: moonwire.wait))?)
    on_wait = pacing.on_wait,

    --- A client by the name of a profile: one that the host lends, or one that environment variables describe (read at
    --- this call). An unset variable leaves its setting out; one of the tokens is needed.
    ---
    ---     "ooctopus"  OOCTOPUS_URL, OOCTOPUS_ACCOUNT_ID, OOCTOPUS_TOKEN, OOCTOPUS_BOT_TOKEN, OOCTOPUS_PLATFORM_TOKEN
    ---     "chatwoot"  the same, under the paths of upstream Chatwoot; OOCTOPUS_URL must be set
    ---     "circuit"   CIRCUIT_URL, CIRCUIT_TOKEN
    ---
    --- OOCTOPUS_LIMITS and CIRCUIT_LIMITS are its `limits`: "search=50/min,write.concurrency=4,shared" or "off".
    --- Raises an error of kind "invalid" that names the variable at fault, or the profiles there are.
    ---@type fun(name: string): moonwire.client
    connect = core.connect,

    --- An error object of one's own, to be raised by `error`. `kind` and `message` must be there; other fields are
    --- kept, and `where` is set.
    ---@type fun(fields: { kind: string, message: string, [string]: any }): moonwire.error
    error = core.error,

    --- Whether a value is an error object, and of that kind if one is given.
    ---@type fun(value: any, kind?: moonwire.kind|string): boolean
    is_error = core.is_error,

    --- The operations of a service, or of both, by module and method. The table is the caller's own.
    ---@type fun(service?: "ooctopus"|"circuit"): moonwire.operation[]
    operations = core.operations,

    --- Seconds of a clock that never jumps, for measuring; its zero means nothing.
    ---@type fun(): number
    now = core.now,

    --- Seconds since 1970-01-01 00:00 UTC, with a fraction.
    ---@type fun(): number
    time = core.time,

    ---@type moonwire.str
    str = core.str,

    ---@type moonwire.fs
    fs = core.fs,

    --- Variables of the environment that are granted to the script (`moonwire run --allow-env NAME`): mw.env.NAME is
    --- its value, or nil when it is not set. One that is not granted is an error of kind "denied". Read only.
    ---@type table<string, string?>
    env = core.env,

    json = {
        --- JSON text of a value; keys are sorted. Raises "invalid" where a value has no JSON (a function, NaN, a table
        --- with both kinds of keys, more than 100 levels), and names the place.
        ---@type fun(value: any): string
        encode = core.json_encode,

        --- The value of a JSON text. Raises "decode".
        ---@type fun(text: string): any
        decode = core.json_decode,
    },
}

--- A client's options with what the function's name settles.
local function with(options, name, settled)
    if type(options) ~= "table" then
        error(core.error {
            kind = "invalid",
            operation = name,
            message = ("%s: expected a table of options, got %s"):format(name, core.got(options)),
        }, 0)
    end
    local result = {}
    for key, value in pairs(options) do
        result[key] = value
    end
    for key, value in pairs(settled) do
        result[key] = value
    end
    return core.client(result)
end

--- A client of the Ooctopus API, under the documented paths unless `paths` says otherwise. Nothing is sent here. Raises
--- an error of kind "invalid" that names the option at fault; in the sandbox of `moonwire run`, where scripts have no
--- tokens and no network, one of kind "denied": there `mw.connect` is the way.
---@param options moonwire.client_options
---@return moonwire.client
function mw.ooctopus(options)
    return with(options, "ooctopus", { service = "ooctopus" })
end

--- The same under the paths of upstream Chatwoot; `url` must be given.
---@param options moonwire.client_options
---@return moonwire.client
function mw.chatwoot(options)
    return with(options, "chatwoot", { service = "ooctopus", paths = "upstream" })
end

--- A client of Circuit's webhooks; `token` is the OAuth token.
---@param options moonwire.client_options
---@return moonwire.client
function mw.circuit(options)
    return with(options, "circuit", { service = "circuit" })
end

--- Log lines: mw.log(...) is mw.log.info(...). Values are joined by tabs as print does; a line stays a line (control
--- characters are escaped), is cut at 64 KiB, and tokens are struck out. Lines go where the host sends them, else to
--- standard error.
---@class moonwire.log
---@field debug fun(...: any)
---@field info fun(...: any)
---@field warn fun(...: any)
---@field error fun(...: any)
---@overload fun(...: any)
mw.log = setmetatable({}, {
    __metatable = false,
    __call = function(_, ...)
        core.log("info", ...)
    end,
})
for _, level in ipairs { "debug", "info", "warn", "error" } do
    mw.log[level] = function(...)
        core.log(level, ...)
    end
end

return mw

--- Errors of the library as the command line shows them: neither the line of the library nor the function that
--- was called says anything to whoever typed the command.

--- Calls `f` and gives its results; its error is raised in plain words.
--- @param f function
--- @param ... any
--- @return any ...
return function(f, ...)
    local results = table.pack(pcall(f, ...))
    if results[1] then
        return table.unpack(results, 2, results.n)
    end
    local failure = results[2]
    if type(failure) == "table" then
        local prefix = (failure.operation or "") .. ": "
        if failure.message:sub(1, #prefix) == prefix then
            failure.message = failure.message:sub(#prefix + 1)
        end
        failure.where, failure.operation = nil, nil
    end
    error(failure, 0)
end

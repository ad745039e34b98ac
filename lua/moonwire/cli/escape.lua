--- Percent-encoding, as the core does it in paths and queries: everything but letters, digits and "-._~".
return function(text)
    return (text:gsub("[^%w%-._~]", function(character)
        return ("%%%02X"):format(character:byte())
    end))
end

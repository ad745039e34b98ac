std = "lua54"
max_line_length = 120
exclude_files = { "build/**", "bin/**", "lib/**", ".git/**" }

files["spec/*_spec.lua"] = { std = "lua54+busted" }
files["spec/support"] = { std = "lua54+busted" }
files["examples/spec_of_a_script.lua"] = { std = "lua54+busted" }
files[".busted"] = { std = "lua54" }

-- premake's own globals, of both its generations.
files["premake5.lua"] = {
    std = "max",
    globals = {
        "_PREMAKE_VERSION", "buildoptions", "configuration", "configurations", "files", "filter", "flags", "includedirs",
        "kind", "language", "linkoptions", "links", "location", "objdir", "project", "solution", "symbols", "targetdir",
        "targetname", "targetprefix", "workspace", "path", "os", "table",
    },
}

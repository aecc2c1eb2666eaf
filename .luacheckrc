-- what `make lint` reads Lua with
globals = { "vim" }
max_line_length = 132

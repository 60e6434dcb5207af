"""People's questions of two hops, to fit chains on."""

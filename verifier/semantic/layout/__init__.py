"""Layout equivalence: prove that two images are one program laid out in two ways, or say why not.

program  what an image is: pieces, reference slots, facts       elf*, pe*, frames: read them
x86, aarch64 (a64registers), capstone_x86, capstone_aarch64  decoders: two of each machine, so that
         none is trusted alone; decoders chooses
pages    AArch64 addresses in two parts (a64flow, a64copies, a64stubs: the ways of a value)
assembled  an image with its code decoded                       tables, islands, bodies: parts of it
narrow   what absolute addresses are in 32-bit x86 code
match    find the map; trusted by nobody                        stretches: its data
proof    judge a map               mapping, cuts, begins, bases, suspects,
         alignment: parts
functions, kin, changes, listing  what differs where no map is total
startup, patched  what runs without being called, and what loaders patch, followed by the map
rebased  PE images that differ by their base alone: no code is read
unproven, unlinked, guesses, arm  files of which nothing is proven: reports alone
gofunctions, gomoves  Go programs at fixed addresses, by Go's own table: reports alone
nearby   large images of which little differs and nothing moved
dwarf, names, story  what to call things, and how to tell it
explain  all of it for one pair;  recheck  a saved map again, with the other decoder
"""

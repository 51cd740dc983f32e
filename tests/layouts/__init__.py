"""Pairs of program images that are built from real sources, for tests of layout equivalence."""

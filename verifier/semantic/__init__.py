"""Code-level explanation of what differs (functions, layout equivalence) has its place here.

`Format.explain` of each format says today what its own tables show; what decodes
instructions will live in this package and be called from there.
"""

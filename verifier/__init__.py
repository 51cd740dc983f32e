"""Source-to-binary equivalence verifier."""

__version__ = "0.1.0"

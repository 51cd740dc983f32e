"""Signatures on PE files and kernel modules: parsed strictly, verified, and never skipped."""

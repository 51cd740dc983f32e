"""A first specification, from a look at the audited tree and at what was shipped.

What is written is a proposal: it names each choice and why, pins the source as it is now, and
runs as it stands where the build is a common one. `look` reads, `systems` knows build systems,
`text` writes TOML.
"""

from __future__ import annotations

from verifier.init.text import propose

__all__ = ["propose"]

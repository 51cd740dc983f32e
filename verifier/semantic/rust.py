"""What a Rust program tells of its crates: the list of `cargo auditable`, or paths of sources.

The list is JSON behind zlib in the section `.dep-v0`. Without it, the paths that
messages of panics carry name crates with their versions, as far as they panic.
"""

from __future__ import annotations

import json
import re
import zlib
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from verifier.errors import LimitError, ParseError
from verifier.formats.base import text
from verifier.limits import MIB
from verifier.model import Difference
from verifier.semantic.golang import changed_versions
from verifier.semantic.parts import changed, part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.formats.base import Side

_LIST: Final = ".dep-v0"
_LARGEST: Final = 8 * MIB
_SEARCHED: Final = 16 * MIB
_SECTIONS: Final = 400
_CRATES: Final = 10_000
SOURCE: Final = re.compile(
    rb"[/\\\\]rustc[/\\\\]|-\d{1,5}\.\d{1,5}\.\d{1,9}[^/\\\\]{0,40}[/\\\\]src[/\\\\]"
)
"""Paths of sources in messages of Rust programs, which are told as crates and compilers."""

_PATH = re.compile(
    rb"[/\\]([A-Za-z][A-Za-z0-9_-]{0,63})-(\d{1,5}\.\d{1,5}\.\d{1,9}(?:[+-][0-9A-Za-z.+-]{1,40})?)"
    rb"[/\\]src[/\\]"
)
_COMPILER = re.compile(rb"[/\\]rustc[/\\]([0-9a-f]{40}|\d{1,3}\.\d{1,3}\.\d{1,3})[/\\]")


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """Nothing for what is no Rust program."""
    one, other = _listed(shipped), _listed(rebuilt)
    if one is not None and other is not None:
        yield from changed_versions("crate", one, other)
        return
    pairs = changed(shipped, rebuilt)
    labels = {each.label for pair in pairs for each in pair if each and not each.executable}
    texts = [_data(side, labels) for side in (shipped, rebuilt)]
    compilers = [
        sorted({match[1] for match in islice(_COMPILER.finditer(raw), _CRATES)}) for raw in texts
    ]
    if not any(compilers):
        return
    if compilers[0] != compilers[1]:
        said = [b", ".join(found[:4]).decode("ascii") or "none" for found in compilers]
        summary = f"Shipped built with the compiler {said[0]}, rebuilt with {said[1]}."
        yield Difference("toolchain", "rustc", summary)
    crates = [one or _named(texts[0]), other or _named(texts[1])]
    yield from changed_versions("crate, by the paths of its sources", crates[0], crates[1])


def _listed(side: Side) -> dict[str, str] | None:
    """Version by name; None without the list."""
    section = part(side, _LIST)
    if section is None:
        return None
    decoder = zlib.decompressobj()
    try:
        raw = decoder.decompress(bytes(section.data(side)[:_LARGEST]), _LARGEST)
        document: Any = json.loads(raw)
    except (zlib.error, ValueError, RecursionError) as error:
        raise ParseError("The list of crates is not JSON behind zlib", section.offset) from error
    packages = document.get("packages") if isinstance(document, dict) else None
    if not isinstance(packages, list):
        raise ParseError("The list of crates has no packages", section.offset)
    if len(packages) > _CRATES:
        raise LimitError(f"A program of more than {_CRATES} crates.")
    found: dict[str, list[str]] = {}
    for package in packages:
        if isinstance(package, dict) and isinstance(package.get("name"), str):
            version = text(str(package.get("version")).encode("utf-8", "backslashreplace"))
            found.setdefault(text(package["name"].encode("utf-8", "replace")), []).append(version)
    return {name: ", ".join(sorted(set(versions))) for name, versions in found.items()}


def is_rust(side: Side) -> bool:
    """Whether a program names Rust's compiler, or a path of its library."""
    comment = part(side, ".comment")
    if comment is not None and b"rustc" in bytes(comment.data(side)[:MIB]):
        return True
    texts = part(side, ".rodata") or part(side, ".rdata")
    return texts is not None and bool(_COMPILER.search(bytes(texts.data(side)[:_SEARCHED])))


def _data(side: Side, labels: set[str]) -> bytes:
    found: list[bytes] = []
    for label in sorted(labels):
        section = part(side, label)
        if sum(map(len, found)) > _SEARCHED or len(found) > _SECTIONS:
            break
        if section is not None and section.loaded and not section.executable:
            found.append(bytes(section.data(side)[:_SEARCHED]))
    return b"\0".join(found)[:_SEARCHED]


def _named(raw: bytes) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for match in islice(_PATH.finditer(raw), _CRATES * 10):
        found.setdefault(match[1].decode("ascii"), set()).add(match[2].decode("ascii"))
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}

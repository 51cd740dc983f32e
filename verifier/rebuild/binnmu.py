"""The changelog entry that makes a binary-only rebuild: version 1.0.8-5+b1 of source 1.0.8-5.

deb-changelog(5), deb-buildinfo(5) (Binary-Only-Changes). Debian's builders put it before the
source's own entries; the package's version and its files' times follow from it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from verifier.errors import BuildError, ParseError
from verifier.rebuild.sandbox import Step

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.model import StepRecord
    from verifier.rebuild.sandbox.base import Sandbox

NAME = "binary-only-changes"  # among the read-only sources
_BYTES = 64 * 1024
_ENTRY = re.compile(
    r"(?P<source>[a-z0-9][a-z0-9+.-]+) \((?P<version>[A-Za-z0-9.+:~-]+)\)(?: [A-Za-z0-9.-]+)+;"
    r"(?= [^\n]*\bbinary-only=yes\b)[^\n]*\n\n(?:(?:  [^\n]*)?\n)+"
    r" -- [^\n<>]+ <[^\n<>]*>  [A-Z][a-z]{2}, [^\n]+\n"
)
# In place: the file keeps its mode and owner.
_PREPEND = 'text=$(cat "$1" && echo && cat debian/changelog) && echo "$text" >debian/changelog'


def unfolded(value: str) -> str:
    """The entry of a Binary-Only-Changes field: " ." stands for an empty line."""
    lines = [line[1:] if line[:1] in " \t" else line for line in value.strip("\n").split("\n")]
    return "\n".join("" if line.strip() == "." else line for line in lines).strip("\n") + "\n"


def checked(text: str, source: str, version: str, file: str) -> str:
    """The text, when it is one entry of a binary-only rebuild of this source and version.

    Raises:
        BuildError: it is something else.
    """
    match = _ENTRY.fullmatch(text) if len(text) <= _BYTES else None
    if match is None:
        raise BuildError(f"{file} is no single changelog entry with binary-only=yes.")
    base, separator, _ = match["version"].rpartition("+b")
    if match["source"] != source or not separator or base != version:
        raise BuildError(
            f"{file} is an entry of {match['source']} {match['version']}, and no rebuild of "
            f"{source} {version}."
        )
    return text


def read(path: Path) -> str:
    """The text of a file that holds an entry.

    Raises:
        ParseError: it cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES + 1)
    except OSError as error:
        raise ParseError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > _BYTES:
        raise ParseError(f"{path.name} is larger than a changelog entry may be.")
    return data.decode("utf-8", "replace").strip("\n") + "\n"


def prepend(sandbox: Sandbox, directory: str) -> StepRecord:
    """Put the entry that lies among the sources before debian/changelog, in the sandbox."""
    argv = ("/bin/sh", "-ec", _PREPEND, "sh", f"{sandbox.sources}/{NAME}")
    return sandbox.run(Step(NAME, argv, directory, held=False))


def note(text: str, file: str) -> str:
    """A sentence for the record of the build."""
    head = text.partition(";")[0]
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"debian/changelog begins with the entry {head} of {file} (SHA-256 {digest})."

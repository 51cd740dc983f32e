"""The order in which the engine loads the files of one directory, and what stands where.

Source: libclamav 1.4 (`readdb.c: cli_loaddbdir`). Files of one priority come in
the order of the directory, which nobody controls; here they are sorted by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.sigdb.clamav import kinds, text

if TYPE_CHECKING:
    from verifier.sigdb.base import File, Files

_IGNORE, _DAILY_CLD, _DAILY_CVD, _LOCAL_GDB, _DAILY_CFG, _CERTIFICATES, _NORMAL = range(1, 8)
_NAMED = {
    "daily.cld": _DAILY_CLD,
    "daily.cvd": _DAILY_CVD,
    "local.gdb": _LOCAL_GDB,
    "daily.cfg": _DAILY_CFG,
}


def loading(files: Files) -> list[File]:
    """The files in the order in which one engine reads them.

    Members of a container stay in their order. ParseError where daily.cld and
    daily.cvd stand side by side: which one is loaded their headers decide.
    """
    groups: dict[str, list[File]] = {}
    for file in files:
        groups.setdefault(_holder(file), []).append(file)
    names = {holder.rsplit("/", 1)[-1] for holder in groups}
    if {"daily.cld", "daily.cvd"} <= names:
        raise ParseError("daily.cld and daily.cvd stand side by side, and one of them is not read")
    ordered = sorted(groups, key=lambda holder: (_priority(holder, groups[holder]), holder))
    return [file for holder in ordered for file in groups[holder]]


def _holder(file: File) -> str:
    """The path of the container around a file, or its own."""
    if not text.contained(file):
        return file.path
    holder, mark, _ = file.path.rpartition("!/")
    return holder.rstrip("!") if mark else f"{file.container} in {file.path.rpartition('/')[0]}"


def _priority(holder: str, files: list[File]) -> int:
    name = holder.rsplit("/", 1)[-1]
    if text.contained(files[0]):
        return _NAMED.get(name, _NORMAL)
    ending = text.extension(files[0])
    if ending in kinds.IGNORE:
        return _IGNORE
    if name in _NAMED:
        return _NAMED[name]
    return _CERTIFICATES if ending == kinds.CERTIFICATES else _NORMAL

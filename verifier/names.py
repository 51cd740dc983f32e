"""Paths of members: `data.tar.xz!/usr/bin/hello`, and `changelog.gz!` for a stream's payload."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verifier.model import Pair, Span

PAYLOAD = "!"  # the member name of what a compressed stream holds


ENTRIES = frozenset({"member", "central", "line", "row"})  # nouns of spans that are entries


def child_path(parent: Pair, member: str) -> str:
    """The path of `member` inside `parent`."""
    if member == PAYLOAD:
        return parent.path + PAYLOAD
    name = member.removeprefix("./") or member
    if not parent.prefix:
        return name
    separator = "/" if parent.prefix.endswith(PAYLOAD) else PAYLOAD + "/"
    return parent.prefix + separator + name.lstrip("/")


def child_prefix(parent: Pair, member: str) -> str:
    """What the names of members inside that child start with."""
    return child_path(parent, member)


def group(span: Span) -> tuple[str, str]:
    """(`member`, `bin/a`) of a span named `member[bin/a].mtime`; else ("", its name)."""
    noun, bracket, rest = span.name.partition("[")
    if not bracket or "." in noun:
        return "", span.name
    return noun, rest[: rest.rfind("]")]

"""What a .NET assembly does differently: types, methods, references, resources, native calls.

Methods are compared by their instructions with names instead of tokens, since a
token changes whenever a table grows. The module's identifier is told apart:
compilers derive it from all the rest or draw it at random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verifier.model import Difference
from verifier.semantic.wording import listed, lone, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from verifier.formats.base import Side
    from verifier.semantic.dotnet.assembly import Assembly
    from verifier.semantic.dotnet.il import Body

_SHOWN: Final = 100  # differences of one kind
_PARTS: Final = 4
_STREAMS: Final = ("#~", "#-", "#Strings", "#US", "#Blob")


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """Nothing where neither image is an assembly; else what differs between the two."""
    managed = [bool(side.layout.info.directory("clr")[1]) for side in (shipped, rebuilt)]
    if not all(managed):
        if any(managed):
            which = "shipped" if managed[0] else "rebuilt"
            summary = f"Only the {which} image is a .NET assembly."
            yield Difference("format", ".NET", summary)
        return
    from verifier.semantic.dotnet.assembly import Assembly  # noqa: PLC0415 - for .NET alone
    from verifier.semantic.dotnet.metadata import Metadata  # noqa: PLC0415

    one, other = Assembly(Metadata(shipped)), Assembly(Metadata(rebuilt))
    found = False
    for difference in _all(one, other):
        found = True
        yield difference
    if one.mvid() != other.mvid():
        rest = (
            "it follows from the content, or is random"
            if found
            else "types, methods, references and resources are the same"
        )
        summary = f"Shipped {one.mvid()}, rebuilt {other.mvid()}; {rest}."
        yield Difference("identifier", "MVID", summary)


def _all(one: Assembly, other: Assembly) -> Iterator[Difference]:
    yield from _sets("import", "calls this native function", one.imports(), other.imports())
    mine, theirs = one.references(), other.references()
    yield from _sets("needed", "refers to this assembly", mine.keys(), theirs.keys())
    for name in mine.keys() & theirs.keys():
        if mine[name] != theirs[name]:
            summary = f"Shipped refers to version {mine[name]}, rebuilt to {theirs[name]}."
            yield Difference("dependency-changed", name, summary)
    if one.identity() != other.identity():
        summary = f"Shipped {one.identity()}, rebuilt {other.identity()}."
        yield Difference("identifier", "assembly", summary)
    if one.metadata.flags != other.metadata.flags:
        summary = f"Shipped {one.metadata.flags:#x}, rebuilt {other.metadata.flags:#x}."
        yield Difference("build-setting", "CLR flags", summary)
    yield from _values("build-setting", one.attributes(), other.attributes())
    yield from _types(one, other)
    yield from _methods(one, other)
    yield from _resources(one.resources(), other.resources())


def _sets(
    noun: str, verb: str, mine: AbstractSet[str], theirs: AbstractSet[str]
) -> Iterator[Difference]:
    return lone(noun, f"Only the {{}} assembly {verb}.", mine, theirs, _SHOWN)


def _values(kind: str, mine: dict[str, str], theirs: dict[str, str]) -> Iterator[Difference]:
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            values = [quoted(item[name]) if name in item else "nothing" for item in (mine, theirs)]
            yield Difference(kind, name, f"Shipped {values[0]}, rebuilt {values[1]}.")


def _resources(mine: dict[str, str], theirs: dict[str, str]) -> Iterator[Difference]:
    for name in sorted(mine.keys() | theirs.keys()):
        if name not in theirs:
            summary = f"Only the shipped assembly has this managed resource ({mine[name]})."
            yield Difference("resource-added", name, summary)
        elif name not in mine:
            summary = f"Only the rebuilt assembly has this managed resource ({theirs[name]})."
            yield Difference("resource-missing", name, summary)
        elif mine[name] != theirs[name]:
            summary = f"Managed resource: shipped {mine[name]}, rebuilt {theirs[name]}."
            yield Difference("resource-changed", name, summary)


def _types(one: Assembly, other: Assembly) -> Iterator[Difference]:
    mine, theirs = one.types(), other.types()
    yield from _sets("type", "has this type", set(mine), set(theirs))
    told = 0
    for name, parts in mine.items():
        if name in theirs and parts != theirs[name] and told < _SHOWN:
            told += 1
            added = [part for part in parts if part not in theirs[name]]
            removed = [part for part in theirs[name] if part not in parts]
            summary = "Its parts stand in another order."
            if added or removed:
                values = listed(added, _PARTS) or "nothing", listed(removed, _PARTS) or "nothing"
                summary = f"Shipped alone has {values[0]}; rebuilt alone {values[1]}."
            yield Difference("type-changed", name, summary)


def _methods(one: Assembly, other: Assembly) -> Iterator[Difference]:
    mine, theirs = one.methods(), other.methods()
    # Methods of a lone type are told with the type.
    types = {name.partition("::")[0] for name in mine} & {
        name.partition("::")[0] for name in theirs
    }
    shared = [
        {name for name in each if name.partition("::")[0] in types} for each in (mine, theirs)
    ]
    yield from _sets("function", "has this method", *shared)
    same = all(
        one.metadata.streams.get(name) == other.metadata.streams.get(name) for name in _STREAMS
    )
    told = 0
    for name, method in mine.items():
        twin = theirs.get(name)
        if twin is None:
            continue
        if same and _code(one, method.address) == _code(other, twin.address):
            continue
        summary = _change(one.body(method), other.body(twin))
        if method.flags != twin.flags:
            summary = f"Its flags are {method.flags} instead of {twin.flags}. {summary}".strip()
        if summary:
            told += 1
            if told <= _SHOWN:
                yield Difference("function-changed", name, summary)
    if told > _SHOWN:
        summary = f"{told - _SHOWN} more changed methods are not listed."
        yield Difference("function-changed", "more", summary)


def _code(assembly: Assembly, address: int) -> object:
    from verifier.semantic.dotnet import il  # noqa: PLC0415 - as above

    return il.cut(assembly.metadata.at_address(address)) if address else None


def _change(mine: Body | None, theirs: Body | None) -> str:
    """What changed inside of a method; empty for nothing."""
    if mine == theirs:
        return ""
    if mine is None or theirs is None:
        return f"Only the {'rebuilt' if mine is None else 'shipped'} method has a body."
    parts = []
    for label, one, other in (
        ("calls", mine.calls(), theirs.calls()),
        ("texts", mine.texts(), theirs.texts()),
    ):
        added = [name for name in dict.fromkeys(one) if name not in other]
        removed = [name for name in dict.fromkeys(other) if name not in one]
        if added:
            parts.append(f"{label} added: {listed(added, _PARTS)}")
        if removed:
            parts.append(f"{label} removed: {listed(removed, _PARTS)}")
    counts = len(mine.steps), len(theirs.steps)
    if mine.steps == theirs.steps:
        parts.append("only its locals, stack or handlers differ")
    elif counts[0] != counts[1]:
        parts.append(f"{counts[0]} instructions instead of {counts[1]}")
    else:
        places = sum(a != b for a, b in zip(mine.steps, theirs.steps, strict=True))
        parts.append(f"{places} of {counts[0]} instructions differ")
    said = "; ".join(parts)
    return f"{said[0].upper()}{said[1:]}."

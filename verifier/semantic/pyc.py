"""What a compiled Python module does differently: functions, constants, names, imports.

Code objects are matched by their qualified names. Those that differ in line
tables or file names alone are told apart. Nothing is ever executed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from verifier.errors import ParseError
from verifier.formats import pyc
from verifier.formats.base import text
from verifier.model import Difference
from verifier.semantic.marshal import Value, load
from verifier.semantic.wording import listed, lone, nature, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from verifier.formats.base import Side

_LINES: Final = frozenset({"filename", "firstlineno", "linetable"})
_IMPORT_NAME: Final = {
    (3, 7): 108, (3, 8): 108, (3, 9): 108, (3, 10): 108, (3, 11): 108, (3, 12): 108,
}  # fmt: skip
_EXTENDED: Final = 144  # EXTENDED_ARG of those versions
_SHOWN: Final = 100  # differences of one kind
_PARTS: Final = 5
_INSIDE: Final = 8  # items of a container that are shown
_MODULE: Final = "<module>"
_CODES: Final = 100_000


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """Differences of code; nothing where the code objects are the same."""
    versions = [pyc.version(side.data) for side in (shipped, rebuilt)]
    if versions[0] != versions[1]:
        return
    if bytes(shipped.data[pyc.HEADER :]) == bytes(rebuilt.data[pyc.HEADER :]):
        return
    roots = [load(side.data[pyc.HEADER :], versions[0]) for side in (shipped, rebuilt)]
    if any(root.kind != "code" for root in roots):
        raise ParseError("A compiled Python module holds no code object", pyc.HEADER)
    one, other = (_codes(root) for root in roots)
    imported = _imports(one, other, versions[0])
    yield from _lone("import", "imports this module", set(imported[0]), set(imported[1]))
    yield from _lone("function", "has this function", one.keys(), other.keys())
    yield from _changed(one, other)


def _lone(
    noun: str, verb: str, mine: AbstractSet[str], theirs: AbstractSet[str]
) -> Iterator[Difference]:
    return lone(noun, f"Only the {{}} module {verb}.", mine, theirs, _SHOWN)


def _codes(root: Value) -> dict[str, Value]:
    """All code objects by their qualified names; a name that comes twice gets a number."""
    found: dict[str, Value] = {}
    used: Counter[str] = Counter()
    pending = [("", root)]
    while pending and len(found) < _CODES:
        above, code = pending.pop()
        plain = code.text("name")
        name = code.text("qualname") or (f"{above}.{plain}" if above else plain)
        used[name] += 1
        found[name if used[name] == 1 else f"{name}#{used[name]}"] = code
        inside = "" if name == _MODULE else name
        consts = [each for each in code.items("consts") if each.kind == "code"]
        pending += [(inside, each) for each in reversed(consts[:_CODES])]
    return found


def _imports(
    one: dict[str, Value], other: dict[str, Value], version: tuple[int, int]
) -> tuple[list[str], list[str]]:
    opcode = _IMPORT_NAME.get(version)
    if opcode is None:
        return [], []
    found = [
        [name for code in codes.values() for name in _imported(code, opcode)]
        for codes in (one, other)
    ]
    return found[0], found[1]


def _imported(code: Value, opcode: int) -> Iterator[str]:
    """Names that IMPORT_NAME takes."""
    found, names = code.field("code"), code.items("names")
    raw = found.held if found is not None and found.kind == "bytes" else b""
    high = 0
    for at in range(0, len(raw) - 1, 2):
        argument = high | raw[at + 1]
        high = argument << 8 if raw[at] == _EXTENDED and argument < 1 << 24 else 0
        if raw[at] == opcode and argument < len(names):
            yield text(str(names[argument].held).encode("utf-8", "backslashreplace"))


def _changed(one: dict[str, Value], other: dict[str, Value]) -> Iterator[Difference]:
    lines: list[str] = []
    told = 0
    for name, code in one.items():
        twin = other.get(name)
        if twin is None:
            continue
        fields = {
            field for field in code.held if code.held[field].digest != twin.held[field].digest
        }
        if fields - _LINES:
            told += 1
            if told <= _SHOWN:
                yield Difference("function-changed", name, _said(code, twin, fields))
        elif fields:
            lines.append(name)
    if told > _SHOWN:
        summary = f"{told - _SHOWN} more changed functions are not listed."
        yield Difference("function-changed", "more", summary)
    if lines:
        where = lines[0] if len(lines) == 1 else f"{len(lines)} functions"
        summary = f"Only line numbers or the file's name differ in {listed(lines)}."
        names = [quoted(codes[lines[0]].text("filename")) for codes in (one, other)]
        if names[0] != names[1]:
            summary += f" The file was {names[0]} for the shipped, {names[1]} for the rebuilt one."
        yield Difference("debug-lines", where, summary)


def _said(code: Value, twin: Value, fields: set[str]) -> str:
    parts = []
    for label, field in (("constants", "consts"), ("names", "names")):
        mine, theirs = ({item.digest: item for item in side.items(field)} for side in (code, twin))
        added = [_shown(mine[key]) for key in mine if key not in theirs]
        removed = [_shown(theirs[key]) for key in theirs if key not in mine]
        for change, names in (("added", added), ("removed", removed)):
            telling = sorted(names, key=lambda name: not nature(name.strip('"')))
            if telling:
                parts.append(f"{label} {change}: {listed(telling, _PARTS)}")
    changed = [label for field, label in _LABELS.items() if field in fields]
    parts += [f"other {label}" for label in dict.fromkeys(changed)]
    said = "; ".join(parts) or "its constants stand in another order"
    return f"{said[0].upper()}{said[1:]}."


def _shown(value: Value, depth: int = 0) -> str:
    """A constant for people, not deeper than two containers."""
    if value.kind == "text":
        return quoted(value.held, 60)
    if value.kind == "code":
        return f"the code of {value.text('name')}"
    if isinstance(value.held, tuple) and value.held and isinstance(value.held[0], Value):
        if depth > 1:
            return f"a {value.kind}"
        inside = listed([_shown(item, depth + 1) for item in value.held[:_INSIDE]])
        return f"a {value.kind} of {inside}{' …' if len(value.held) > _INSIDE else ''}"
    if isinstance(value.held, int) and abs(value.held) >> 64:
        return hex(value.held)[:80]
    return text(repr(value.held)[:80].encode("utf-8", "backslashreplace"))


_LABELS: Final = {
    "code": "instructions",
    "argcount": "number of arguments",
    "posonly": "arguments by place alone",
    "kwonly": "arguments by name alone",
    "flags": "flags",
    "exceptiontable": "handlers of exceptions",
    "localsplusnames": "local variables",
    "varnames": "local variables",
    "freevars": "variables from outside",
}

"""Trees (JSON, MessagePack) as records: leaves by their paths, order of lists kept.

A document that is a list, or several documents, gives one record an item; one
that is a map gives one record a member, named by its key. `tables` names the
paths whose items are records of that scope instead; then order among them
means nothing. Trees hold maps as dicts, lists as lists, leaves as texts that
tell type and value.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from verifier.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.base import Record
    from verifier.sigdb.generic.rows import Plan

DEPTH = 64
LEAVES = 100_000  # of one record
_SPECIAL = re.compile(r"[\\.\[]")
KEY = "@key"  # the column that holds a member's name


def records(tree: Any, plan: Plan, path: str) -> Iterator[Record]:
    """The records of one document."""
    rest, found = _taken(tree, plan, "", 0)
    plan.check_tables(table for table, _ in found)
    place = (path, 0, 0)
    for table, items in found:
        for columns in _items(items):
            yield plan.record(table, columns, place)
    if isinstance(rest, list) and not plan.tables:
        for columns in _items(rest):
            yield plan.record("", columns, place)
    elif isinstance(rest, dict) and not plan.tables:
        by_key = replace(plan, keys=(KEY,))  # whatever `keys` says of lists
        for columns in _items(rest):
            yield by_key.record("", columns, place)
    else:
        record = replace(plan, keys=()).record("document", list(_leaves(rest, "", 0)), place)
        yield record._replace(name="outside of tables" if plan.tables else "value")


def _taken(tree: Any, plan: Plan, at: str, depth: int) -> tuple[Any, list[tuple[str, Any]]]:
    """The tree without its declared tables, and these."""
    if depth > DEPTH:
        raise LimitError(f"A document nested more than {DEPTH} deep.")
    if at in plan.tables and isinstance(tree, (dict, list)):
        return "(table)", [(at, tree)]
    if not isinstance(tree, dict):
        return tree, []
    found: list[tuple[str, Any]] = []
    rest = {}
    for key, value in tree.items():
        rest[key], below = _taken(value, plan, _join(at, key), depth + 1)
        found += below
    return rest, found


def _items(items: Any) -> Iterator[list[tuple[str, str]]]:
    """The columns of each item of a list or map."""
    if isinstance(items, dict):
        for key, value in items.items():
            yield [(KEY, key), *_leaves(value, "", 0)]
    else:
        for value in items:
            yield list(_leaves(value, "", 0))


def _leaves(tree: Any, at: str, depth: int) -> Iterator[tuple[str, str]]:
    """(path, value) of each leaf, maps by key; LimitError where there are too many."""
    stack: list[tuple[str, Any, int]] = [(at, tree, depth)]
    count = 0
    while stack:
        path, node, level = stack.pop()
        count += 1
        if level > DEPTH or count > LEAVES:
            raise LimitError(f"A record nested more than {DEPTH} deep, or of over {LEAVES} parts.")
        if isinstance(node, dict) and node:
            items = sorted(node.items(), reverse=True)
            stack += [(_join(path, key), value, level + 1) for key, value in items]
        elif isinstance(node, list) and node:
            numbered = list(enumerate(node))[::-1]
            stack += [(f"{path}[{index}]", value, level + 1) for index, value in numbered]
        else:
            yield path or "value", node if isinstance(node, str) else "{}" if node == {} else "[]"


def _join(path: str, key: str) -> str:
    name = _SPECIAL.sub(r"\\\g<0>", key)
    return f"{path}.{name}" if path else name

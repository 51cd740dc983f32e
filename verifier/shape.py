"""Hold data against our own published schemas, without a library that users need not install.

Understands the part of JSON Schema 2020-12 that `verifier/schemas/` uses, and
refuses a schema that uses more. The tests hold it against a full validator.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verifier.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMAS = Path(__file__).parent / "schemas"
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_NOTES = {"$schema", "$id", "$defs", "title", "description", "contentEncoding"}


def check(value: object, name: str, what: str) -> None:
    """ParseError unless `value` is what the schema `verifier/schemas/<name>.json` says."""
    root = schema(name)
    try:
        fault = _fault(value, root, root, "")
    except RecursionError:
        fault = "it is nested too deep"
    if fault:
        raise ParseError(f"{what} does not fit {root['$id']}: {fault}.")


@cache
def schema(name: str) -> dict[str, Any]:
    """One of the published schemas."""
    loaded: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    return loaded


def _fault(value: Any, rules: dict[str, Any], root: dict[str, Any], at: str) -> str:
    """What is wrong with `value`, "" if nothing. Recursion is as deep as the schema or value."""
    for word, rule in rules.items():
        if word in _NOTES:
            continue
        fault = _WORDS[word](value, rule, rules, root, at)
        if fault:
            return fault
    return ""


def _ref(value: Any, rule: str, _rules: Any, root: dict[str, Any], at: str) -> str:
    return _fault(value, root["$defs"][rule.removeprefix("#/$defs/")], root, at)


def _type(value: Any, rule: str, _rules: Any, _root: Any, at: str) -> str:
    fits = isinstance(value, _TYPES[rule]) and (rule == "boolean" or not isinstance(value, bool))
    return "" if fits else f"{at or 'it'} is no {rule}"


def _const(value: Any, rule: Any, _rules: Any, _root: Any, at: str) -> str:
    return "" if _same(value, rule) else f"{at} is not {rule!r}"


def _enum(value: Any, rule: list[Any], _rules: Any, _root: Any, at: str) -> str:
    return "" if any(_same(value, item) for item in rule) else f"{at} is none of {rule}"[:300]


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and bool(value == other)


def _pattern(value: Any, rule: str, _rules: Any, _root: Any, at: str) -> str:
    if not isinstance(value, str):
        return ""
    whole = rule.removesuffix("$") + (r"\Z" if rule.endswith("$") else "")
    return "" if re.search(whole, value) else f"{at} does not match {rule}"


def _minimum(value: Any, rule: int, _rules: Any, _root: Any, at: str) -> str:
    return f"{at} is less than {rule}" if isinstance(value, int | float) and value < rule else ""


def _least_items(value: Any, rule: int, _rules: Any, _root: Any, at: str) -> str:
    return f"{at} is too short" if isinstance(value, list) and len(value) < rule else ""


def _least_text(value: Any, rule: int, _rules: Any, _root: Any, at: str) -> str:
    return f"{at} is too short" if isinstance(value, str) and len(value) < rule else ""


def _required(value: Any, rule: list[str], _rules: Any, _root: Any, at: str) -> str:
    missing = [key for key in rule if isinstance(value, dict) and key not in value]
    return f"{at or 'it'} lacks {missing[0]}" if missing else ""


def _properties(value: Any, rule: dict[str, Any], _rules: Any, root: Any, at: str) -> str:
    if not isinstance(value, dict):
        return ""
    found = (
        _fault(item, rule[key], root, f"{at}.{key}") for key, item in value.items() if key in rule
    )
    return next((fault for fault in found if fault), "")


def _others(value: Any, rule: Any, rules: dict[str, Any], root: Any, at: str) -> str:
    if not isinstance(value, dict):
        return ""
    extra = [key for key in value if key not in rules.get("properties", {})]
    if rule is False:
        return f"{at or 'it'} has the unknown key {extra[0][:80]!r}" if extra else ""
    found = (_fault(value[key], rule, root, f"{at}.{key[:80]}") for key in extra)
    return next((fault for fault in found if fault), "")


def _items(value: Any, rule: Any, _rules: Any, root: Any, at: str) -> str:
    if not isinstance(value, list):
        return ""
    found = (_fault(item, rule, root, f"{at}[{index}]") for index, item in enumerate(value))
    return next((fault for fault in found if fault), "")


def _any_of(value: Any, rule: list[Any], _rules: Any, root: Any, at: str) -> str:
    faults = [_fault(value, each, root, at) for each in rule]
    return "" if "" in faults else faults[0]


_WORDS: dict[str, Callable[..., str]] = {
    "$ref": _ref,
    "type": _type,
    "const": _const,
    "enum": _enum,
    "pattern": _pattern,
    "minimum": _minimum,
    "minItems": _least_items,
    "minLength": _least_text,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _others,
    "items": _items,
    "anyOf": _any_of,
}

"""The same rules written otherwise: layout, comments, order, and spellings of one value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from tests.unit.sigdb.yara.ruleset import Rule, Source

GAPS = (" ", "  ", "\n", "\t", "\r\n", " /* rule x { condition: false } */ ", ' // " $a\n', "/***/")


def restyled(dice: random.Random, source: Source) -> str:
    """A file that means the same as `source`; rules keep their order, which references need."""
    parts = [
        f'import{dice.choice(GAPS)}"{module}"'
        for module in dice.sample(source.imports, len(source.imports))
    ]
    parts += [_rule(dice, rule) for rule in source.rules]
    return dice.choice(GAPS).join(["", *parts, ""])


def _rule(dice: random.Random, rule: Rule) -> str:
    words = rule.modifiers.split()
    dice.shuffle(words)
    words += ["rule", rule.name]
    if rule.tags:
        words += [":", *dice.sample(rule.tags, len(rule.tags))]
    words.append("{")
    if rule.metas:
        words += ["meta", ":", *dice.sample(rule.metas, len(rule.metas))]
    if rule.strings:
        words += ["strings", ":", *(_string(dice, *item) for item in _shuffled(dice, rule))]
    words += ["condition", ":", _condition(dice, rule.condition), "}"]
    return "".join(word + dice.choice(GAPS) for word in words)


def _shuffled(dice: random.Random, rule: Rule) -> list[tuple[str, str, str]]:
    """Strings in another order; those without a name keep theirs, which is all they have."""
    strings = list(rule.strings)
    dice.shuffle(strings)
    anonymous = iter([item for item in rule.strings if item[0] == "$"])
    return [next(anonymous) if item[0] == "$" else item for item in strings]


def _string(dice: random.Random, name: str, value: str, modifiers: str) -> str:
    words = re.findall(r"\w+(?:\([^)]*\)(?:[^)]*\"\))?)?", modifiers)
    dice.shuffle(words)
    if value.startswith("{"):
        inside = value[1:-1].split()
        joined = "".join(
            word + dice.choice(("", " ", "\n", "/* } */", " // x\n")) for word in inside
        )
        value = "{" + (joined.lower() if dice.random() < 0.5 else joined) + "}"
    elif value.startswith("/"):
        if value.endswith("/i") and dice.random() < 0.5:
            value = value[:-1]
            words.append("nocase")
        if not {"wide", "ascii"} & set(words) and dice.random() < 0.3:
            words.append("ascii")
    elif dice.random() < 0.5:
        value = re.sub(r"(?<!\\)e", r"\\x65", value)
    return dice.choice(GAPS).join([name, "=", value, *words])


def _condition(dice: random.Random, text: str) -> str:
    def number(found: re.Match[str]) -> str:
        return dice.choice((found[0], hex(int(found[0])), f"0o{int(found[0]):o}"))

    text = re.sub(r"(?<![\w.\"%-])\d+(?![\w.%\"])", number, text)
    return re.sub(r" (?![^(]*\")", lambda _: dice.choice(GAPS), text)

"""Rules in the style of public rulesets, made from a seed: the same on every machine.

A rule keeps its parts apart, so that a test can change one of them and say
which rule it was. Files are grouped by namespace; a rule refers only to earlier
rules of its own file, so that files can be put in any order.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field, replace

WORDS = (
    "cmd.exe",
    "powershell -enc",
    "CreateRemoteThread",
    "/bin/sh",
    "Mozilla/4.0",
    "evil.example",
    "SOFTWARE\\\\Microsoft\\\\Windows",
    "mutex_%d",
    "AES-256-CBC",
    "\\x00\\x01key\\xff",
    "wget http",
    "This program cannot",
    "VirtualAllocEx",
    "stage2",
    "X-Token: ",
    "xmrig",
    "ransom\\tnote\\n",
)
MODIFIERS = (
    "",
    "",
    "wide",
    "ascii wide",
    "nocase",
    "fullword",
    "wide ascii nocase fullword",
    "private",
    "xor",
    "xor(0x01-0xff)",
    "xor(7)",
    "xor ascii wide",
    "base64",
    "base64wide",
    "base64 base64wide",
    "ascii private nocase",
    'base64("!@#$%^&*(){}[].,|ABCDEFGHIJ-LMNOPQRSTUVWXYZabcdefghijklmnopqrstu")',
)
REGEXES = (
    "/mal[a-z]{3,8}ware[0-9]+/",
    "/https?:\\/\\/[a-z0-9.-]{4,20}\\/gate\\.php/i",
    "/\\bkey=[^&]{8,}/",
    "/(foo|bar|quux)\\d{2,4}\\x00/s",
    "/^MZ.{10,40}PE/s",
    "/a+b*c?d{2}/ wide",
    "/[^\\x00-\\x1f]evil\\w+/",
    "/user-agent:\\s+bot/ nocase ascii wide",
    "/\\$[A-F0-9]{2}-\\D\\S\\W\\B/",
    "/tmp\\/[a-z]+?\\.so/ fullword",
)
PLAIN = (
    "filesize < {n}KB",
    "uint16(0) == 0x{h}",
    "uint32be({n}) == 0x{h}{h}",
    "filesize > {n} and filesize < 9MB",
    "for any i in (1..{n}) : ( uint8(i) == 0x4d )",
    "not uint8({n}) == 0x7f",
    "int16be(2) + {n} > 5",
    "for {m} i in ({n}, 99, 512) : ( uint8(i) & 0x0f == 3 )",
    "(filesize \\ {n}) * 2 - 1 != 77",
    "uint8(0) << 2 | {n} ^ 3 == ~{n}",
    "entrypoint < {n}",
    "1.5 * {n} > 3.25",
)
MODULES = {
    "pe": (
        "pe.number_of_sections == {n}", "pe.is_dll()", 'pe.imports("kernel32.dll", "Export{n}")',
        'for any s in pe.sections : ( s.name == ".t{n}" and s.raw_data_size > {n} )',
        'pe.version_info["CompanyName"] contains "Corp{n}"', "pe.machine == pe.MACHINE_AMD64",
    ),
    "elf": ("elf.type == elf.ET_EXEC", "elf.number_of_sections > {n}", "elf.machine == {n}"),
    "math": ("math.entropy({n}, filesize) >= 7.{m}", "math.mean(0, {n}) > 60.{m}"),
    "hash": (
        'hash.md5(0, {n}) == "d41d8cd98f00b204e9800998ecf8427e"',
        'hash.sha256({n}, 64) == "{h}aa"', "hash.crc32(0, {n}) == 0x{h}",
    ),
}  # fmt: skip
ONE = (
    "{s}", "#{i} > {n}", "@{i}[{m}] < {n}", "!{i}[1] > {m}", "{s} at {n}", "{s} in ({m}..{n})",
    "#{i} in (0..{n}) > {m}", "for all k in (1..#{i}) : ( @{i}[k] < {n} )", "not {s}",
)  # fmt: skip
SETS = (
    "any of them", "all of them", "{m} of them", "any of ({s}*)", "for any of them : ( $ at {n} )",
    "for {m} of them : ( # > {n} )", "50% of them", "none of ({s})", "all of them in ({m}..{n})",
)  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """One rule; `strings` are (identifier, literal, modifiers)."""

    name: str
    modifiers: str = ""
    tags: tuple[str, ...] = ()
    metas: tuple[str, ...] = ()
    strings: tuple[tuple[str, str, str], ...] = ()
    condition: str = "true"

    def text(self) -> str:
        tags = f" : {' '.join(self.tags)}" if self.tags else ""
        lines = [f"{self.modifiers} rule {self.name}{tags}".strip(), "{"]
        if self.metas:
            lines += ["  meta:", *(f"    {meta}" for meta in self.metas)]
        if self.strings:
            lines.append("  strings:")
            lines += [f"    {name} = {value} {mods}".rstrip() for name, value, mods in self.strings]
        return "\n".join([*lines, "  condition:", f"    {self.condition}", "}", ""])


@dataclass(frozen=True)
class Source:
    """One file of rules."""

    namespace: str
    name: str
    imports: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = field(default=())

    def text(self) -> str:
        head = "".join(f'import "{module}"\n' for module in self.imports)
        return head + "\n" + "\n".join(rule.text() for rule in self.rules)


def sources(seed: int, files: int, rules: int, namespaces: int = 5) -> list[Source]:
    """`files` files of `rules` rules each, shared out over namespaces."""
    dice = random.Random(seed)
    found = []
    for number in range(files):
        modules = tuple(sorted(dice.sample(sorted(MODULES), dice.randint(0, 3))))
        made: list[Rule] = []
        for index in range(rules):
            made.append(
                _rule(dice, f"F{number}_R{index}", modules, made, index == 3 and number % 7 == 1)
            )
        found.append(
            Source(f"space{number % namespaces}", f"file{number}.yar", modules, tuple(made))
        )
    return found


def by_namespace(files: list[Source]) -> dict[str, str]:
    """The text of each namespace, as an engine is given it."""
    found: dict[str, str] = {}
    for file in files:
        found[file.namespace] = found.get(file.namespace, "") + file.text()
    return found


def _rule(
    dice: random.Random, name: str, modules: tuple[str, ...], before: list[Rule], alone: bool
) -> Rule:
    modifiers = "global" if alone else "private" if dice.random() < 0.06 else ""
    if modifiers == "private" and dice.random() < 0.2:
        modifiers = "private global"
    strings = tuple(_string(dice, index) for index in range(dice.choice((0, 1, 1, 2, 3, 4, 6))))
    return Rule(
        name,
        modifiers,
        tuple(dice.sample(("apt", "trojan", "dropper", "packed", "linux"), dice.randint(0, 2))),
        tuple(dice.sample(('author = "someone"', "score = 75", "shared = true", "old = -3"), 2)),
        strings,
        _condition(dice, strings, modules, before),
    )


def _string(dice: random.Random, index: int) -> tuple[str, str, str]:
    name = f"$s{index}" if dice.random() < 0.9 else "$"
    kind = dice.random()
    if kind < 0.45:
        return name, f"{{ {_hex(dice)} }}", dice.choice(("", "", "", "private"))
    if kind < 0.7:
        literal, _, modifiers = dice.choice(REGEXES).partition("/ ")
        return name, literal if literal.endswith(("/", "/i", "/s")) else literal + "/", modifiers
    return name, f'"{dice.choice(WORDS)}{dice.randint(0, 999)}"', dice.choice(MODIFIERS)


def _hex(dice: random.Random) -> str:
    parts = [f"{dice.randint(0, 255):02X}" for _ in range(dice.randint(4, 20))]
    for _ in range(dice.choice((0, 0, 1, 2, 3))):
        at = dice.randint(2, len(parts) - 2)
        extra = (
            "??",
            f"{dice.randint(0, 15):X}?",
            f"?{dice.randint(0, 15):x}",
            "[2-6]",
            "[4]",
            "[1-400]",
            "( 6A 40 | 68 ?? 00 )",
            "[-]",
            "( 11 22 33 | 44 [1-2] 55 )",
        )
        parts.insert(at, dice.choice(extra) + f" {dice.randint(0, 255):02X}")
    return " ".join(parts)


def _condition(
    dice: random.Random,
    strings: tuple[tuple[str, str, str], ...],
    modules: tuple[str, ...],
    before: list[Rule],
) -> str:
    parts = [dice.choice(PLAIN)] if dice.random() < 0.6 or not strings else []
    if modules and dice.random() < 0.5:
        parts.append(dice.choice(MODULES[dice.choice(modules)]))
    named = [name for name, _, _ in strings if name != "$"]
    if named and dice.random() < 0.6:
        parts.append(dice.choice(ONE))
    if before and dice.random() < 0.15:
        parts.append(dice.choice(before).name)
    if before and dice.random() < 0.03:
        parts.append(
            f"1 of ({before[-1].name}, {before[0].name})" if len(before) > 1 else before[0].name
        )
    if strings:  # every string must be referred to
        parts.append(dice.choice(SETS))
        if "them" not in parts[-1]:
            parts.append("any of them")
    dice.shuffle(parts)
    text = parts[0]
    for part in parts[1:]:
        text = f"({text}) {dice.choice(('and', 'or'))} {part}"
    chosen = dice.choice(named) if named else "$"
    if "{s}" in text and not named:
        text = text.replace("{s}*", "$*").replace("({s})", "($*)")
    return (
        text.replace("{n}", str(dice.randint(10, 900)))
        .replace("{m}", str(dice.randint(1, max(1, len(strings)))))
        .replace("{h}", f"{dice.randint(4096, 65535):x}")
        .replace("{s}", chosen)
        .replace("{i}", chosen[1:])
    )


def mutate(dice: random.Random, rule: Rule) -> Rule | None:
    """The rule with one byte of a string, or one constant or operator of its condition, changed."""
    if rule.strings and dice.random() < 0.65:
        index = dice.randrange(len(rule.strings))
        name, value, modifiers = rule.strings[index]
        changed = _other_string(dice, value)
        if changed is None:
            return None
        strings = list(rule.strings)
        strings[index] = (name, changed, modifiers)
        return replace(rule, strings=tuple(strings))
    changed = _other_condition(dice, rule.condition)
    return None if changed is None else replace(rule, condition=changed)


def _other_string(dice: random.Random, value: str) -> str | None:
    if value.startswith("{"):
        places = [m.start() for m in re.finditer(r"(?<=[ ])[0-9A-F?]{2}(?= )", value)]
        at = dice.choice(places) + dice.randrange(2)
        return (
            value[:at]
            + dice.choice([c for c in "0123456789ABCDEF" if c != value[at]])
            + value[at + 1 :]
        )
    if value.startswith("/"):
        places = [
            m.start() for m in re.finditer(r"(?<=[a-z.])[a-z](?=[a-z])", value[: value.rindex("/")])
        ]
    else:
        places = [
            m.start()
            for m in re.finditer(r"(?<=[A-Za-z0-9 ])(?<!\\x)(?<!\\x.)[A-Za-z0-9]", value[:-1])
        ]
    if not places:
        return None
    at = dice.choice(places)
    return (
        value[:at]
        + dice.choice([c for c in "qjvz7" if c.lower() != value[at].lower()])
        + value[at + 1 :]
    )


def _other_condition(dice: random.Random, text: str) -> str | None:
    numbers = list(re.finditer(r"(?<![\w.\"%])\d+(?![\w.%])", text))
    operators = list(re.finditer(r" (and|or|==|!=|<|>|<=|>=|\+|\*) ", text))
    places = numbers + operators
    if not places:
        return None
    found = dice.choice(places)
    if found in numbers:
        new = str(int(found[0]) + 1)
    else:
        swap = {"and": "or", "or": "and", "==": "!=", "!=": "==", "<": "<=", ">": ">=", "<=": "<",
                ">=": ">", "+": "*", "*": "+"}  # fmt: skip
        new = f" {swap[found[1]]} "
    return text[: found.start()] + new + text[found.end() :]

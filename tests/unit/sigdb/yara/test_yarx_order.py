"""All that conditions of YARA-X may ask for is told apart, and the same in any order of rules."""

from __future__ import annotations

import random
import re

from tests.unit.sigdb.yara import engines
from verifier.sigdb.yarx import FAMILY

MODULES = (
    "pe", "hash", "math", "console", "time", "string", "elf", "macho", "dotnet", "vt", "lnk",
    "cuckoo", "dex", "crx",
)  # fmt: skip
ANY = (
    'for any k, v in pe.version_info : (k == "CompanyName" and v contains "x")',
    "pe.exports(/foo.*/i)", "pe.imports(/kern.*/, /Cre.*/) > 2",
    'pe.exports("abc") and pe.exports_index("abc") == 3',
    'for any s in pe.signatures : (s.issuer contains "abc" and s.valid_on(123))',
    'pe.version_info["A"] == "b" or pe.version_info["C"] icontains "d"',
    'for all i in (0..pe.number_of_sections - 1) : (pe.sections[i].name != ".text")',
    'hash.md5(0, filesize) == "d41d8cd98f00b204e9800998ecf8427e" or hash.sha256(0,100) == "abc"',
    'for any h in ("aaa","bbb","ccc") : (hash.md5(0,10) == h)', 'console.log("hello ", 3)',
    'console.log("hello") and console.hex("x: ", 255)',
    "math.in_range(math.entropy(0, 100), 1.5, 2.5)",
    'math.to_string(5) == "5" and math.max(1,2) == 2', "time.now() > 100",
    'string.length("abc" ) == 3 and string.to_int(v) == 7', 'v iequals "ABC"',
    'v startswith "x" and v endswith "y" and v istartswith "q" and v iendswith "r"',
    "v matches /a.b/ and not v matches /c.d/s", "not defined pe.dll_name",
    "defined pe.dll_name and pe.dll_name matches /\\.dll$/i",
    "elf.type == elf.ET_DYN and elf.machine == elf.EM_X86_64",
    "macho.cputype == 5 or for any f in macho.file : (f.cputype == 7)",
    'dotnet.is_dotnet and dotnet.assembly.name == "abc"',
    'for any r in dotnet.resources : (r.name == "abc")', "pe.is_signed and pe.timestamp > 1000",
    "uint32(uint32(0x3c)) == 0x4550", "filesize > 10KB and filesize < 1MB",
    "1.5 + n > 3 and n % 3 == 1 and n \\ 2 == 0 and -n < 3 and ~n != 4",
    "n << 3 == 8 or n >> n == 0",
    'with a = pe.number_of_sections, b = "zz" : (a > 3 and v contains b)',
    "lnk.is_lnk and lnk.name matches /x/", "cuckoo.network.http_request(/evil.*/)",
    "cuckoo.sync.mutex(/mu.*/) > 0", 'dex.contains_string("abc")', 'crx.is_crx and crx.id == "abc"',
    "for any i in (1, 5, n) : (i > 3)", "for 2 i in (1..n) : (i % 2 == 0)",
    'any of ("x" == v, n > 3, "y" contains v)', '2 of (n > 3, v == "q", n == 7)',
    'v == "a" or v == "b" or v == "c" or v == "d" or n == 3', 'v != "a" and v != "b" and v != "c"',
    '"abc" == v', '(v == "m1" and n == 1) or (v == "m2" and n == 2)',
    "for any s in pe.sections : (s.name matches /\\.te.t/ and s.raw_data_size > 3)",
    'for any s in pe.sections : (s.name == "UPX0" or s.name == "UPX1" or s.name == ".vmp")',
    'for any i in pe.import_details : ( for any f in i.functions : ( f.name == "abc" ) )',
    "pe.rich_signature.version(3) > 2", 'pe.imphash() == "abcdef"', 'v contains "\\x00\\xff"',
    'n == 1 and n == 2 and v == ""', 'for all x in ("a", v) : (x != "b")',
    'pe.sections[0].name == "abc"', "pe.data_directories[pe.IMAGE_DIRECTORY_ENTRY_EXPORT].size > 3",
    'for any s in ("x", "yy") : ( for any t in ("zz", v) : ( s == t ) )',
)  # fmt: skip
OF_PATTERNS = (
    "#a == 3", "@a > 3", "!a > 2", "@b[2] < @a[1]", "$a at pe.entry_point", "$a in (0..filesize)",
    "#a in (0..100) > 2", "for any i in (1..#a) : (@a[i] + 10 == @b[i])",
    "for any of ($a,$b) : ($ at 10)", "for all of them : (@ > 3 and # > 1 and ! > 2)",
    "all of ($a*) and any of ($b,$c)", "none of ($a,$c)", "any of them in (1..2)",
    "all of them at 3", "30% of them", "#a + #b > 3", "(#a * 2) of them", "with x = #a : (x > 3)",
    "for any i in (@a[1], @b[1], @c[2]) : (uint8(i) == 3)",
    "for any i in (1..3) : ( for any of them : ( $ at i ) )", "any of (p0, p1) and any of them",
    "p1 and not p0 and all of them", "2 of (p0,p1,p7)", "#c", "$a and $b and $c", "$a or $b",
    "not ($a or $b) and $c", "$a and ($b or $c)", "($a and $b) or ($b and $c)",
    "any of ($a,$b) and any of ($b,$c)", "1 of ($a,$b) or 2 of ($b,$c) or all of them",
)  # fmt: skip
ASKED = tuple(f"rule p{number} {{ condition: n == {number} }}" for number in range(9))
# Rules that come first give other numbers to all texts, expressions, sets and patterns.
OTHERS = (
    'rule f0 { strings: $x = "wwww" $y = /zz[0-9]q/ condition: any of them and v == "filler" }',
    "rule f2 { condition: v matches /fil.er/ or v matches /fil.er2/ or v matches /fi[l].3/ }",
    'rule f1 { condition: v contains "l1" or v contains "l2" or v contains "l3" }',
)
_PLACES = re.compile(r"(?<![\w.\"])\d+(?![\w.])|\"\w(?=\w*\")")


def rules() -> list[str]:
    made = [f"rule r{number} {{ condition: {text} }}" for number, text in enumerate(ANY)]
    for number, text in enumerate(OF_PATTERNS):
        strings = f'$a = "ab{number}cd" $b = {{ 01 02 ?? {number:02X} 55 }} $c = "wwww"'
        condition = text if "them" in text else f"({text}) or any of them"
        made.append(f"rule s{number} {{ strings: {strings} condition: {condition} }}")
    return made


def compiled(made: list[str], *, other: bool) -> bytes:
    modules = [f'import "{name}"' for name in (reversed(MODULES) if other else MODULES)]
    parts = [*OTHERS, *modules, *ASKED, *made] if other else [*modules, *ASKED, *made, *OTHERS]
    values: dict[str, object] = {"n": 3, "v": "bar"} if other else {"v": "bar", "n": 3}
    return engines.yara_x_rules({"x": "\n".join(parts)}, **values)


def test_rules_in_another_order_are_equal() -> None:
    made = rules()
    one = compiled(made, other=False)
    for seed in range(3):
        other = compiled(random.Random(seed).sample(made, len(made)), other=True)
        assert other != one
        assert engines.changes(FAMILY, one, other) == []


def test_another_number_or_text_in_a_condition_is_exactly_its_rule() -> None:
    made = rules()
    one = compiled(made, other=False)
    dice = random.Random(8)
    changed = 0
    for index in dice.sample(range(len(made)), 40):
        head, colon, condition = made[index].partition("condition:")
        places = list(_PLACES.finditer(condition))
        if not places:
            continue
        place = dice.choice(places)
        new = str(int(place[0]) + 1) if place[0].isdigit() else place[0] + "_"
        text = condition[: place.start()] + new + condition[place.end() :]
        others = [*made[:index], head + colon + text, *made[index + 1 :]]
        other = compiled(dice.sample(others, len(others)), other=True)
        name = head.split()[1]
        found = engines.changes(FAMILY, one, other)
        assert [item.where for item in found] == [f"x: {name}"], text
        changed += 1
    assert changed > 20

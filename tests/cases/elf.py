"""Cases of the ELF and kernel module rules."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from tests.cases import Case
from tests.cases import elf_build as make
from tests.cases.elf_permute import locals_reversed, strings_reversed
from tests.cases.elf_tampers import MODULE_TAMPERS, TAMPERS, flip
from verifier.formats.elf.header import SHT_SYMTAB

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cases.elf_tampers import Tamper

GO_NOTE = """
__asm__(".section .note.go.buildid,\\"a\\",@note\\n.long 4, SIZE, 4\\n.ascii \\"Go\\\\0\\\\0\\"\\n"
        ".ascii \\"TEXT\\"\\n.balign 4\\n.text");
int main(void) { return 0; }
"""
LINK = "section[.gnu_debuglink]"
NOTE = "section[.note.gnu.build-id]"


def go_source(text: str) -> str:
    """A program with a note as Go's linker writes it."""
    return GO_NOTE.replace("SIZE", str(len(text))).replace("TEXT", text)


def program(digits: str, *, link: bool = True) -> bytes:
    """The small program with that build-id."""
    return make.built(digits, link=link)[0]


def linked(option: str, linker: str = "bfd") -> bytes:
    """The small program, not stripped, by one of binutils' linkers."""
    return make.compiled(options=(f"-fuse-ld={linker}", f"-Wl,--build-id={option}"))


def two_notes(digit: str) -> bytes:
    """A program with two build-ids, of which readers take one or the other."""
    second = (
        '__asm__(".section .note.other,\\"a\\",@note\\n.long 4, 8, 3\\n.ascii \\"GNU\\\\0\\"\\n'
    )
    source = f'{second}.ascii \\"{digit * 8}\\"\\n.text");\n{make.PROGRAM}'
    return make.compiled(source, (f"-Wl,--build-id=0x{'aa' * 20}",))


def _case(
    rule: str,
    name: str,
    shipped: Callable[[], bytes],
    rebuilt: Callable[[], bytes],
    where: str = "",
) -> Case:
    expected: Literal["settled", "caught"] = "caught" if where else "settled"
    return Case(rule, name, lambda: (shipped(), rebuilt()), expected, where)


def cases() -> list[Case]:
    """Every ELF and module rule: what it settles, and what it must not hide."""
    groups = (_identifiers, _debug_links, _debugalt, _debugdata, _dynamic, _locals, _modules)
    return [case for group in groups for case in group()]


def _identifiers() -> list[Case]:
    plain = partial(linked, "0x" + "ab" * 20)
    gold = partial(linked, "0x" + "ab" * 20, "gold")
    short = (partial(linked, "0xaaaaaaaa"), partial(linked, "0xbbbbbbbb"))
    go = [partial(make.compiled, go_source(text)) for text in ("abc/def/xyz", "abc/dEf/xyz")]
    return [
        _case("elf.build-id", "another build-id", plain, partial(linked, "0x" + "cd" * 20)),
        _case("elf.build-id", "a build-id of four bytes", *short, where=f"{NOTE}.desc"),
        _case(
            "elf.build-id",
            "one of two build-ids",
            lambda: two_notes("a"),
            lambda: two_notes("b"),
            ".note.other].desc",
        ),
        _case("elf.build-id-hash", "gold's own hash", partial(linked, "sha1", "gold"), gold),
        _case("elf.build-id-hash", "four bytes are no hash", *short, where=f"{NOTE}.desc"),
        _case("elf.go-build-id", "another Go build-id", *go),
        _case(
            "elf.go-build-id",
            "a control character in it",
            lambda: flip("section[.note.go.buildid].desc", 3)(go[0]()),
            go[1],
            "section[.note.go.buildid].desc",
        ),
    ]


def _debug_links() -> list[Case]:
    elsewhere = TAMPERS["debug link to another path"][0]
    one, other = (partial(program, digits) for digits in ("aa", "bb"))
    bare = partial(program, "aa", link=False)
    name, crc = f"{LINK}.name", f"{LINK}.crc"
    moved = partial(_changed, elsewhere, one)
    # Rule elf.debuglink-crc needs the debug file beside the program: test_elf.py has its cases.
    return [
        _case("elf.debuglink-name", "follows the build-id", one, other),
        _case("elf.debuglink-name", "another path", moved, other, name),
        _case("elf.debuglink-crc-unverified", "no debug file", one, other),
        _case("elf.debuglink-crc-unverified", "no debug link in the rebuild", one, bare, crc),
        _with(_case("elf.debuglink-crc", "the debug file lies beside it", one, other), _debug_file),
        _case("elf.debuglink-crc", "no debug link in the rebuild", one, bare, crc),
    ]


def _dynamic() -> list[Case]:
    plain = make.versioned
    other = partial(_changed, strings_reversed, plain)
    found = []
    for name, label, at in (
        ("strings", ".dynstr", 3),
        ("symbols", ".dynsym", -16),
        ("entries", ".dynamic", 8),
        ("versions-needed", ".gnu.version_r", 16),
        ("versions-defined", ".gnu.version_d", 8),
    ):
        rule, where = f"elf.dynamic-{name}", f"section[{label}]"
        wrong = partial(_changed, flip(where, at), other)
        found.append(_case(rule, "another order of strings", other, plain))
        found.append(_case(rule, f"{label} changed beside it", wrong, plain, label))
    return found


def _locals() -> list[Case]:
    plain = partial(make.compiled, make.OBJECT, ("-c", "-O2", "-fPIC"))
    other = partial(_changed, locals_reversed, plain)
    names = partial(_changed, partial(strings_reversed, kind=SHT_SYMTAB), other)
    found = []
    for name, label, at, made, told in (
        ("table", ".symtab", -8, other, ".symtab"),
        ("relocations", ".rela.text", 16, other, "file: a"),  # the function that refers to it
        ("strings", ".strtab", 3, names, ".strtab"),
    ):
        rule, where = f"elf.symbols-{name}", f"section[{label}]"
        wrong = partial(_changed, flip(where, at), made)
        found.append(_case(rule, "another order of local symbols", made, plain))
        found.append(_case(rule, f"{label} changed beside it", wrong, plain, told))
    return found


def _modules() -> list[Case]:
    one, other = (partial(make.signed_module, name) for name in ("one", "two"))
    tail, pad = (partial(_changed, MODULE_TAMPERS[name][0], one) for name in ("DER tail", "pad"))
    return [
        _with(_case("kmod.signature", "the expected signer", one, other), _certificate),
        _case("kmod.signature", "bytes after the CMS", tail, other, "signature"),
        _case("kmod.signature-unverified", "another signer", one, other),
        _case("kmod.signature-unverified", "bytes after the CMS", tail, other, "signature"),
        _case("kmod.trailer-constant", "signed against unsigned", one, make.unsigned_module),
        _case("kmod.trailer-constant", "a reserved byte set", pad, other, "signature[trailer].pad"),
    ]


def _certificate() -> dict[str, Any]:
    return {"certificates": (make.key("one")[1],)}


def _debug_file() -> dict[str, Any]:
    return {"siblings": {f"{'aa' * 19}.debug": make.built("aa")[1]}}


def _with(case: Case, settings: Callable[[], dict[str, Any]]) -> Case:
    return replace(case, settings=settings)


def _debugalt() -> list[Case]:
    """The link to debug data that dwz(1) took out of several files."""
    plain, other = (partial(make.with_altlink, digits) for digits in ("aa", "bb"))
    elsewhere = partial(make.with_altlink, "bb", "/tmp/elsewhere.debug")
    name, where = "elf.debugaltlink", "section[.gnu_debugaltlink]"
    return [
        _case(name, "another shared debug file", other, plain),
        _case(name, "another path", elsewhere, plain, where),
        _case(name, "only one has it", other, partial(program, "aa"), where),
    ]


def _debugdata() -> list[Case]:
    """Compressed symbols: of other contents, and of settings that no packer uses."""
    plain, other = (partial(make.with_debugdata, digits) for digits in ("aa", "bb"))
    odd = partial(make.with_debugdata, "aa", "--lzma2=preset=6,dict=5MiB")
    name = "elf.gnu-debugdata"
    return [
        _case(name, "other contents", other, plain),
        _case(name, "settings that nobody uses", odd, plain, "gnu_debugdata"),
    ]


def _changed(tamper: Tamper, make_it: Callable[[], bytes]) -> bytes:
    return tamper(make_it())

"""Assemblies of .NET: real neighbours, what stays unsaid, another reader's view, broken ones."""

import random
from functools import cache

import dnfile
import pytest

from tests.unit.semantic.made import explained, member, told
from verifier.errors import VerifierError
from verifier.formats.base import Side
from verifier.formats.pe.layout import layout
from verifier.semantic import dotnet
from verifier.semantic.dotnet import il
from verifier.semantic.dotnet.assembly import Assembly
from verifier.semantic.dotnet.metadata import Metadata

RUNTIME = "pythonnet/runtime/Python.Runtime.dll"
LOADER = "clr_loader/ffi/dlls/amd64/ClrLoader.dll"


@cache
def runtime(version: str) -> bytes:
    return member("pythonnet", version, RUNTIME, "any")


@cache
def other_view() -> dnfile.dnPE:
    """The same assembly, as an independent reader sees it."""
    return dnfile.dnPE(data=runtime("3.0.5"))


def side(data: bytes) -> Side:
    return Side(memoryview(data), layout(memoryview(data)))


def test_pythonnet_3_0_5_after_3_0_4() -> None:
    """A new version of Python to support, one function replaced, one gone, the version."""
    found = explained(runtime("3.0.5"), runtime("3.0.4"))
    names = "Python.Runtime.Runtime"
    types = told(found.differences, "type-")
    assert set(types) == {
        ("type-added", "Python.Runtime.TypeOffset313"),
        ("type-changed", f"{names}/Delegates"),
    }
    functions = told(found.differences, "function-")
    state = "() : Python.Runtime.Native.PyThreadState*"
    assert ("function-added", f"{names}::PyThreadState_GetUnchecked{state}") in functions
    assert ("function-removed", f"{names}::_PyThreadState_UncheckedGet{state}") in functions
    assert ("function-removed", f"{names}::Py_Main(int32, string[]) : int32") in functions
    assert {where for kind, where in functions if kind == "function-changed"} == {
        "Python.Runtime.PythonEngine::get_MaxSupportedVersion() : System.Version",
        f"{names}::Shutdown()",
        f"{names}/Delegates::.cctor()",
    }
    said = functions[("function-changed", f"{names}/Delegates::.cctor()")]
    assert "Texts added: 'PyThreadState_GetUnchecked'; texts removed: 'Py_Main'" in said
    assert told(found.differences, "build-setting", "identifier") == {
        ("build-setting", "AssemblyFileVersion"): 'Shipped "3.0.5.0", rebuilt "3.0.4.0".',
        ("build-setting", "AssemblyInformationalVersion"): 'Shipped "3.0.5", rebuilt "3.0.4".',
        (
            "identifier",
            "assembly",
        ): "Shipped Python.Runtime 3.0.5.0, rebuilt Python.Runtime 3.0.4.0.",
        ("identifier", "MVID"): "Shipped 4c57922b-a7ce-4753-a801-bba125b62f75, rebuilt "
        "e8135b23-d906-4b84-a255-057569ff100a; it follows from the content, or is random.",
    }
    assert not told(found.differences, "import", "needed", "dependency", "layout")
    assert "1 type added: Python.Runtime.TypeOffset313" in found.summary
    assert "no new imports" in found.summary


def test_clr_loader_0_2_10_after_0_2_9_was_only_built_again() -> None:
    found = explained(*(member("clr-loader", each, LOADER, "any") for each in ("0.2.10", "0.2.9")))
    said = told(found.differences, "identifier")
    assert list(said) == [("identifier", "MVID")]
    assert "types, methods, references and resources are the same" in said[("identifier", "MVID")]
    assert not told(found.differences, "type", "function", "needed", "import", "build-setting")


def test_the_same_assembly_says_nothing() -> None:
    assert not list(dotnet.differences(side(runtime("3.0.5")), side(runtime("3.0.5"))))


def _patched(old: bytes, new: bytes) -> set[tuple[str, str]]:
    base = runtime("3.0.5")
    assert len(old) == len(new)
    assert base.count(old) == 1
    return set(told(explained(base.replace(old, new), base).differences, "function", "type"))


def test_one_text_that_code_loads() -> None:
    old = "PyThreadState_GetUnchecked".encode("utf-16-le")
    assert _patched(old, old.replace(b"U", b"V")) == {
        ("function-changed", "Python.Runtime.Runtime/Delegates::.cctor()")
    }


def test_one_instruction() -> None:
    base = runtime("3.0.5")
    assembly = Assembly(Metadata(side(base)))
    name = "Python.Runtime.PythonEngine::get_MaxSupportedVersion() : System.Version"
    method = assembly.methods()[name]
    at = side(base).layout.info.offset_of(method.address)
    body = il.cut(assembly.metadata.at_address(method.address))
    place = at + 1 + body.code.index(b"\x1f\x0d")  # ldc.i4.s 13
    other = base[: place + 1] + b"\x63" + base[place + 2 :]
    functions = told(explained(other, base).differences, "function", "type")
    assert functions == {("function-changed", name): "1 of 6 instructions differ."}


def test_a_call_that_is_aimed_at_another_method() -> None:
    """Tokens of one table: the bytes differ in one number, the report says which call."""
    base = runtime("3.0.5")
    assembly = Assembly(Metadata(side(base)))
    name = "Python.Runtime.Runtime::Shutdown()"
    method = assembly.methods()[name]
    at = side(base).layout.info.offset_of(method.address)
    code = il.cut(assembly.metadata.at_address(method.address)).code
    call = code.index(b"\x28")
    place = at + 12 + call + 1
    token = int.from_bytes(base[place : place + 4], "little")
    other = base[:place] + (token + 1).to_bytes(4, "little") + base[place + 4 :]
    functions = told(explained(other, base).differences, "function", "type")
    assert list(functions) == [("function-changed", name)]
    assert "alls added: " in functions[("function-changed", name)]


def test_a_native_call_and_a_managed_resource() -> None:
    base = runtime("3.0.5")
    other = base.replace(b"\0LoadLibrary\0", b"\0FreeLibrarz\0")
    found = told(explained(other, base).differences, "import")
    assert {("import-removed", "kernel32.dll!LoadLibrary")} < set(found)
    assert any(where.endswith("!FreeLibrarz") for _kind, where in found)
    assembly = Assembly(Metadata(side(base)))
    items = other_view().net.resources
    names = {str(item.name) for item in items}
    assert set(assembly.resources()) == names
    assert "clr.py" in names
    text = next(item.data for item in items if item.name == "clr.py")
    assert base.count(text) == 1
    other = base.replace(text, b"#" + text[1:])
    found = told(explained(other, base).differences, "resource", "function", "type")
    assert list(found) == [("resource-changed", "clr.py")]


def test_another_reader_sees_the_same_rows() -> None:
    """dnfile is an independent reader of the same tables."""
    assembly = Assembly(Metadata(side(runtime("3.0.5"))))
    tables = other_view().net.mdtables
    types = [
        f"{row.TypeNamespace}.{row.TypeName}" if str(row.TypeNamespace) else str(row.TypeName)
        for row in tables.TypeDef
    ]
    own = {name.rpartition("/")[2].rpartition(".")[2] for name in assembly.types()}
    assert len(types) == len(assembly.metadata.table(2))
    assert {name.rpartition(".")[2] for name in types if "<" not in name} <= own
    methods = [str(row.Name) for row in tables.MethodDef]
    assert len(methods) == len(assembly.methods())
    assert assembly.references() == {
        str(row.Name): f"{row.MajorVersion}.{row.MinorVersion}.{row.BuildNumber}"
        f".{row.RevisionNumber}"
        for row in tables.AssemblyRef
    }
    assert assembly.mvid() == str(tables.Module[0].Mvid).lower()
    for name, method in assembly.methods().items():
        body = assembly.body(method)
        assert (body is None) == (method.address == 0), name


@pytest.mark.parametrize("seed", range(4))
def test_broken_metadata_raises_nothing_else(seed: int) -> None:
    base = member("clr-loader", "0.2.10", LOADER, "any")
    good = side(base)
    metadata = base.index(b"BSJB")
    chance = random.Random(seed)
    for _ in range(150):
        broken = bytearray(base)
        for _ in range(chance.randrange(1, 8)):
            broken[chance.randrange(metadata - 2500, metadata + 2500)] = chance.randrange(256)
        try:
            other = side(bytes(broken))
        except VerifierError:
            continue
        for pair in ((other, good), (good, other)):
            try:
                list(dotnet.differences(*pair))
            except VerifierError:
                continue

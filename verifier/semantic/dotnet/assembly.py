"""One assembly as its parts by name: types, methods, references, resources, attributes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from verifier.errors import LimitError
from verifier.formats.base import text
from verifier.semantic.dotnet import il, schema
from verifier.semantic.dotnet.metadata import compressed
from verifier.semantic.dotnet.names import Names

if TYPE_CHECKING:
    from verifier.semantic.dotnet.metadata import Metadata

_CODE: Final = 8 << 20  # bytes of method bodies that are compared


class Method(NamedTuple):
    """A method: its name with arguments, its flags, and where its body is (0: nowhere)."""

    name: str
    flags: tuple[int, int]
    address: int


class Assembly:
    """What an assembly holds, by name. Each part is read when it is asked for."""

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata
        self.names = Names(metadata)
        self._read = 0

    def identity(self) -> str:
        """`Name 1.2.3.4`; the module's name where it is no assembly."""
        for row in self.metadata.table(schema.ASSEMBLY):
            version = ".".join(map(str, row[1:5]))
            return f"{self.metadata.string(row[7])} {version}"
        return ""

    def mvid(self) -> str:
        """The identifier of this build of the module."""
        return next((self.metadata.guid(row[2]) for row in self.metadata.table(schema.MODULE)), "")

    def references(self) -> dict[str, str]:
        """Version by name of each assembly that it refers to."""
        return {
            self.metadata.string(row[6]): ".".join(map(str, row[:4]))
            for row in self.metadata.table(schema.ASSEMBLY_REF)
        }

    def imports(self) -> set[str]:
        """Native functions that it calls (P/Invoke)."""
        rows = self.metadata.table(schema.IMPL_MAP)
        return {
            f"{self.names.of(schema.MODULE_REF, row[3])}!{self.metadata.string(row[2])}"
            for row in rows
        }

    def types(self) -> dict[str, tuple[str, ...]]:
        """What each type is made of, its methods aside: flags, base, interfaces, fields."""
        data, names = self.metadata, self.names
        parts: dict[int, list[str]] = {}
        for index, row in enumerate(data.table(schema.TYPE_DEF), 1):
            base = names.of(*schema.coded("TypeDefOrRef", row[3]))
            parts[index] = [f"flags {row[0]:#x}", f"base {base}"]
        for owner, interface in data.table(schema.INTERFACE):
            name = names.of(*schema.coded("TypeDefOrRef", interface))
            parts.setdefault(owner, []).append(f"interface {name}")
        constants = {row[1]: row for row in data.table(schema.CONSTANT)}
        for index, (flags, _name, blob) in enumerate(data.table(schema.FIELD), 1):
            field = names.of(schema.FIELD, index).rpartition("::")[2]
            shown = f"{field}{names.signature(data.blob(blob))}"
            constant = constants.get(index << 2)
            value = f" = {data.blob(constant[2]).hex()}" if constant else ""
            owner = names.field_owner.get(index, 0)
            parts.setdefault(owner, []).append(f"field {shown}{value} ({flags:#x})")
        return {
            names.of(schema.TYPE_DEF, index): tuple(found)
            for index, found in parts.items()
            if 0 < index <= len(data.table(schema.TYPE_DEF))
        }

    def methods(self) -> dict[str, Method]:
        """Every method by its full name; a name that comes twice gets a number."""
        found: dict[str, Method] = {}
        used: dict[str, int] = {}
        for index, row in enumerate(self.metadata.table(schema.METHOD), 1):
            name = self.names.of(schema.METHOD, index)
            used[name] = used.get(name, 0) + 1
            key = name if used[name] == 1 else f"{name}#{used[name]}"
            found[key] = Method(key, (row[1], row[2]), row[0])
        return found

    def body(self, method: Method) -> il.Body | None:
        """Its code with names; None for methods without code in this file."""
        if not method.address or method.flags[0] & 3:  # native or runtime
            return None
        raw = il.cut(self.metadata.at_address(method.address))
        self._read += len(raw.code)
        if self._read > _CODE:
            raise LimitError(f"More than {_CODE >> 20} MiB of method bodies are not compared.")
        return il.body(raw, self.names)

    def resources(self) -> dict[str, str]:
        """SHA-256 by name of each managed resource; its place where it is in another file."""
        result = {}
        for offset, _flags, name, where in self.metadata.table(schema.RESOURCE):
            place = schema.coded("Implementation", where)
            shown = self.metadata.string(name)
            if place[1]:
                result[shown] = f"in {self.names.of(*place)}"
            else:
                content = self.metadata.resource(offset)
                digest = hashlib.sha256(content).hexdigest()
                result[shown] = f"{len(content)} bytes, SHA-256 {digest[:16]}…"
        return result

    def attributes(self) -> dict[str, str]:
        """The first text of each attribute of the assembly itself."""
        result = {}
        for parent, kind, value in self.metadata.table(schema.ATTRIBUTE):
            if schema.coded("HasCustomAttribute", parent)[0] != schema.ASSEMBLY:
                continue
            named = self.names.of(*schema.coded("CustomAttributeType", kind))
            name = named.partition("::")[0].rpartition(".")[2].removesuffix("Attribute")
            blob = self.metadata.blob(value)
            result[name] = _texts(blob) if "(string" in named else blob.hex()[:80]
        return result


def _texts(blob: bytes) -> str:
    """The first argument, a text (II.23.3)."""
    if blob[:2] != b"\1\0" or blob[2:3] == b"\xff":
        return ""
    size, at = compressed(blob, 2)
    return text(blob[at : at + size])

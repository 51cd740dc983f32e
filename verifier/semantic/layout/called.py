"""What people call an address of an image: its symbol, an imported function, a text, a role."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verifier.formats.base import text
from verifier.formats.pe import loadconfig
from verifier.formats.pe.meaning import delayed, eager
from verifier.semantic.demangle import demangled, shown
from verifier.semantic.layout.listing import string_at

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.pe.headers import Image
    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.program import Ints, Piece

_STUB = 16  # bytes of a linker's stub
_JUMP = b"\xff\x25"  # jmp [disp32]
_BEFORE = (
    b"",
    b"\x48",
    b"\xf2",
    b"\xf3\x0f\x1e\xfa",
    b"\xf3\x0f\x1e\xfa\xf2",
)  # REX.W, bnd, endbr64
_FIRST = frozenset((before + _JUMP)[0] for before in _BEFORE)
_TELLING = 6  # characters of a text with its quotes, by which one may know a function
_TEXTS = 12  # references of one function among which a telling text is looked for


def imported(symbol: str) -> str:
    """The function that a slot's symbol names: `KERNEL32!CreateFileW`, `memcpy`.

    Slots of PE images are `KERNEL32.dll!CreateFileW (hint 203)`, those of ELF images
    `7:memcpy@GLIBC_2.14/True`.
    """
    library, mark, name = symbol.partition("!")
    if mark and "." in library:
        stem, _, last = library.rpartition(".")
        return f"{stem if last.lower() == 'dll' else library}!{name.partition(' (hint ')[0]}"
    return demangled(symbol.partition(":")[2].split("@")[0] or symbol)


def known(data: Buffer, image: Image) -> dict[int, str]:
    """Slots of a PE image that hold a function's address, by what Microsoft's tools call them."""
    base = image.optional["ImageBase"]
    configured = loadconfig.values(data, image)
    found = {
        configured[field] - base: name
        for field, name in loadconfig.CALLED.items()
        if configured.get(field)
    }
    slots = delayed(data, image) | eager(data, image)
    return found | {at: imported(symbol) for at, symbol in slots.items()}


def jump_slot(raw: bytes, at: int, *, wide: bool, base: int = 0) -> int | None:
    """The address of the slot through which the code at `at` jumps at once; None if it does not.

    Args:
        raw: the code from `at` on.
        at: its address.
        wide: whether it is 64-bit code, where the slot's distance is meant.
        base: what 32-bit code adds to addresses.
    """
    for before in _BEFORE:
        head = before + _JUMP
        if raw.startswith(head) and len(raw) >= len(head) + 4:
            word = raw[len(head) : len(head) + 4]
            if wide:
                return at + len(head) + 4 + int.from_bytes(word, "little", signed=True)
            return int.from_bytes(word, "little") - base
    return None


class Called:
    """Names for the addresses of one image, each looked for once. For reports alone."""

    def __init__(self, image: Assembled) -> None:
        self._image = image
        self._leads: dict[int, str] = {}
        self._roles: dict[int, str] = {}
        self._symbols = _symbols(image)
        self._order: tuple[Ints, Ints] | None = None

    def plain(self, address: int) -> str:
        """A symbol, a text, an import, or else the section and the offset in it."""
        image = self._image
        known = address in image.program.names
        if named := self.leads_to(address):  # first, since numbers in a slot may look like text
            return named
        if not known and (quoted := string_at(image, address)):
            return quoted
        piece = image.piece_at(address)
        start = image.atom(address)
        if not known and start in image.program.names and piece is not None and piece.code:
            return f"{image.program.label(start)}+{address - start:#x}"
        return image.program.label(address)

    def leads_to(self, address: int) -> str:
        """The imported function that is behind an address: of a slot, a stub or a thunk."""
        if address not in self._leads:
            piece = self._image.piece_at(address)
            self._leads[address] = self._through(piece, address) if piece is not None else ""
        return self._leads[address]

    def name(self, address: int) -> str:
        """Its symbol, text or import; empty where it has a place alone."""
        program = self._image.program
        if address in program.names and not self.leads_to(address):
            return _readable(program.names[address][0])
        piece = self._image.piece_at(address)
        start = self._image.atom(address) if piece is not None and piece.code else address
        if start != address and start in program.names:
            return f"{_readable(program.names[start][0])}+{address - start:#x}"
        plain = self.plain(address)
        return plain if plain != program.label(address) else ""

    def known_by(self, address: int) -> str:
        """Its place, and where it is an unnamed function, by what one may know it."""
        if address not in self._roles:
            piece = self._image.piece_at(address)
            begins = piece is not None and piece.code and self._image.atom(address) == address
            role = self.role(address) if begins else ""
            self._roles[address] = self.plain(address) + (f" ({role})" if role else "")
        return self._roles[address]

    def role(self, start: int) -> str:
        """What the unnamed function at `start` is known by: its only named caller, or its text."""
        image = self._image
        if self._order is None:
            order = np.argsort(image.slots.target, kind="stable")
            self._order = order, image.slots.target[order]
        first, last = np.searchsorted(self._order[1], (start, start + 1))
        places = image.slots.at[self._order[0][first:last][:_STUB]].tolist()
        for at in places:
            piece = image.piece_at(at)
            caller = image.atom(at) if piece is not None and piece.code else -1
            if caller in image.program.names and caller != start:
                more = f" and {len(places) - 1} more" if len(places) > 1 else ""
                return f"called by {_readable(image.program.names[caller][0])}{more}"
        return self.uses(start)

    def uses(self, start: int) -> str:
        """The longest of the first texts that a function refers to, or an import."""
        image = self._image
        index = int(np.searchsorted(image.starts, start, side="right"))
        end = int(image.starts[index]) if index < len(image.starts) else start + (1 << 16)
        targets = image.slots.target[image.slots.between(start, end)].tolist()
        texts = [self._telling(target) for target in targets[: 8 * _TEXTS]]
        best = max(texts[:_TEXTS], key=len, default="") or next(filter(None, texts), "")
        if best:
            return f"uses {best}"
        for target in targets[:_TEXTS]:
            if named := self.leads_to(target):
                return f"uses {named}"
        return ""

    def _telling(self, address: int) -> str:
        """A text that one may know a function by; numbers in a slot may look like a short one."""
        quoted = "" if self.leads_to(address) else string_at(self._image, address)
        return quoted if len(quoted) >= _TELLING else ""

    def _through(self, piece: Piece, address: int) -> str:
        """The imported function that a slot holds, or to which a stub or a thunk leads on."""
        image = self._image
        if address in image.program.known:
            return image.program.known[address]
        if (symbol := self._symbols.get(address)) and (piece.made or "!" in symbol):
            return imported(symbol)
        if piece.made and piece.code and (stub := _stub(image, piece, address)):
            return stub
        return self._jumps_on(piece, address)

    def _jumps_on(self, piece: Piece, address: int) -> str:
        """The imported function that code jumps to at once, through its slot."""
        program = self._image.program
        if not piece.code or piece.data is None or not program.machine.startswith("x86"):
            return ""
        inside = address - piece.address
        if inside >= len(piece.data) or piece.data[inside] not in _FIRST:
            return ""
        raw = bytes(piece.data[inside : inside + _STUB])
        slot = jump_slot(raw, address, wide=program.machine == "x86-64", base=program.base)
        symbol = self._symbols.get(slot) if slot is not None else None
        return imported(symbol) if symbol else program.known.get(slot or -1, "")


def _symbols(image: Assembled) -> dict[int, str]:
    """The symbol whose address the loader writes, by the slot."""
    chosen = np.flatnonzero(image.slots.symbol)
    rows = zip(image.slots.at[chosen].tolist(), image.slots.symbol[chosen].tolist(), strict=True)
    return {at: image.program.symbols[number] for at, number in rows}


def _stub(image: Assembled, piece: Piece, address: int) -> str:
    """The name of the imported function that a linker's stub stands for."""
    slots = image.slots
    for index in range(
        *slots.between(address, min(address + _STUB, piece.end)).indices(len(slots))
    ):
        if symbol := int(slots.symbol[index]):
            return imported(image.program.symbols[symbol])
        inner = slots.between(int(slots.target[index]), int(slots.target[index]) + 1)
        if inner.start < inner.stop and (symbol := int(slots.symbol[inner.start])):
            return imported(image.program.symbols[symbol]) + "@plt"
    return ""


def _readable(symbol: str) -> str:
    return shown(text(symbol.encode("utf-8", "surrogateescape")))

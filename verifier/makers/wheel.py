"""The build back-end of a wheel, as its WHEEL file names it (PyPA, binary distribution format)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verifier.formats.base import text

if TYPE_CHECKING:
    from verifier.formats.base import Side

_READ: Final = 1 << 16
_KEYS: Final = {"Generator": "wheel generator", "Wheel-Version": "wheel format"}


def said(side: Side, _name: str) -> dict[str, str]:
    """The values of `Generator` and `Wheel-Version`."""
    found = {}
    for line in bytes(side.data[:_READ]).splitlines():
        key, colon, value = text(line, 400).partition(": ")
        if colon and key in _KEYS:
            found[_KEYS[key]] = value.strip()
    return found

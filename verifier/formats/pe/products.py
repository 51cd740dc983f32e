"""Names of the tools that a Rich header counts objects of, as Microsoft's own files call them.

Microsoft documents none of it. The identifiers from Visual Studio 2008 on are public knowledge:
github.com/dishather/richprint (comp_id.txt), github.com/kirschju/richheader, System Informer.
They are facts about numbers; what is not in here is told by its number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

IMPORTS: Final = 1  # counts imported functions, and has no build
_TOOLS: Final = ("AliasObj", "Cvtpgd", "Cvtres", "Export", "Implib", "Linker", "Masm")
_COMPILERS: Final = (
    "C", "CPP", "CVTCIL_C", "CVTCIL_CPP", "LTCG_C", "LTCG_CPP", "LTCG_MSIL", "POGO_I_C",
    "POGO_I_CPP", "POGO_O_C", "POGO_O_CPP",
)  # fmt: skip
# First identifier of a release, the version of its linker, that of its compiler.
_RELEASES: Final = (
    (0xB5, 1010, 1610), (0xC7, 1100, 1700), (0xD9, 1200, 1800), (0xEB, 1210, 1810),
    (0xFD, 1400, 1900),
)  # fmt: skip
_OLDER: Final = (
    (0x83, ("Utc1500_C", "Utc1500_CPP", "Utc1500_C_Std", "Utc1500_CPP_Std", "Utc1500_CVTCIL_C",
            "Utc1500_CVTCIL_CPP", "Utc1500_LTCG_C", "Utc1500_LTCG_CPP", "Utc1500_LTCG_MSIL",
            "Utc1500_POGO_I_C", "Utc1500_POGO_I_CPP", "Utc1500_POGO_O_C", "Utc1500_POGO_O_CPP",
            "Cvtpgd1500", "Linker900", "Export900", "Implib900", "Cvtres900", "Masm900",
            "AliasObj900", "Resource", "AliasObj1000", "Cvtpgd1600", "Cvtres1000", "Export1000",
            "Implib1000", "Linker1000", "Masm1000")),
    (0xAA, tuple(f"Utc1600_{each}" for each in _COMPILERS)),
)  # fmt: skip


def _table() -> dict[int, str]:
    found = {IMPORTS: "Import0"}
    for first, names in _OLDER:
        found |= {first + index: name for index, name in enumerate(names)}
    for first, linker, compiler in _RELEASES:
        tools = [f"{each}{compiler if each == 'Cvtpgd' else linker}" for each in _TOOLS]
        names = (*tools, *(f"Utc{compiler}_{each}" for each in _COMPILERS))
        found |= {first + index: name for index, name in enumerate(names)}
    return found


PRODUCTS: Final = _table()


def name(product: int) -> str:
    """`Utc1900_C`; `tool 14` if it is unknown."""
    return PRODUCTS.get(product, f"tool {product}")


def by_tool(entries: Iterable[tuple[int, int]]) -> dict[int, dict[int, int]]:
    """How many objects each build of each tool made; the first word of an entry holds both."""
    found: dict[int, dict[int, int]] = {}
    for word, count in entries:
        builds = found.setdefault(word >> 16, {})
        builds[word & 0xFFFF] = builds.get(word & 0xFFFF, 0) + count
    return found

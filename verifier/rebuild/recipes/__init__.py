"""How sources become artifacts. One file per recipe; a new recipe is a file and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.rebuild.recipes.autotools import Autotools
from verifier.rebuild.recipes.cargo import Cargo
from verifier.rebuild.recipes.clamav_db import ClamavDatabase
from verifier.rebuild.recipes.cmake import CMake
from verifier.rebuild.recipes.command import Command
from verifier.rebuild.recipes.debian import Debian
from verifier.rebuild.recipes.go import Go
from verifier.rebuild.recipes.meson import Meson
from verifier.rebuild.recipes.mingw import Mingw
from verifier.rebuild.recipes.pypi import Pypi
from verifier.rebuild.recipes.ruleset import Ruleset
from verifier.rebuild.recipes.yara import Yara

if TYPE_CHECKING:
    from verifier.rebuild.recipes.base import Recipe

RECIPES: dict[str, type[Recipe]] = {
    "autotools": Autotools,
    "cargo": Cargo,
    "clamav-db": ClamavDatabase,
    "cmake": CMake,
    "command": Command,
    "debian": Debian,
    "go": Go,
    "meson": Meson,
    "mingw": Mingw,
    "pypi": Pypi,
    "ruleset": Ruleset,
    "yara": Yara,
}

__all__ = ["RECIPES"]

"""How sources become artifacts. One file per recipe; a new recipe is a file and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.rebuild.recipes.clamav_db import ClamavDatabase
from verifier.rebuild.recipes.command import Command
from verifier.rebuild.recipes.debian import Debian
from verifier.rebuild.recipes.pypi import Pypi
from verifier.rebuild.recipes.ruleset import Ruleset
from verifier.rebuild.recipes.yara import Yara

if TYPE_CHECKING:
    from verifier.rebuild.recipes.base import Recipe

RECIPES: dict[str, type[Recipe]] = {
    "clamav-db": ClamavDatabase,
    "command": Command,
    "debian": Debian,
    "pypi": Pypi,
    "ruleset": Ruleset,
    "yara": Yara,
}

__all__ = ["RECIPES"]

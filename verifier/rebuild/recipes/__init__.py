"""How sources become artifacts. One file per recipe; a new recipe is a file and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.rebuild.recipes.command import Command
from verifier.rebuild.recipes.debian import Debian
from verifier.rebuild.recipes.ruleset import Ruleset

if TYPE_CHECKING:
    from verifier.rebuild.recipes.base import Recipe

RECIPES: dict[str, type[Recipe]] = {
    "command": Command,
    "debian": Debian,
    "ruleset": Ruleset,
}

__all__ = ["RECIPES"]

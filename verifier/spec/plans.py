"""What the table `[build]` holds for builds by language and build system. Frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verifier.spec.locator import Locator

SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# 1980-01-01: the first moment that every archive can hold, zips included.
FIRST_EPOCH = 315_532_800

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PypiBuild:
    """An sdist built into a wheel by its own backend.

    `shipped` is the wheel that tells the backend's version and the epoch; None where nothing is
    known of it. `requirements` are added to those of the sdist; `before` (ISO 8601) is the moment
    after which no build requirement may have been uploaded; `python` is such as "3.11".
    """

    shipped: Locator | None = None
    requirements: tuple[str, ...] = ()
    before: str | None = None
    python: str | None = None
    environment: Pairs = ()
    source_date_epoch: int | None = None
    packages: tuple[str, ...] = ()
    recipe: str = "pypi"


@dataclass(frozen=True, slots=True)
class ToolBuild:
    """A tree built by one of the common build systems; `recipe` says which.

    `directory` is where it lies in the source; `arguments` go to what configures (or, for cargo
    and go, builds) it; `targets` are what is built; `outputs` are globs relative to the tree.
    `system` and `host` are of cross builds by MinGW: what builds, and for which machine.
    """

    recipe: str
    outputs: tuple[str, ...]
    directory: str = "."
    arguments: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    install: bool = True
    tests: bool = False
    trimpath: bool = False
    timestamps: bool = False
    system: str = "make"
    host: str = "x86_64-w64-mingw32"
    environment: Pairs = ()
    path: str = SEARCH_PATH
    source_date_epoch: int = FIRST_EPOCH
    packages: tuple[str, ...] = ()

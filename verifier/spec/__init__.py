"""The audit specification: one TOML file that says what is audited, and how.

`load(path)` reads it whole; `fixtures/specs/` holds a commented example for each recipe.
"""

from __future__ import annotations

from verifier.spec.load import load
from verifier.spec.locator import Locator
from verifier.spec.model import (
    ArchiveSource,
    Artifact,
    ClamavBuild,
    CommandBuild,
    DebianArchive,
    DebianBuild,
    DebianSource,
    DirectorySource,
    GitSource,
    Limits,
    Pins,
    PypiIndex,
    PypiSource,
    RulesetBuild,
    Sandbox,
    Signature,
    Signer,
    Spec,
    Waiver,
    YaraBuild,
)
from verifier.spec.plans import PypiBuild, ToolBuild

__all__ = [
    "ArchiveSource",
    "Artifact",
    "ClamavBuild",
    "CommandBuild",
    "DebianArchive",
    "DebianBuild",
    "DebianSource",
    "DirectorySource",
    "GitSource",
    "Limits",
    "Locator",
    "Pins",
    "PypiBuild",
    "PypiIndex",
    "PypiSource",
    "RulesetBuild",
    "Sandbox",
    "Signature",
    "Signer",
    "Spec",
    "ToolBuild",
    "Waiver",
    "YaraBuild",
    "load",
]

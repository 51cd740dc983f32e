"""From the audited source to the rebuilt artifacts, in a sandbox."""

from __future__ import annotations

from verifier.rebuild.model import Build, FailedBuildError
from verifier.rebuild.run import rebuild

__all__ = ["Build", "FailedBuildError", "rebuild"]

"""Why a rebuild differs: one condition of the build is varied at a time, and what moves is noted.

A baseline is built twice with everything held still: what differs then is chance. Each factor of
`factors.FACTORS` is varied alone in a build of its own, and built again where something moved, so
that chance is not taken for it. `places` says which difference from shipped stands where a factor
moves something. Nothing here touches a verdict.
"""

from __future__ import annotations

from verifier.diagnose.causes import explain
from verifier.diagnose.model import NONE, Diagnosis
from verifier.diagnose.run import Options, diagnose

__all__ = ["NONE", "Diagnosis", "Options", "diagnose", "explain"]

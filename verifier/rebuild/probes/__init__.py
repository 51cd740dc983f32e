"""Escape probes: real attempts to leave a sandbox. A new one is an entry in `PROBES`."""

from __future__ import annotations

from verifier.rebuild.probes import bounds, powers, reach
from verifier.rebuild.probes.base import Finding, Probe, Result

PROBES: tuple[Probe, ...] = (*reach.PROBES, *powers.PROBES, *bounds.PROBES)

__all__ = ["PROBES", "Finding", "Probe", "Result"]

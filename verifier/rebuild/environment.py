"""What a build found around it: packages with digests, and the versions of its tools."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.rebuild.dpkg import installed
from verifier.rebuild.model import Package
from verifier.rebuild.sandbox import Step

if TYPE_CHECKING:
    from verifier.rebuild.model import StepRecord
    from verifier.rebuild.root import Root
    from verifier.rebuild.sandbox.base import Sandbox

TOOLS = ("cc", "c++", "ld", "as", "make", "cmake", "meson", "rustc", "python3", "perl", "dh")
INFO = Path("/var/lib/dpkg/info")
_MARK = "@tool"
_PROBE = f"""
for tool in {" ".join(TOOLS)}; do
  command -v "$tool" >/dev/null || continue
  printf '{_MARK} %s %s\\n' "$tool" "$("$tool" --version 2>&1 </dev/null | grep -m1 '[0-9]')"
done
"""


def packages(root: Root | None) -> tuple[Package, ...]:
    """The packages of a root with their .debs' digests; else this machine's own, if it has dpkg."""
    if root is not None:
        return tuple(
            Package(deb.name, deb.version, deb.architecture, f"sha256:{deb.sha256}")
            for deb in root.packages
        )
    return tuple(
        Package(name, version, architecture, _listed(INFO, name, architecture))
        for name, version, architecture in sorted(installed(Path("/")))
    )


def tools(sandbox: Sandbox) -> tuple[StepRecord, dict[str, str]]:
    """Ask each common tool for its version, inside the sandbox: the first line with a digit."""
    log = sandbox.room.log
    start = log.size
    record = sandbox.run(Step("tools", ("/bin/sh", "-c", _PROBE), sandbox.tree, recorded=False))
    said = log.since(start, 1 << 16)
    found = re.findall(rf"^{_MARK} (\S+) (.+)$", said, re.MULTILINE)
    return record, {name: text.strip() for name, text in found}


def _listed(info: Path, name: str, architecture: str) -> str:
    """The digest of dpkg's list of MD5s; a package of no files has none."""
    for stem in (name, f"{name}:{architecture}"):
        try:
            content = (info / f"{stem}.md5sums").read_bytes()
        except OSError:
            continue
        return f"md5sums-sha256:{hashlib.sha256(content).hexdigest()}"
    return "none"

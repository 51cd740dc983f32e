"""Build requirements of Python: resolved by pip as of a day, pinned by digest, then fetched.

pip decides versions alone; each file is fetched by the verifier against the index's digest.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from verifier import limits, process
from verifier.errors import BuildError, SourceError
from verifier.rebuild.model import Package
from verifier.source.pypi import Published, fetch_published

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from verifier.rebuild.recipes.base import Job

LIST = "requirements.txt"
# How to reach an index is this machine's business; what to take from it is not.
_PASSED = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
           "PIP_CERT", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pin:
    """One wheel of the build environment, in exactly one version."""

    name: str
    version: str
    published: Published

    def package(self) -> Package:
        """Its line in the record of the environment."""
        return Package(self.name, self.version, "wheel", f"sha256:{self.published.sha256}")

    def line(self) -> str:
        """Its line in a requirements file that pip checks."""
        return f"{self.name}=={self.version} --hash=sha256:{self.published.sha256}\n"


def resolve(
    job: Job, wanted: Sequence[str], python: str, before: str | None = None
) -> tuple[Pin, ...]:
    """The wheels that satisfy `wanted` for one Python, uploaded before that moment; sorted.

    Raises:
        BuildError: nothing satisfies them; the sentence names the requirement.
        SourceError: the index cannot be reached.
    """
    if not wanted:
        return ()
    with job.cache.scratch() as work:
        return _resolve(job, wanted, python, before, work)


def _resolve(
    job: Job, wanted: Sequence[str], python: str, before: str | None, work: Path
) -> tuple[Pin, ...]:
    report = work / "pip-report.json"
    index = job.spec.pypi.index
    argv = [
        sys.executable, "-I", "-m", "pip", "install", "--dry-run", "--ignore-installed",
        "--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir",
        "--only-binary=:all:", "--index-url", index, "--python-version", python,
        "--target", str(work / "nowhere"), "--report", str(report),
    ]  # fmt: skip
    if before is not None:
        argv += ["--uploaded-prior-to", before]
    environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
    job.notify(f"resolving {', '.join(wanted)}"[: limits.TEXT])
    done = process.run(
        [*argv, "--", *wanted],
        seconds=limits.FETCH_SECONDS,
        environment={**environment, "PIP_CONFIG_FILE": os.devnull, "HOME": str(work)},
    )
    if done.status != 0 or not report.is_file():
        raise _cause(done.stderr.decode(errors="replace"), index, python, before)
    return tuple(sorted(_pins(report), key=lambda pin: pin.name))


def fetch(job: Job, pins: Sequence[Pin], into: Path) -> None:
    """Lay the pinned wheels, each held against its digest, and the file that pip checks them by."""
    for pin in pins:
        kept = fetch_published(pin.published, job.cache, job.notify)
        (into / kept.name).write_bytes(kept.read_bytes())
        (into / kept.name).chmod(0o644)
    (into / LIST).write_text("".join(pin.line() for pin in pins if pin.name != "pip"))
    (into / LIST).chmod(0o644)


def _pins(report: Path) -> list[Pin]:
    try:
        items: list[dict[str, Any]] = json.loads(report.read_bytes())["install"]
        pins = []
        for item in items:
            url = str(item["download_info"]["url"])
            digest = str(item["download_info"]["archive_info"]["hashes"]["sha256"])
            meta = item["metadata"]
            if not re.fullmatch("[0-9a-f]{64}", digest):
                raise SourceError(f"The index gives no SHA-256 for {url}.")
            file = Published(unquote(url.rsplit("/", 1)[-1]), url, digest)
            pins.append(Pin(str(meta["name"]), str(meta["version"]), file))
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"pip's report of build requirements cannot be read: {error!r}."
        ) from error
    return pins


def _cause(said: str, index: str, python: str, before: str | None) -> Exception:
    """One sentence for what pip printed."""
    when = f", uploaded before {before}" if before else ""
    gone = re.search(r"No matching distribution found for (.+)", said)
    clash = re.search(r"Cannot install (.+?) because these", said, re.DOTALL)
    asked = re.split(r",? and |, ", " ".join(clash[1].split())) if clash else []
    # "x and x==1" contradict each other where there is no x 1.
    lone = len({re.split(r"[^\w.-]", each)[0].lower() for each in asked}) == 1
    if gone or lone:
        name = gone[1].strip() if gone else max(asked, key=len)
        return BuildError(
            f"{index} has no wheel of the build requirement {name!r} for Python "
            f"{python}{when}; set build.requirements or build.before."
        )
    if asked:
        return BuildError(
            f"The build requirements {', '.join(asked)} contradict each other; the "
            "backend's version is read from the shipped wheel: set build.requirements."
        )
    errors = re.findall(r"^ERROR: (.*)$", said, re.MULTILINE)
    text = errors[-1] if errors else said.strip()[-300:] or "no reason given"
    return SourceError(f"pip could not resolve the build requirements at {index}: {text}")

"""Files of a Python package index, by its JSON interface (PEP 691, upload times: PEP 700)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import SourceError
from verifier.source import archive
from verifier.source.cache import hold, publish
from verifier.spec import ArchiveSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from verifier.source.base import Source
    from verifier.source.cache import Cache
    from verifier.spec import PypiIndex, PypiSource

_JSON = "application/vnd.pypi.simple.v1+json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")


@dataclass(frozen=True, slots=True)
class Published:
    """One file of an index; `uploaded` is ISO 8601, empty where the index does not say."""

    file: str
    url: str
    sha256: str
    uploaded: str = ""


def obtain(
    spec: PypiSource, index: PypiIndex, cache: Cache, notify: Callable[[str], None]
) -> Source:
    """The tree of an sdist, whose bytes are what the specification pins.

    Raises:
        SourceError: unreachable, no such file, another digest, or a broken archive.
    """
    path = fetch(spec.file, spec.sha256, index, cache, notify)
    found = archive.obtain(ArchiveSource(str(path), spec.sha256), cache, notify)
    return dataclasses.replace(found, kind=spec.kind, description=f"{spec.file} from {index.index}")


def fetch(
    file: str, sha256: str | None, index: PypiIndex, cache: Cache, notify: Callable[[str], None]
) -> Path:
    """One file of the index by its name, from the cache where its digest is pinned and known."""
    if sha256 and (kept := _whole(_entry(cache, sha256), _plain(file), sha256, cache, notify)):
        return kept
    published = look_up(file, index)
    if sha256 and published.sha256 != sha256:
        raise SourceError(
            f"{index.index} has {file} with SHA-256 {published.sha256}, but another is pinned."
        )
    return fetch_published(published, cache, notify)


def fetch_published(published: Published, cache: Cache, notify: Callable[[str], None]) -> Path:
    """The file at the index's address, held against the digest that the index gave."""
    entry, file = _entry(cache, published.sha256), _plain(published.file)
    if _whole(entry, file, published.sha256, cache, notify) is None:
        notify(f"fetching {file}")
        with cache.scratch() as scratch:
            made = scratch / "entry"
            made.mkdir(mode=0o755)
            archive.download(published.url, made / file)
            _checked(made / file, published.sha256)
            (made / file).chmod(0o644)
            publish(made, entry)
    return _checked(entry / file, published.sha256)


def look_up(file: str, index: PypiIndex) -> Published:
    """What the index says of one file.

    Raises:
        SourceError: unreachable, no such project or file, or an answer that is none.
    """
    project = re.sub(r"[-_.]+", "-", _project(file)).lower()
    for item in _files(f"{index.index}/{project}/"):
        if isinstance(item, dict) and item.get("filename") == file:
            hashes = item.get("hashes")
            url, sha256 = item.get("url"), hashes.get("sha256") if isinstance(hashes, dict) else ""
            if not isinstance(url, str) or not re.match("https?://", url):
                url = f"{index.index}/{project}/{url}"
            if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
                raise SourceError(f"{index.index} gives no SHA-256 for {file}.")
            return Published(file, url, sha256, str(item.get("upload-time") or ""))
    raise SourceError(f"{index.index} has no file {file}; check its name and version.")


def _project(file: str) -> str:
    """The name of a wheel's or sdist's project, from the file's name."""
    return file.split("-", 1)[0] if file.endswith(".whl") else file.rsplit("-", 1)[0]


def _files(url: str) -> list[object]:
    request = urllib.request.Request(url, headers={"Accept": _JSON})  # noqa: S310 - http(s) alone
    try:
        with urllib.request.urlopen(request, timeout=archive.STALL_SECONDS) as answer:  # noqa: S310
            text = answer.read(limits.TOOL_OUTPUT + 1)
        found = json.loads(text) if len(text) <= limits.TOOL_OUTPUT else None
    except urllib.error.HTTPError as error:
        raise SourceError(f"{url} cannot be fetched: {error.code} {error.reason}.") from error
    except (urllib.error.URLError, OSError) as error:
        raise SourceError(f"{url} cannot be fetched: {getattr(error, 'reason', error)}.") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{url} does not answer in JSON (PEP 691), which is needed.") from error
    files = found.get("files") if isinstance(found, dict) else None
    if not isinstance(files, list):
        raise SourceError(f"{url} answers with no list of files (PEP 691).")
    return files


def _entry(cache: Cache, sha256: str) -> Path:
    return cache.under("pypi") / sha256


def _plain(file: str) -> str:
    if not _NAME.fullmatch(file):
        raise SourceError(f"{file!r} is not the name of a file of an index.")
    return file


def _whole(
    entry: Path, file: str, sha256: str, cache: Cache, notify: Callable[[str], None]
) -> Path | None:
    """A cached file that is what its digest says; None where there is none, or a damaged one."""
    if not hold(entry):
        return None
    try:
        return _checked(entry / file, sha256)
    except SourceError:
        notify(f"the cached copy {entry / file} is damaged; fetching it again")
        cache.discard(entry)
        return None


def _checked(path: Path, sha256: str) -> Path:
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}; remove its folder.") from error
    if found != sha256:
        raise SourceError(f"{path.name} has SHA-256 {found} instead of {sha256}; remove {path}.")
    return path

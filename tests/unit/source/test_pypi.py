"""Files of an index: what it says is held against what is pinned, and odd answers are refused."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from verifier.errors import SourceError, UsageError
from verifier.source import Cache, pypi
from verifier.spec import PypiIndex, load
from verifier.spec.locator import Locator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = b"a wheel"
DIGEST = hashlib.sha256(DATA).hexdigest()
FILE = "Some.Name-1.0-py3-none-any.whl"


@pytest.fixture
def answers() -> Iterator[tuple[PypiIndex, dict[str, Any]]]:
    """An index that answers what the test lays, and its address."""
    told: dict[str, Any] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name is the library's
            found = told.get(self.path)
            self.send_response(404 if found is None else 200)
            self.end_headers()
            self.wfile.write(found if isinstance(found, bytes) else json.dumps(found).encode())

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield PypiIndex(f"http://127.0.0.1:{server.server_port}"), told
        server.shutdown()
        thread.join()


def listed(index: PypiIndex, **changes: Any) -> dict[str, Any]:
    item = {
        "filename": FILE,
        "url": f"{index.index}/file",
        "hashes": {"sha256": DIGEST},
        "upload-time": "2024-02-29T12:00:00Z",
    }
    return {"files": [{"filename": "other"}, 7, {**item, **changes}]}


def test_a_file_is_fetched_once_and_checked_always(
    answers: tuple[PypiIndex, dict[str, Any]], tmp_path: Path
) -> None:
    index, told = answers
    cache, heard = Cache.open(tmp_path), []
    told |= {"/some-name/": listed(index), "/file": DATA}
    assert pypi.look_up(FILE, index).uploaded == "2024-02-29T12:00:00Z"
    path = pypi.fetch(FILE, None, index, cache, heard.append)
    assert path.read_bytes() == DATA
    told.clear()
    assert pypi.fetch(FILE, DIGEST, index, cache, heard.append) == path
    assert heard == [f"fetching {FILE}"]
    path.write_bytes(b"another")
    told |= {"/some-name/": listed(index), "/file": DATA}
    assert pypi.fetch(FILE, DIGEST, index, cache, heard.append).read_bytes() == DATA
    assert "damaged" in heard[1]


@pytest.mark.parametrize(
    ("changes", "pinned", "said"),
    [
        ({"filename": "x"}, None, "has no file Some.Name"),
        ({}, "0" * 64, "but another is pinned"),
        ({"hashes": {}}, None, "gives no SHA-256"),
        ({"hashes": {"sha256": "../../x"}}, None, "gives no SHA-256"),
        ({"hashes": {"sha256": "1" * 64}}, None, f"has SHA-256 {DIGEST}"),
        ({"url": "file:///etc/passwd"}, None, "cannot be fetched"),
    ],
)
def test_odd_answers(
    answers: tuple[PypiIndex, dict[str, Any]],
    tmp_path: Path,
    changes: dict[str, Any],
    pinned: str | None,
    said: str,
) -> None:
    index, told = answers
    told |= {"/some-name/": listed(index, **changes), "/file": DATA}
    with pytest.raises(SourceError, match=said):
        pypi.fetch(FILE, pinned, index, Cache.open(tmp_path), lambda _text: None)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "cannot be fetched: 404"),
        (b"<html>", "does not answer in JSON"),
        (b"[" * 100_000, "does not answer in JSON"),
        ([], "no list of files"),
        ({"files": 1}, "no list of files"),
    ],
)
def test_no_index(
    answers: tuple[PypiIndex, dict[str, Any]], tmp_path: Path, answer: object, said: str
) -> None:
    index, told = answers
    told["/some-name/"] = answer
    with pytest.raises(SourceError, match=said):
        pypi.fetch(FILE, None, index, Cache.open(tmp_path), lambda _text: None)


SPEC = """
[source]
kind = "pypi"
file = "x-1.0.tar.gz"
sha256 = "{digest}"
[build]
recipe = "pypi"
{build}
[[artifacts]]
shipped = "pypi:{wheel}"
rebuilt = "dist/*.whl"
"""


@pytest.mark.parametrize(
    ("build", "wheel", "said"),
    [
        ('requirements = ["--index-url=x"]', FILE, "build.requirements[0] is '--index-url=x'"),
        ('requirements = ["x @ file:///x"]', FILE, "build.requirements[0]"),
        ("before = 'soon'", FILE, "build.before is 'soon', which is no date"),
        ("python = '2.7'", FILE, "build.python is '2.7'"),
        ("shipped = 'deb:tree'", FILE, "build.shipped is a wheel"),
        ("", "../x-1-py3-none-any.whl", "is not the file name of a wheel"),
        ("", "x.tar.gz", "is not the file name of a wheel"),
    ],
)
def test_mistakes_name_the_key(tmp_path: Path, build: str, wheel: str, said: str) -> None:
    path = tmp_path / "audit.toml"
    path.write_text(SPEC.format(digest=DIGEST, build=build, wheel=wheel))
    with pytest.raises(UsageError) as caught:
        load(path)
    assert said in str(caught.value)


def test_what_a_specification_holds(tmp_path: Path) -> None:
    path = tmp_path / "audit.toml"
    build = 'before = 2024-02-29\nshipped = "x.whl"\nrequirements = ["a[b]>=1,<2"]'
    path.write_text(SPEC.format(digest=DIGEST, build=build, wheel=FILE))
    spec = load(path)
    assert spec.build.before == "2024-02-29T00:00:00+00:00"  # type: ignore[union-attr]
    assert spec.build.shipped == Locator(path=str(tmp_path / "x.whl"))  # type: ignore[union-attr]
    assert str(spec.artifacts[0].shipped) == f"pypi:{FILE}"
    with pytest.raises(ValueError, match="either a path, a package or a wheel"):
        Locator(path="x", wheel=FILE)
    with pytest.raises(ValueError, match="belongs to a wheel"):
        Locator(path="x", sha256=DIGEST)

"""Real builds for the tests: a place that the build user can enter, as root and as a user."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verifier import rebuild, source
from verifier.source import Cache
from verifier.source.cache import remove
from verifier.spec import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from verifier.account import Inputs

NOBODY = 65534


@contextmanager
def open_place() -> Iterator[Path]:
    """A directory that everyone may enter; pytest's own are closed to others than the caller."""
    place = Path(tempfile.mkdtemp(prefix="verifier-test-"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        remove(place)


def build(
    place: Path, steps: list[Any], *, outputs: str = "out", extra: str = "", shared: bool = False
) -> rebuild.Build:
    """Build with the recipe `command`, in host tools; `extra` is more of the specification.

    `shared` takes the machine's cache, which has the Debian root.
    """
    place.mkdir(exist_ok=True)
    tree = place / "source"
    tree.mkdir(exist_ok=True)
    (place / "audit.toml").write_text(
        f'[source]\nkind = "directory"\npath = "source"\n[build]\nrecipe = "command"\n'
        f"steps = {json.dumps(steps)}\noutputs = [{json.dumps(outputs)}]\n{extra}\n"
    )
    spec = load(place / "audit.toml")
    cache = Cache.open(None if shared else place / "cache")
    got = source.obtain(spec, cache)
    output = Path(tempfile.mkdtemp(dir=place, prefix="output-"))
    return rebuild.rebuild(spec, got, cache, output)


def inputs_of(made: rebuild.Build) -> Inputs:
    """What was recorded of a build, as its report holds it."""
    assert made.inputs is not None
    return made.inputs


def record_of(made: rebuild.Build) -> dict[str, Any]:
    """The whole record of a build's inputs."""
    assert made.record is not None
    record: dict[str, Any] = json.loads((made.output_dir / made.record["file"]).read_text())
    return record


def files_of(made: rebuild.Build) -> dict[str, dict[str, Any]]:
    """The files of the record by their paths, each with the commands that led to its reader."""
    record = record_of(made)
    found = {item["path"]: item for item in record["files"]}
    for item in found.values():
        item["chain"] = record["commands"][item["by"]]
    return found


def check_accounted(made: rebuild.Build) -> None:
    """All that a build in host tools read has a class, but what dpkg itself knows nothing of."""
    assert made.inputs is not None
    assert made.inputs.problems == ()
    counts = {each.name: each.files for each in made.inputs.classes}
    assert all(counts[name] for name in ("source", "produced", "package"))
    for path in (each["path"] for each in record_of(made)["unaccounted"]):
        name = Path(path)
        if name.parent.name == "__pycache__":
            name = name.parent.parent / f"{name.name.partition('.')[0]}.py"
        for spelled in (str(name), str(name).removeprefix("/usr")):
            known = subprocess.run(["dpkg-query", "-S", spelled], capture_output=True, check=False)
            assert known.returncode == 1, (path, known.stdout)


def as_nobody(action: Callable[[], object]) -> None:
    """Run `action` in a child that is nobody; when the caller is a user already, just run it."""
    if os.geteuid() != 0:
        action()
        return
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status, said = 0, b""
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            action()
        except BaseException:  # noqa: BLE001 - the parent fails with this text
            status, said = 1, traceback.format_exc().encode()
        os.write(writing, said[-4000:])
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    assert os.waitpid(child, 0)[1] == 0, said.decode()

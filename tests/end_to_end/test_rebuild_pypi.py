"""The recipe "pypi": a published wheel from its sdist, and what stands in the way of one."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.sandboxes import check_accounted, open_place
from verifier import rebuild, source
from verifier.errors import BuildError
from verifier.source import Cache
from verifier.spec import load

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC = Path(__file__).parents[2] / "fixtures/specs/pypi.toml"
SHIPPED = "pypi:iniconfig-2.0.0-py3-none-any.whl"


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def built(place: Path, text: str) -> rebuild.Build:
    path = place / "audit.toml"
    path.write_text(text)
    spec, cache = load(path), Cache.open(place / "cache")
    number = len(list(place.glob("output-*")))
    return rebuild.rebuild(spec, source.obtain(spec, cache), cache, place / f"output-{number}")


def of_a_tree(tree: Path, build: str) -> str:
    return f'[source]\nkind = "directory"\npath = "{tree}"\n[build]\nrecipe = "pypi"\n{build}\n'


def test_a_published_wheel_is_rebuilt_bit_for_bit_and_a_change_shows(place: Path) -> None:
    spec, cache = load(SPEC), Cache.open(place / "cache")
    audited = source.obtain(spec, cache)
    made = rebuild.rebuild(spec, audited, cache, place / "output")
    (wheel,) = made.outputs
    assert (wheel.name, wheel.sha256) == (
        "dist/iniconfig-2.0.0-py3-none-any.whl",
        spec.artifacts[0].shipped.sha256,
    )
    assert made.notes == ("The shipped wheel was made by hatchling 1.12.2.",)
    assert made.environment.variables["SOURCE_DATE_EPOCH"] == "1580601600"
    pinned = {each.name: each for each in made.environment.packages if each.architecture == "wheel"}
    assert pinned["hatchling"].version == "1.12.2"
    assert all(each.digest.startswith("sha256:") for each in pinned.values())
    check_accounted(made)
    changed = place / "changed"
    shutil.copytree(audited.path, changed)
    with (changed / "src/iniconfig/__init__.py").open("a") as file:
        file.write("\nPLANTED = 1\n")
    (other,) = built(place, of_a_tree(changed, f'shipped = "{SHIPPED}"')).outputs
    assert other.name == wheel.name
    assert other.sha256 != wheel.sha256


BACKEND = """
import os, zipfile

def get_requires_for_build_wheel(settings):
    return ["iniconfig==2.0.0"]

def build_wheel(directory, settings, metadata=None):
    import iniconfig
    name = "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        info = zipfile.ZipInfo("tiny.py", (2020, 2, 2, 0, 0, 0))
        wheel.writestr(info, "from %s\\n" % iniconfig.__name__)
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "own"
backend-path = ["."]
"""


def test_what_a_backend_asks_for_is_pinned_and_fetched_before_it_builds(place: Path) -> None:
    tree = place / "tiny"
    tree.mkdir()
    (tree / "own.py").write_text(BACKEND)
    (tree / "pyproject.toml").write_text(PROJECT)
    (tree / "requirements.txt").write_text("named as the recipe's own list is\n")
    first = built(place, of_a_tree(tree, ""))
    assert [each.name for each in first.outputs] == ["dist/tiny-1-py3-none-any.whl"]
    names = [each.name for each in first.environment.packages if each.architecture == "wheel"]
    assert names == ["iniconfig"]
    assert [step.name for step in first.steps if step.name.startswith("backend")] == [
        "backend: requires",
        "backend: build",
    ]
    check_accounted(first)
    assert first.outputs == built(place, of_a_tree(tree, "")).outputs


def wheel(place: Path, generator: str) -> Path:
    path = place / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny-1.dist-info/WHEEL", f"Wheel-Version: 1.0\nGenerator: {generator}\n")
    return path


@pytest.mark.parametrize(
    ("project", "build", "said"),
    [
        ("hatchling", "", "has no wheel of the build requirement 'hatchling==0.0.99' for Python"),
        (
            "",
            'requirements = ["hatchling==1.12.2", "pathspec<0.1"]',
            "The build requirements .* contradict each other|has no wheel of the build requirement",
        ),
        ("hatchling", 'before = 2010-01-01\nrequirements = ["hatchling"]', "uploaded before 2010"),
    ],
    ids=["gone", "contradiction", "too new"],
)
def test_what_cannot_be_had_is_one_sentence(
    place: Path, project: str, build: str, said: str
) -> None:
    tree = place / "tiny"
    tree.mkdir()
    requires = f'["{project}"]' if project else "[]"
    (tree / "pyproject.toml").write_text(
        f'[build-system]\nrequires = {requires}\nbuild-backend = "hatchling.build"\n'
    )
    shipped = f'shipped = "{wheel(place, "hatchling 0.0.99")}"\n'
    with pytest.raises(BuildError, match=said):
        built(place, of_a_tree(tree, shipped + build))


def test_a_build_that_would_copy_the_shipped_wheel_is_refused(place: Path) -> None:
    tree = place / "tiny"
    tree.mkdir()
    (tree / "own.py").write_text(BACKEND)
    (tree / "pyproject.toml").write_text(PROJECT.replace("[]", '["iniconfig==2.0.0"]'))
    keys = f'shipped = "{SHIPPED}"\nbefore = 2024-01-01'
    with pytest.raises(BuildError, match="is among the requirements of the build"):
        built(place, of_a_tree(tree, keys))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "neither pyproject.toml nor setup.py"),
        ("[", "pyproject.toml cannot be read"),
        ('[build-system]\nrequires = ["--index-url=x"]', "no list of requirements by name"),
        ('[build-system]\nrequires = ["x @ file:///x"]', "no list of requirements by name"),
        ('[build-system]\nrequires = []\nbackend-path = "x"', "backend-path of the source"),
    ],
)
def test_what_is_no_sdist(place: Path, text: str | None, said: str) -> None:
    tree = place / "tiny"
    tree.mkdir()
    (tree / "x.py").write_text("")
    if text is not None:
        (tree / "pyproject.toml").write_text(text)
    with pytest.raises(BuildError, match=said):
        built(place, of_a_tree(tree, ""))


def test_an_sdist_of_another_digest_is_refused(place: Path) -> None:
    spec = load(SPEC)
    text = SPEC.read_text().replace(getattr(spec.source, "sha256", "?"), "0" * 64)
    with pytest.raises(source.SourceDiffersError.__base__, match="but another is pinned"):
        built(place, text)
    assert hashlib.sha256(SPEC.read_bytes()).hexdigest() == spec.sha256

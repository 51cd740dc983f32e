"""The recipe "yara": real engines in real sandboxes, pinned to the version."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yara
import yara_x

from tests.end_to_end.sandboxes import open_place
from tests.realfiles import wheel
from verifier import rebuild, source
from verifier.errors import BuildError
from verifier.source import Cache
from verifier.spec import load

if TYPE_CHECKING:
    from collections.abc import Iterator

FIXTURES = Path(__file__).parents[2] / "fixtures"
RULES = FIXTURES / "rebuild/yara-rules"


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def built(place: Path, spec: Path) -> tuple[rebuild.Build, bytes]:
    read = load(spec)
    cache = Cache.open(place / "cache")
    made = rebuild.rebuild(read, source.obtain(read, cache), cache, place / "output")
    (output,) = made.outputs
    return made, (made.output_dir / output.name).read_bytes()


def specification(place: Path, build: str) -> Path:
    path = place / "audit.toml"
    path.write_text(
        f'[source]\nkind = "directory"\npath = "{RULES}"\n[build]\nrecipe = "yara"\n'
        f'rules = ["linux:linux.yar", "c*.yar"]\noutput = "out/rules"\n{build}\n'
        '[build.externals]\nlevel = "2"\n'
    )
    return path


def test_the_commented_example_is_what_yarac_makes(place: Path) -> None:
    made, data = built(place, FIXTURES / "specs/yara.toml")
    out = place / "direct"
    files = [f"default:{RULES}/common.yar", f"linux:{RULES}/linux.yar"]
    subprocess.run(["yarac", "-d", "level=2", *files, out], check=True)
    assert data == out.read_bytes()
    assert [step.argv[0] for step in made.steps] == ["/bin/sh", "/bin/sh", "yarac"]


def test_another_version_fails_the_build_in_one_sentence(place: Path) -> None:
    with pytest.raises(BuildError) as caught:
        built(place, specification(place, 'version = "4.2.4"'))
    assert str(caught.value) == (
        "The specification pins yara 4.2.4, but the one in the sandbox is version 4.2.3."
    )


def test_rules_that_are_not_there_fail_the_build(place: Path) -> None:
    text = specification(place, 'version = "4.2.3"').read_text().replace("c*.yar", "x/*.yar")
    (place / "audit.toml").write_text(text)
    with pytest.raises(BuildError, match=r"no rules that match 'x/\*.yar'"):
        built(place, place / "audit.toml")


def pinned(name: str, version: str, platform: str) -> str:
    file = wheel(name, version, platform)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return (
        f'engine = "{name}"\nversion = "{version}"\n'
        f'wheel = {{ path = "{file}", sha256 = "{digest}" }}\n'
    )


def test_libyara_from_a_wheel_makes_what_it_makes_here(place: Path) -> None:
    text = pinned("yara-python", yara.__version__, "manylinux_2_17_x86_64")
    _, data = built(place, specification(place, text))
    texts = {"linux": "linux.yar", "default": "common.yar"}
    rules = yara.compile(
        sources={name: (RULES / path).read_text() for name, path in texts.items()},
        externals={"level": 2},
    )
    rules.save(str(place / "direct"))
    assert data == (place / "direct").read_bytes()


def test_yara_x_from_a_wheel_makes_what_it_makes_here(place: Path) -> None:
    text = pinned("yara-x", "1.23.0", "manylinux_2_28_x86_64")
    _, data = built(place, specification(place, text))
    compiler = yara_x.Compiler()
    compiler.define_global("level", 2)
    for namespace, name in (("linux", "linux.yar"), ("default", "common.yar")):
        compiler.new_namespace(namespace)
        compiler.add_source((RULES / name).read_text(), origin=name)
    with (place / "direct").open("wb") as file:
        compiler.build().serialize_into(file)
    assert data == (place / "direct").read_bytes()


def test_a_wheel_of_another_digest_is_refused(place: Path) -> None:
    text = pinned("yara-x", "1.23.0", "manylinux_2_28_x86_64")
    digest = text.split('sha256 = "')[1][:64]
    with pytest.raises(BuildError, match=r"build\.wheel pins another"):
        built(place, specification(place, text.replace(digest, "0" * 64)))

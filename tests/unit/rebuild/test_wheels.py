"""What a wheel tells of its making, and what is no wheel."""

import zipfile
from pathlib import Path

import pytest

from tests.realfiles import wheel
from verifier import aside
from verifier.errors import ParseError
from verifier.rebuild.wheels import Facts, read


def made(path: Path, generator: str, times: list[int], mode: int = 0o644, tag: str = "any") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number, hour in enumerate(times):
            info = zipfile.ZipInfo(f"x/{number}.py", (2024, 2, 29, hour, 0, 0))
            info.external_attr = (0o100000 | mode) << 16
            archive.writestr(info, "")
        info = zipfile.ZipInfo("x-1.dist-info/WHEEL", (2024, 2, 29, times[-1], 0, 0))
        info.external_attr = (0o100000 | mode) << 16
        archive.writestr(info, f"Wheel-Version: 1.0\nGenerator: {generator}\nTag: py3-none-{tag}\n")
    return path


@pytest.mark.parametrize(
    ("generator", "backend", "version"),
    [
        ("bdist_wheel (0.36.2)", "wheel", "0.36.2"),
        ("setuptools (75.6.0)", "setuptools", "75.6.0"),
        ("flit 3.10.1", "flit_core", "3.10.1"),
        ("hatchling 1.27.0", "hatchling", "1.27.0"),
        ("poetry-core 1.9.0", "poetry-core", "1.9.0"),
        ("pdm-backend (2.4.3)", "pdm-backend", "2.4.3"),
        ("meson", "", ""),
        ("--index-url=x 1.0", "", ""),
    ],
)
def test_the_backend(tmp_path: Path, generator: str, backend: str, version: str) -> None:
    facts = read(made(tmp_path / "x.whl", generator, [1]))
    assert (facts.backend, facts.version) == (backend, version)


def test_times_and_modes(tmp_path: Path) -> None:
    one = read(made(tmp_path / "one.whl", "flit 3.9.0", [10, 10], 0o664))
    assert one.epoch == 1_709_200_800
    assert one.group_writable
    several = read(made(tmp_path / "two.whl", "flit 3.9.0", [9, 10], tag="manylinux_2_17_x86_64"))
    assert several.epoch is None
    assert (several.last, several.repaired, several.group_writable) == (1_709_200_800, True, False)


def test_a_published_wheel() -> None:
    facts = aside.ask(Facts, read, wheel("iniconfig", "2.0.0"))
    assert facts.told == "hatchling 1.12.2"
    assert facts.epoch == 1_580_601_600
    assert not facts.repaired


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + b"\0" * 60, b"no wheel"])
def test_what_is_no_wheel(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.whl"
    path.write_bytes(content)
    with pytest.raises(ParseError, match="cannot be read"):
        read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.py", "")
    with pytest.raises(ParseError, match=r"no single \.dist-info/WHEEL"):
        read(path)

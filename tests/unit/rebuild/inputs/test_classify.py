"""Each class, and for each the file that must not pass for one of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from verifier.rebuild.inputs.classify import Decision, Judge
from verifier.rebuild.inputs.laid import STRANGE, SWAPPED, Pins
from verifier.rebuild.inputs.names import Audited, Odd, Pinned
from verifier.rebuild.inputs.packages import Packages
from verifier.rebuild.inputs.view import View

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = b"as shipped"


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    info = tmp_path / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    for name in ("usr/bin", "usr/lib/x", "usr/share/libc-bin", "etc", "var/lib/db", "usr/local"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "var/lib/dpkg/status").write_text(
        "Package: tool\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\n"
        f"Conffiles:\n /etc/tool.conf {md5(SHIPPED)}\n /etc/changed.conf {md5(SHIPPED)}\n"
        "Description: a tool\n more of it\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 2\n\n"
        "Package: other\nStatus: install ok installed\nArchitecture: all\nVersion: 3\n"
    )
    (info / "tool:amd64.list").write_text(
        "/.\n/usr\n/bin/tool\n/lib/x/lib.so\n/usr/bin/diverted\n/etc/tool.conf\n"
        "/etc/changed.conf\n/usr/bin/changed\n/usr/share/libc-bin/nsswitch.conf\n/usr/bin/listed\n"
    )
    (info / "tool:amd64.md5sums").write_text(
        "".join(
            f"{md5(SHIPPED)}  {name}\n"
            for name in ("bin/tool", "lib/x/lib.so", "usr/bin/diverted", "usr/bin/changed",
                         "usr/share/libc-bin/nsswitch.conf")
        )
    )  # fmt: skip
    (info / "other.list").write_text("/usr/bin/diverted\n")
    (info / "other.md5sums").write_text(f"{md5(b'of other')}  usr/bin/diverted\n")
    (info / "gone.list").write_text("/usr/bin/gone\n")
    (info / "gone.md5sums").write_text(f"{md5(SHIPPED)}  usr/bin/gone\n")
    (tmp_path / "var/lib/dpkg/diversions").write_text(
        "/usr/bin/diverted\n/usr/bin/diverted.tool\nother\n"
    )
    names = ("bin/tool", "lib/x/lib.so", "bin/diverted.tool", "etc/tool.conf", "bin/gone")
    names += ("usr/share/libc-bin/nsswitch.conf", "etc/nsswitch.conf", "bin/listed")
    for name in names:
        (tmp_path / name).write_bytes(SHIPPED)
    (tmp_path / "bin/diverted").write_bytes(b"of other")
    for name in ("bin/changed", "etc/changed.conf", "etc/ld.so.cache", "var/lib/db/status",
                 "usr/local/tool", "etc/passwd"):  # fmt: skip
        (tmp_path / name).write_bytes(b"something else")
    return tmp_path


def judge(root: Path, *, covered: bool = True, remade: bool = True) -> Judge:
    view = View((("/tmp", None),), ("/tmp",), ("/etc/passwd",), root)
    return Judge(view, Packages(root), covered, lambda _path: remade)


def decide(root: Path, path: str, **how: bool) -> Decision:
    found = judge(root, **how).decide(path)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/usr/bin/tool", "package"),
        ("/usr/lib/x/lib.so", "package"),
        ("/usr/bin/diverted", "package"),
        ("/usr/bin/diverted.tool", "package"),
        ("/etc/tool.conf", "package"),
        ("/etc/passwd", "root"),
        ("/etc/nsswitch.conf", "root"),
        ("/etc/ld.so.cache", "root"),
        ("/var/lib/db/status", "root"),
        ("/proc/self/status", "kernel"),
        ("/sys/devices/x", "kernel"),
        ("/dev/null", "kernel"),
        ("/dev/pts/3", "kernel"),
        # and what must not pass
        ("/usr/bin/changed", "unaccounted"),
        ("/etc/changed.conf", "unaccounted"),
        ("/usr/bin/gone", "unaccounted"),
        ("/usr/bin/listed", "unaccounted"),
        ("/usr/local/tool", "unaccounted"),
        ("/usr/bin/absent", "unaccounted"),
        ("/tmp/x", "unaccounted"),
        ("/dev/sda", "unaccounted"),
        ("/dev/shm/x", "unaccounted"),
        ("/process", "unaccounted"),
    ],
)
def test_classes(root: Path, path: str, name: str) -> None:
    assert decide(root, path).name == name


def test_what_is_decided_carries_package_and_digest(root: Path) -> None:
    found = decide(root, "/usr/bin/tool")
    assert found.package == "tool 1.0-1"
    assert (found.sha256, found.size) == (hashlib.sha256(SHIPPED).hexdigest(), len(SHIPPED))
    assert decide(root, "/usr/bin/diverted").package == "other 3"
    assert "tool 1.0-1" in decide(root, "/usr/bin/changed").reason


@pytest.mark.parametrize("path", ["/var/lib/db/status", "/usr/bin/gone"])
def test_without_a_digest_of_the_root_nothing_is_covered(root: Path, path: str) -> None:
    assert decide(root, path, covered=False).name == "unaccounted"


def test_made_again_or_copied_counts_without_a_digest_too(root: Path) -> None:
    assert decide(root, "/etc/nsswitch.conf", covered=False).name == "root"
    assert decide(root, "/etc/ld.so.cache", covered=False).name == "root"


def test_a_loader_cache_that_is_not_made_again_alike(root: Path) -> None:
    assert decide(root, "/etc/ld.so.cache", remade=False).name == "unaccounted"


def test_a_copy_whose_master_is_not_the_packages(root: Path) -> None:
    for name in ("etc/nsswitch.conf", "usr/share/libc-bin/nsswitch.conf"):
        (root / name).write_bytes(b"changed both")
    assert decide(root, "/etc/nsswitch.conf").name == "unaccounted"
    (root / "usr/share/libc-bin/nsswitch.conf").write_bytes(SHIPPED)
    assert decide(root, "/etc/nsswitch.conf").name == "unaccounted"


def test_directories_are_no_files(root: Path) -> None:
    assert judge(root).decide("/usr/bin") is None


def test_a_link_or_pipe_is_no_plain_file(root: Path) -> None:
    (root / "var/link").symlink_to("/etc/shadow")
    assert decide(root, "/var/link").name == "unaccounted"


def test_laid_files() -> None:
    pins = Pins({"a": "1", "b": "2"}, frozenset({"1", "2"}), frozenset({"9"}), frozenset({"list"}))
    both = pins._replace(own=frozenset({"a"}))
    assert both.judge("a", "7", 1) == Odd(SWAPPED, "7", 1)
    assert both.beside().judge("a", "7", 1) == Pinned("written by the verifier", "7", 1)
    assert both.beside().judge("b", "7", 1) == Odd(SWAPPED, "7", 1)
    assert pins.judge("a", "1", 5) == Audited("a", "1", 5)
    assert pins.judge("renamed", "2", 5) == Audited("renamed", "2", 5)
    assert pins.judge("a", "2", 5) == Odd(SWAPPED, "2", 5)
    assert isinstance(pins.judge("blob", "9", 5), Pinned)
    assert isinstance(pins.judge("list", "7", 5), Pinned)
    assert pins.judge("blob", "8", 5) == Odd(STRANGE, "8", 5)

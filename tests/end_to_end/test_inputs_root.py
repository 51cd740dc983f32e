"""What builds read of a Debian root: it is what its packages ship, or it is named."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.sandboxes import build, files_of, inputs_of, open_place
from verifier.rebuild.recipes.command import Command
from verifier.rebuild.root import Root, base_root, digest
from verifier.source import Cache
from verifier.source.apt import Apt
from verifier.spec import DebianArchive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = '[sandbox]\nroot = "debian:bookworm"'


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def test_a_root_that_is_not_what_its_packages_ship_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache.open()
    true = base_root(Apt(cache, DebianArchive(), lambda _text: None))
    path = place / "root"
    subprocess.run(["cp", "-al", true.path, path], check=True)
    compiler = (path / "usr/bin/gcc").resolve()
    compiler = path / "usr/bin" / compiler.name
    kept = compiler.with_name("real-gcc")
    compiler.rename(kept)
    compiler.write_text('#!/bin/sh\nexec /usr/bin/real-gcc -include /usr/include/planted.h "$@"\n')
    compiler.chmod(0o755)
    (path / "usr/include/planted.h").write_text("int planted;\n")
    (path / "etc/ld.so.cache").unlink()
    shutil.copyfile(true.path / "etc/ld.so.cache", path / "etc/ld.so.cache")
    with (path / "etc/ld.so.cache").open("ab") as file:
        file.write(b"\0" * 8)
    (path / "var/lib/made-by-a-script").write_text("x")
    root = dataclasses.replace(true, path=path, digest=digest(path))
    monkeypatch.setattr(Command, "root", lambda _self: root)
    (place / "source").mkdir()
    (place / "source/main.c").write_text("int main(void) { return 0; }\n")
    steps = ["gcc -c -o out main.c", "cat /var/lib/made-by-a-script /etc/nsswitch.conf"]
    made = build(place, steps, extra=ROOT)
    named = {item.path: item.reason for item in inputs_of(made).unaccounted}
    assert named == {
        f"/usr/bin/{compiler.name}": named[f"/usr/bin/{compiler.name}"],
        "/usr/bin/real-gcc": "belongs to no package that lists its digest",
        "/usr/include/planted.h": "belongs to no package that lists its digest",
        "/etc/ld.so.cache": "is not what ldconfig makes of the libraries here",
    }
    assert "differs from what its package gcc-12" in named[f"/usr/bin/{compiler.name}"]
    found = files_of(made)
    assert found["/var/lib/made-by-a-script"]["reason"].startswith("made when the root was made")
    assert found["/etc/nsswitch.conf"]["reason"] == "a copy of /usr/share/libc-bin/nsswitch.conf"
    assert isinstance(root, Root)


def test_a_clean_root_leaves_nothing_unaccounted(place: Path) -> None:
    (place / "source").mkdir()
    (place / "source/main.c").write_text("#include <stdio.h>\nint main(void) { return 0; }\n")
    steps = ["cc -o out main.c && ./out", "perl -e 'use POSIX;'"]
    made = build(place, steps, extra=ROOT, shared=True)
    assert (inputs_of(made).unaccounted, inputs_of(made).problems) == ((), ())
    assert files_of(made)["/etc/ld.so.cache"]["reason"] == "as ldconfig makes it again"


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mmdebstrap needs root here")
def test_packages_of_headers_leave_the_loaders_cache_in_order(place: Path) -> None:
    """Their links are in it, and nothing of theirs has it made again."""
    (place / "source").mkdir()
    (place / "source/main.c").write_text("#include <ffi.h>\nint main(void) { return 0; }\n")
    extra = f'packages = ["libffi-dev"]\n{ROOT}'
    made = build(place, ["cc -o out main.c"], extra=extra, shared=True)
    assert (inputs_of(made).unaccounted, inputs_of(made).problems) == ((), ())
    assert files_of(made)["/etc/ld.so.cache"]["reason"] == "as ldconfig makes it again"

"""What a root's digest sees, and what is refused before anything runs."""

import os
from pathlib import Path

import pytest

from verifier.errors import BuildError
from verifier.rebuild.root import Root, check, digest


def test_the_digest_sees_all_but_times(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc/passwd"
    file.write_text("root")
    (tmp_path / "bin").symlink_to("usr/bin")
    root = Root(tmp_path, "key", digest(tmp_path), ())
    os.utime(file, (1, 1))
    check(root)
    for change in (
        lambda: file.write_text("toor"),
        lambda: (file.write_text("root"), file.chmod(0o4755)),
        lambda: (file.chmod(0o644), (tmp_path / "new").mkdir()),
    ):
        change()
        with pytest.raises(BuildError, match="changed since it was made"):
            check(root)
    (tmp_path / "new").rmdir()
    file.chmod(0o644)
    check(root)

"""The files of /etc that describe the sandbox, not the machine it runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.sandbox.base import Room


def write_etc(room: Room) -> Path:
    """Write them into the room; every file of the returned directory belongs into /etc."""
    settings = room.settings
    directory = room.work / "etc"
    directory.mkdir(mode=0o755)
    base = room.root.path / "etc" if room.root else None
    user, uid = settings.user, settings.uid
    files = {
        "passwd": f"{user}:x:{uid}:{uid}::/home/{user}:/bin/sh\n",
        "group": f"{user}:x:{uid}:\n",
        "hosts": f"127.0.0.1 localhost {settings.hostname}\n",
        "hostname": f"{settings.hostname}\n",
    }
    if base is None:
        files["passwd"] = "root:x:0:0:root:/root:/bin/sh\n" + files["passwd"]
        files["group"] = "root:x:0:\n" + files["group"]
        files["nsswitch.conf"] = "passwd: files\ngroup: files\nhosts: files\n"
    for name, text in files.items():
        before = (base / name).read_text() if base and name in ("passwd", "group") else ""
        (directory / name).write_text(before + text)
        (directory / name).chmod(0o644)
    return directory

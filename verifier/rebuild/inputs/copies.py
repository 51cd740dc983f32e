"""Programs that lie in the tree in the end as the audited source has them: nobody built those.

A package that holds one is no work of its source, however equal the two sides are.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from verifier.account import Input
from verifier.rebuild.inputs import laid
from verifier.rebuild.inputs.names import Audited, Made
from verifier.rebuild.inputs.processes import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from verifier.rebuild.inputs.recorder import Recorder
    from verifier.rebuild.sandbox.base import Sandbox

REASON = "a program of the audited source as it is, {}: copied, and built by nobody"
# ELF, PE and DOS, Mach-O (both orders and widths; fat, which is Java's too), WebAssembly, Android,
# archives of objects.
_PROGRAMS = (
    b"\x7fELF", b"MZ", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\0asm", b"dex\n", b"!<arch>\n",
)  # fmt: skip


def copied(recorder: Recorder, sandbox: Sandbox) -> list[Input]:
    """An input for each, with who put it there; what cannot be read is told elsewhere."""
    known = {
        each.sha256: each for each in recorder.laid.files.values() if isinstance(each, Audited)
    }
    sizes = {each.size for each in known.values()}
    found = []
    for path, host in _moved(recorder, sandbox):
        try:
            if host.lstat().st_size not in sizes or not _is_program(host):
                continue
            sha256, _, size = laid.digests(host)
        except OSError:
            continue
        if (entry := known.get(sha256)) is not None:
            node = recorder.replay.names.get(path)
            chain = node.process.chain() if isinstance(node, Made) else ()
            reason = REASON.format(shown(entry.name))
            found.append(Input(shown(path), reason, chain, sha256, size))
    return found


def _moved(recorder: Recorder, sandbox: Sandbox) -> Iterator[tuple[str, Path]]:
    """Files of the tree that lie where the source has none: path inside, and on this machine."""
    top = sandbox.room.tree
    try:
        listed = list(laid.names(top))
    except OSError:
        return
    for name in listed:
        path = f"{sandbox.tree}/{name}"
        if path not in recorder.laid.files:
            yield path, top / name


def _is_program(host: Path) -> bool:
    descriptor = os.open(host, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 8).startswith(_PROGRAMS)
    finally:
        os.close(descriptor)

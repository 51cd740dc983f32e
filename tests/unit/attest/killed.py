"""Appends until it is killed, and says after each commit how far it came. Run by the kill test.

`python -m tests.unit.attest.killed JOURNAL SEED KEY ROUNDS`: forks one writer a round, kills it
within the time of three appends, and prints the largest size that any writer had been told is
durable, and in how many rounds none was.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from verifier.attest import entries, journal, note, strict


def main(path: Path, seed: int, key: bytes, rounds: int) -> None:
    chance = random.Random(seed)
    private = Ed25519PrivateKey.from_private_bytes(key)
    signer = journal.Signer(private, note.key_of(private, "example.org/audits", note.ED25519))
    pace = _pace(path, signer)
    durable = killed_early = 0
    for _ in range(rounds):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _append(path, signer, writer)
        os.close(writer)
        said = os.read(reader, 1)  # it is ready
        time.sleep(chance.uniform(0, 3 * pace))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while chunk := os.read(reader, 4096):
            said += chunk
        os.close(reader)
        told = [int(each) for each in said.split(b"\n")[1:-1]]
        killed_early += not told
        durable = max([durable, *told])
    sys.stdout.write(f"{durable} {killed_early}\n")


def _pace(path: Path, signer: journal.Signer) -> float:
    """Seconds that one append takes here and now."""
    started = time.monotonic()
    with journal.opened(path, write=True) as found:
        for _ in range(5):
            found.append(entries.of_file("file", b"", strict.now()), signer)
    return (time.monotonic() - started) / 5


def _append(path: Path, signer: journal.Signer, writer: int) -> None:
    now = strict.now()
    with journal.opened(path, write=True) as found:
        os.write(writer, b"\n")
        while True:
            new = entries.of_file("file", os.urandom(8), now)
            os.write(writer, b"%d\n" % found.append(new, signer).size)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3]), int(sys.argv[4]))

"""Appends until it is killed, and says after each commit how far it came. Run by the kill test.

`python -m tests.unit.attest.killed JOURNAL SEED KEY ROUNDS`: forks one writer a round, kills it
after a short random time, and prints the largest size that any writer had been told is durable.
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
    durable = killed_early = 0
    for _ in range(rounds):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _append(path, signer, writer)
        os.close(writer)
        time.sleep(chance.uniform(0.001, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        said = b""
        while chunk := os.read(reader, 4096):
            said += chunk
        os.close(reader)
        told = [int(each) for each in said.split(b"\n")[:-1]]
        killed_early += not told
        durable = max([durable, *told])
    sys.stdout.write(f"{durable} {killed_early}\n")


def _append(path: Path, signer: journal.Signer, writer: int) -> None:
    now = strict.now()
    with journal.opened(path, write=True) as found:
        while True:
            new = entries.of_file("file", os.urandom(8), now)
            os.write(writer, b"%d\n" % found.append(new, signer).size)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3]), int(sys.argv[4]))

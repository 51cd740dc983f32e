"""No flipped byte stays unseen, also when the attacker puts the checksum right afterwards."""

from __future__ import annotations

import contextlib
import random

import pytest

from tests.cases import pe_files as files
from tests.support import STRICT, compare_bytes
from verifier.errors import VerifierError
from verifier.formats.pe import headers
from verifier.model import Patch, Policy, Verdict

SAMPLES = 40
PAIRS = ("x86_64-exe-s", "x86_64-dll-tiny", "fwupd")


def _pair(name: str) -> tuple[bytes, bytes, Policy]:
    if name == "fwupd":
        return *files.signed_pair(name), STRICT
    return *files.mingw()[name], Policy()


def _free(patches: list[Patch]) -> set[int]:
    return {
        patch.offset + item.offset + index
        for patch in patches
        for item in patch.free
        for index in range(item.length)
    }


def _flips(data: bytes, rebuilt: bytes, policy: Policy, places: list[int]) -> set[int]:
    """The places whose flip leaves the verdict good; each must be free (or equal) there."""
    unseen = set()
    checksum = headers.parse(memoryview(data)).checksum_at
    for place in places:
        for mask in (1, 0x80, 0xFF):
            flipped = data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
            tried = [flipped]
            if not checksum <= place < checksum + 4:
                with contextlib.suppress(VerifierError):  # no checksum for broken headers
                    tried.append(files.fixed(flipped))
            for each in tried:
                found = compare_bytes(each, rebuilt, policy)
                if found.verdict in {Verdict.EQUIVALENT, Verdict.IDENTICAL}:
                    # A flip may also write the rebuilt value, and then nothing is left to settle.
                    assert place in _free(found.patches) or each[place] == rebuilt[place]
                    unseen.add(place)
                else:
                    assert found.differences
    return unseen


@pytest.mark.parametrize("name", PAIRS)
def test_a_flip_is_seen_or_free(name: str) -> None:
    data, rebuilt, policy = _pair(name)
    places = random.Random(name).sample(range(len(data)), SAMPLES)
    declared = _free(compare_bytes(data, rebuilt, policy).patches)
    assert _flips(data, rebuilt, policy, places) <= declared


def test_headers_hide_nothing() -> None:
    data, rebuilt, policy = _pair("x86_64-dll-tiny")
    end = headers.parse(memoryview(data)).table_end
    declared = _free(compare_bytes(data, rebuilt, policy).patches)
    inside = {place for place in declared if place < end}
    assert _flips(data, rebuilt, policy, list(range(0, end, 11))) <= inside
    assert _flips(data, rebuilt, policy, sorted(declared)) == declared


@pytest.mark.exhaustive
def test_every_flip_of_a_small_library_is_seen_or_free() -> None:
    data, rebuilt, policy = _pair("x86_64-dll-tiny")
    declared = _free(compare_bytes(data, rebuilt, policy).patches)
    assert _flips(data, rebuilt, policy, list(range(len(data)))) == declared

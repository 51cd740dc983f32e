"""The stand-alone checker: holds for true proofs, breaks for every tampered one."""

import base64
import bz2
import copy
import hashlib
import json
import lzma
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier import check

PIECES = st.lists(
    st.one_of(
        st.tuples(st.just("same"), st.binary(min_size=1, max_size=9), st.just(b"")),
        st.tuples(st.just("patch"), st.binary(max_size=9), st.binary(max_size=9)),
    ),
    max_size=8,
)


def _facts(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def _entry(pieces: list[tuple[str, bytes, bytes]]) -> tuple[dict[str, Any], bytes, bytes]:
    """A true proof entry, and the two files, from pieces that are same or patched."""
    shipped = rebuilt = b""
    patches = []
    for kind, one, other in pieces:
        if kind == "patch":
            patches.append(_patch(len(shipped), len(rebuilt), one, len(other)))
            shipped, rebuilt = shipped + one, rebuilt + other
        else:
            shipped, rebuilt = shipped + one, rebuilt + one
    entry = {"shipped": _facts(shipped), "rebuilt": _facts(rebuilt), "patches": patches}
    return {"path": "file", **entry}, shipped, rebuilt


def _patch(offset: int, rebuilt_offset: int, data: bytes, length: int) -> dict[str, Any]:
    return {
        "rule": "pe.coff-timestamp",
        "strength": "bounded",
        "field": "coff.TimeDateStamp",
        "offset": offset,
        "length": len(data),
        "rebuilt_offset": rebuilt_offset,
        "rebuilt_length": length,
        "free_bytes": len(data),
        "data": base64.b64encode(data).decode(),
    }


def _document(entry: dict[str, Any], free: int) -> dict[str, Any]:
    return {
        "schema": check.SCHEMA,
        "verdict": "equivalent",
        "files": [entry],
        "free_bytes": free,
    }


@given(PIECES)
def test_a_true_proof_holds_and_counts_its_bytes(pieces: list[tuple[str, bytes, bytes]]) -> None:
    entry, shipped, rebuilt = _entry(pieces)
    counts = check.check_file(entry, memoryview(shipped), memoryview(rebuilt))
    patched = sum(len(one) for kind, one, _ in pieces if kind == "patch")
    assert counts["free"] == patched
    assert counts["equal"] + patched == len(shipped)


@given(PIECES, st.data())
def test_no_byte_of_either_file_may_differ(
    pieces: list[tuple[str, bytes, bytes]], data: st.DataObject
) -> None:
    entry, shipped, rebuilt = _entry(pieces)
    for name in ("shipped", "rebuilt"):
        files = {"shipped": bytearray(shipped), "rebuilt": bytearray(rebuilt)}
        if not files[name]:
            continue
        files[name][data.draw(st.integers(0, len(files[name]) - 1))] ^= 1
        with pytest.raises(check.Broken, match="not the one"):
            check.check_file(entry, memoryview(files["shipped"]), memoryview(files["rebuilt"]))


@settings(max_examples=200)
@given(PIECES, st.data())
def test_no_number_or_byte_of_a_patch_may_differ(
    pieces: list[tuple[str, bytes, bytes]], data: st.DataObject
) -> None:
    entry, shipped, rebuilt = _entry(pieces)
    if not entry["patches"]:
        return
    forged = copy.deepcopy(entry)
    patch = data.draw(st.sampled_from(forged["patches"]))
    name = data.draw(st.sampled_from(["offset", "length", "rebuilt_offset", "rebuilt_length"]))
    patch[name] += data.draw(st.sampled_from([-1, 1, 1000, -1000]))
    try:
        check.check_file(forged, memoryview(shipped), memoryview(rebuilt))
    except check.Broken:
        return
    pytest.fail(f"a forged {name} passed")


def test_a_proof_with_forged_data_breaks() -> None:
    entry, shipped, rebuilt = _entry([("same", b"head", b""), ("patch", b"1234", b"abcd")])
    entry["patches"][0]["data"] = base64.b64encode(b"1235").decode()
    with pytest.raises(check.Broken, match="do not turn"):
        check.check_file(entry, memoryview(shipped), memoryview(rebuilt))


def test_free_bytes_cannot_be_hidden() -> None:
    entry, shipped, rebuilt = _entry([("patch", b"1234", b"abcd")])
    assert check.check_file(entry, memoryview(shipped), memoryview(rebuilt))["free"] == 4
    entry["patches"][0]["strength"] = "certain"
    with pytest.raises(check.Broken, match="strength"):
        check.check_file(entry, memoryview(shipped), memoryview(rebuilt))


def _deflate(data: bytes, level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


PACKERS = {
    "deflate": _deflate,
    "xz": lambda data, level: lzma.compress(data, preset=level),
    "bzip2": bz2.compress,
    "zstd": lambda data, level: zstandard.ZstdCompressor(level=level).compress(data),
}


def _stream(codec: str, encoder: str) -> tuple[dict[str, Any], bytes, bytes]:
    inner, payload, other = _entry([("same", b"text " * 999, b""), ("patch", b"1234", b"abcd")])
    shipped, rebuilt = PACKERS[codec](payload, 9), PACKERS[codec](other, 1)
    patch = _patch(2, 2, shipped, len(rebuilt))
    del patch["data"]
    patch |= {"codec": codec, "encoder": encoder, "payload": inner}
    patch["free_bytes"] = 0 if encoder else len(shipped)
    one, two = b"<<" + shipped + b">>", b"<<" + rebuilt + b">>"
    entry = {"path": "f", "shipped": _facts(one), "rebuilt": _facts(two), "patches": [patch]}
    return entry, one, two


@pytest.mark.parametrize("codec", PACKERS)
@pytest.mark.parametrize("encoder", ["", "zlib -9"])
def test_a_compressed_member_is_decoded_and_proven(codec: str, encoder: str) -> None:
    entry, shipped, rebuilt = _stream(codec, encoder)
    counts = check.check_file(entry, memoryview(shipped), memoryview(rebuilt))
    assert counts["inside bounded: pe.coff-timestamp"] == 4
    assert counts["free"] == 4 + (0 if encoder else len(shipped) - 4)


@pytest.mark.parametrize("codec", PACKERS)
def test_a_compressed_member_hides_nothing(codec: str) -> None:
    entry, shipped, rebuilt = _stream(codec, "")
    entry["patches"][0]["payload"]["patches"] = []
    with pytest.raises(check.Broken, match="do not turn"):
        check.check_file(entry, memoryview(shipped), memoryview(rebuilt))
    entry, shipped, rebuilt = _stream(codec, "")
    entry["patches"][0]["length"] -= 1
    with pytest.raises((check.Broken, zlib.error, EOFError, lzma.LZMAError, ValueError)):
        check.check_file(entry, memoryview(shipped), memoryview(rebuilt))
    entry, shipped, rebuilt = _stream(codec, "")
    entry["patches"][0]["free_bytes"] = 0
    with pytest.raises(check.Broken, match="free"):
        check.check_file(entry, memoryview(shipped), memoryview(rebuilt))


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    script = str(Path(check.__file__))
    command = [sys.executable, "-I", "-S", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_runs_alone_with_honest_exit_codes(tmp_path: Path) -> None:
    entry, shipped, rebuilt = _entry([("same", b"head", b""), ("patch", b"1234", b"abcd")])
    one, other, proof = tmp_path / "one", tmp_path / "other", tmp_path / "proof.json"
    one.write_bytes(shipped)
    other.write_bytes(rebuilt)
    proof.write_text(json.dumps(_document(entry, 4)), "utf-8")
    assert _run(proof, one, other).returncode == 0
    assert _run(proof, other, one).returncode == 1
    assert _run(proof, one).returncode == 2
    assert _run(proof, one, tmp_path / "missing").returncode == 3
    proof.write_text(json.dumps(_document(entry, 0)), "utf-8")
    assert _run(proof, one, other).returncode == 1
    proof.write_text(json.dumps({**_document(entry, 4), "files": []}), "utf-8")
    assert _run(proof, one, other).returncode == 1
    proof.write_text('{"schema": 1, "schema": 2}', "utf-8")
    assert _run(proof, one, other).returncode == 1
    proof.write_text("not JSON", "utf-8")
    assert _run(proof, one, other).returncode == 3


def test_directories_must_hold_exactly_the_proven_files(tmp_path: Path) -> None:
    entry, shipped, rebuilt = _entry([("patch", b"1234", b"abcd")])
    one, other, proof = tmp_path / "one", tmp_path / "other", tmp_path / "proof.json"
    for folder, data in ((one, shipped), (other, rebuilt)):
        folder.mkdir()
        (folder / "file").write_bytes(data)
        (folder / "link").symlink_to("file")
    proof.write_text(json.dumps(_document(entry, 4)), "utf-8")
    assert _run(proof, one, other).returncode == 0
    (one / "extra").touch()
    assert _run(proof, one, other).returncode == 1
    (one / "extra").unlink()
    (one / "link").unlink()
    (one / "link").symlink_to("/etc/passwd")
    assert _run(proof, one, other).returncode == 1

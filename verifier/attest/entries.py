"""What a journal's entries say: one canonical JSON object each, made from the files of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verifier import shape
from verifier.attest import dsse, strict
from verifier.attest.predicate import sha256
from verifier.errors import ParseError

if TYPE_CHECKING:
    import datetime as dt

KINDS = ("run", "source", "waiver", "attestation", "file")


def of_file(name: str, data: bytes, time: dt.datetime) -> list[bytes]:
    """The entries for one file.

    A report tells of its run, source and waivers; an envelope is kept whole; of any other file
    the digest is kept.
    """
    about = {"name": name, "sha256": sha256(data), "time": strict.show_time(time)}
    found = _object(data)
    if found.get("schema") == "urn:source-binary-verifier:report:v1":
        shape.check(found, "report-v1", name)
        bodies = _of_report(found)
    elif "payloadType" in found:
        dsse.parse(data, name)
        bodies = [("attestation", found)]
    else:
        bodies = [("file", {})]
    return [strict.canonical({"kind": kind, **about, "body": body}) for kind, body in bodies]


def _object(data: bytes) -> dict[str, Any]:
    """The JSON object that a file is, or nothing."""
    try:
        return strict.object_of(data, "It")
    except ParseError:
        return {}


def _of_report(report: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    source = report["source"]
    artifacts = [
        {
            "name": item["path"],
            **{side: item[side] and item[side]["sha256"] for side in ("shipped", "rebuilt")},
        }
        for item in report.get("artifacts", [])
    ]
    run = {
        "verdict": report["verdict"],
        "summary": report["summary"],
        "policy": report["policy"],
        "rules": report["rules_digest"],
        "source": "" if source is None else str(source.get("digest", "")),
        "artifacts": artifacts,
    }
    found: list[tuple[str, dict[str, Any]]] = []
    if source is not None:
        kept = ("kind", "digest", "description", "swhid", "spec", "spec_sha256")
        found.append(("source", {name: str(source.get(name, "")) for name in kept}))
    found += [("waiver", {**item, **_numbers(item)}) for item in report["waivers"]]
    return [*found, ("run", run)]


def _numbers(item: dict[str, Any]) -> dict[str, Any]:
    """Offsets as text, which no JSON reader rounds."""
    return {name: None if item[name] is None else str(item[name]) for name in ("offset", "length")}


def read(data: bytes, what: str) -> dict[str, Any]:
    """One entry; ParseError if it is not canonical or not of a known form."""
    found = strict.object_of(data, what)
    if set(found) != {"kind", "name", "sha256", "time", "body"} or found["kind"] not in KINDS:
        raise ParseError(f"{what} is of no known form.")
    if not all(isinstance(found[key], str) for key in ("name", "sha256", "time")):
        raise ParseError(f"{what} is of no known form.")
    if strict.canonical(found) != data:
        raise ParseError(f"{what} is not canonical.")
    strict.time_of(found["time"], f"The time of {what}")
    return found


def attestation(entry: dict[str, Any]) -> bytes:
    """The envelope that an entry keeps."""
    return strict.canonical(entry["body"])

"""Our own predicate, from a saved report and what it rests on."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verifier import __version__
from verifier.attest import strict
from verifier.errors import ParseError, UsageError
from verifier.model import Verdict

if TYPE_CHECKING:
    from verifier.attest.make import Basis


def predicate(
    report: dict[str, Any], basis: Basis, laid_out: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The predicate. `report` is the parsed `basis.report`, `laid_out` files are proven by maps."""
    source = report["source"] or {}
    return {
        "verdict": report["verdict"],
        "complete": report["complete"],
        "summary": report["summary"],
        "auditor": basis.auditor._asdict(),
        "verifier": {
            "version": __version__,
            "sha256": program_digest(),
            "tools": report["tool_versions"],
        },
        "source": _source(source, basis.source),
        "record": _record(source, basis.record),
        "artifacts": _artifacts(report, laid_out),
        "report": {"sha256": sha256(basis.report)},
        "proof": None
        if basis.proof is None
        else {"sha256": sha256(basis.proof), "freeBytes": str(report["free_bytes"])},
        "rules": {"sha256": report["rules_digest"], "fired": _fired(report)},
        "policy": _policy(report["policy_details"]),
        "waivers": _waivers(report),
        "coverage": _coverage(report),
        "differences": _differences(report),
        "problems": _problems(report),
        "environment": _environment(report["build"]),
        "inputs": _inputs(source.get("files", []))
        | {"recorded": _recorded(report.get("inputs"), report["build"])},
        "times": {
            "issued": strict.show_time(basis.issued),
            "seconds": f"{report['seconds']:.3f}",
        },
        "supersedes": sorted(basis.supersedes),
    }


def _source(source: dict[str, Any], stated: str) -> dict[str, str] | None:
    if not source and not stated:
        return None
    if source and stated and source.get("digest") != stated:
        raise UsageError(f"The report's source is {source.get('digest')}, not {stated}.")
    kept = {key: str(source.get(key, "")) for key in ("kind", "digest", "description", "swhid")}
    if not source:
        kept |= {"kind": "stated", "digest": stated}
    spec = {"spec": str(source.get("spec", "")), "specSha256": str(source.get("spec_sha256", ""))}
    return kept | spec


def _record(source: dict[str, Any], given: bytes | None) -> dict[str, str] | None:
    """The audit record against which the source was held, or the one that is given."""
    held = source.get("record")
    told = held.get("sha256") if isinstance(held, dict) else None
    own = sha256(given) if given is not None else told
    if own is None:
        return None
    if not isinstance(own, str) or (told is not None and told != own):
        raise UsageError(f"The source was held against the record {told}, which is not --record.")
    return {"sha256": own}


def _artifacts(
    report: dict[str, Any], laid_out: frozenset[str] = frozenset()
) -> list[dict[str, Any]]:
    positive = Verdict(report["verdict"]).positive
    found = []
    for item in report.get("artifacts", []):
        sides = {side: item[side] for side in ("shipped", "rebuilt")}
        known = [None if each is None else each["sha256"] for each in sides.values()]
        same = known[0] is not None and known[0] == known[1]
        how = "layout" if item["path"] in laid_out else "reconstructed"
        relation = "byte-identical" if same else how if positive else "unproven"
        shown = {
            side: None if each is None else {"sha256": each["sha256"], "size": str(each["size"])}
            for side, each in sides.items()
        }
        found.append({"name": item["path"], "relation": relation, **shown})
    return found


def _fired(report: dict[str, Any]) -> list[dict[str, str]]:
    """Each rule that settled something, with how many bytes, of them how many free."""
    counts: dict[tuple[str, str], list[int]] = {}
    for member in report["members"]:
        for patch in member["patches"]:
            each = counts.setdefault((patch["rule"], patch["strength"]), [0, 0, 0])
            for index, value in enumerate((1, patch["length"], patch["free_bytes"])):
                each[index] += value
    return [
        {
            "id": rule,
            "strength": strength,
            "patches": str(one),
            "bytes": str(two),
            "freeBytes": str(three),
        }
        for (rule, strength), (one, two, three) in sorted(counts.items())
    ]


def _policy(details: dict[str, Any]) -> dict[str, Any]:
    kept = {name: details[name] for name in ("name", "accepts", "denied", "waivers")}
    digest = sha256(strict.canonical(details))
    return {**kept, "tolerates": details.get("tolerates", []), "sha256": digest}


def _waivers(report: dict[str, Any]) -> list[dict[str, Any]]:
    """All waivers of the run, and what became of each."""
    used = {
        (member["path"], patch["field"])
        for member in report["members"]
        for patch in member["patches"]
        if patch["strength"] == "waived"
    }
    told = []
    for item in report["waivers"]:
        kept = {name: item[name] for name in ("member", "field", "reason", "author", "expires")}
        state = item.get("state", "")  # reports of earlier versions tell none
        kept["used"] = state == "used" if state else (item["member"], item["field"]) in used
        told.append({**kept, "state": state} if state else kept)
    return told


def _coverage(report: dict[str, Any]) -> dict[str, Any]:
    total: Counter[str] = Counter()
    for item in _artifacts(report):
        if item["shipped"] is not None:
            size = int(item["shipped"]["size"])
            total["total"] += size
            total[item["relation"]] += size
    settled: Counter[str] = Counter()
    for rule in _fired(report):
        settled[rule["strength"]] += int(rule["bytes"])
    return {
        "total": str(total["total"]),
        "identical": str(total["byte-identical"]),
        "settled": {name: str(size) for name, size in sorted(settled.items())},
        "freeBytes": str(report["free_bytes"]),
        "unproven": str(total["unproven"]),
    }


def _differences(report: dict[str, Any]) -> dict[str, Any]:
    found = [item for member in report["members"] for item in member["differences"]]
    kinds = Counter(item["kind"] for item in found)
    weaker = sum(1 for item in found if item.get("weakening"))
    named = {kind: str(count) for kind, count in sorted(kinds.items())}
    return {"count": str(len(found)), "weakenings": str(weaker), "kinds": named}


def _problems(report: dict[str, Any]) -> dict[str, str]:
    found = [*report["problems"], *(p for member in report["members"] for p in member["problems"])]
    counts = Counter(item["kind"] for item in found)
    return {kind: str(count) for kind, count in sorted(counts.items())}


def _environment(build: dict[str, Any] | None) -> dict[str, Any] | None:
    if build is None or "environment" not in build:
        return None
    around, sandbox = build["environment"], build.get("sandbox") or {}
    if not isinstance(around, dict) or not isinstance(sandbox, dict):
        raise ParseError("The report's record of the build is odd.")
    packages, tools = around.get("packages", []), around.get("tools", {})
    if not isinstance(packages, list) or not isinstance(tools, dict):
        raise ParseError("The report's record of the build is odd.")
    return {
        "recipe": str(build.get("recipe", "")),
        "sandbox": str(sandbox.get("kind", "")),
        "rootDigest": str(build.get("root_digest") or ""),
        "clock": str(build.get("clock") or ""),
        "packages": str(len(packages)),
        "packagesSha256": sha256(strict.canonical(packages)),
        "tools": {str(key): str(value) for key, value in tools.items()},
    }


def _inputs(files: object) -> dict[str, str]:
    if not isinstance(files, list) or not all(
        isinstance(item, dict) and isinstance(item.get("size"), int) for item in files
    ):
        raise ParseError("The report's list of source files is odd.")
    size = sum(item["size"] for item in files)
    digest = sha256(strict.canonical(files))
    return {"files": str(len(files)), "bytes": str(size), "sha256": digest}


def _recorded(inputs: dict[str, Any] | None, build: dict[str, Any] | None) -> object:
    """What the build read, by class; null where it was not recorded."""
    if inputs is None:
        return None
    record = (build or {}).get("record") or {}
    if not isinstance(record, dict):
        raise ParseError("The report's record of the build is odd.")
    return {
        "method": inputs["method"],
        "sha256": str(record.get("sha256", "")),
        "classes": {
            item["name"]: {"files": str(item["files"]), "bytes": str(item["size"])}
            for item in inputs["classes"]
        },
        "unaccounted": str(len(inputs["unaccounted"])),
        "events": str(len(inputs["events"])),
        "problems": str(len(inputs["problems"])),
    }


def program_digest() -> str:
    """SHA-256 over the names and contents of the program's own files."""
    root = Path(__file__).parents[1]
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in {".py", ".json", ".toml"} and path.is_file():
            name = path.relative_to(root).as_posix()
            total.update(f"{sha256(path.read_bytes())}  {name}\n".encode())
    return total.hexdigest()


def sha256(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()

"""The JSON report: the published form of a run (`schemas/report-v1.json`)."""

from __future__ import annotations

import json
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from verifier import __version__
from verifier.wire import to_data

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.model import Member, Patch, Report


_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: no file of UTF-8 holds it
_INDENTED = 5_000  # patches
_END = "\n}"
_compact = json.JSONEncoder(ensure_ascii=False).encode
_OPTIONAL = {"free", "group", "codec", "encoder"}  # of a patch, left out where empty


def document(report: Report) -> dict[str, Any]:
    """The report as plain data. Patched bytes themselves are in the proof, not here."""
    data: dict[str, Any] = to_data(report._replace(members=()))
    data["tool_versions"] = report.tool_versions or tool_versions()
    data["policy"] = report.policy.name
    data["policy_details"] = to_data(report.policy)
    data["members"] = [_member(member) for member in report.members]
    return data


def tool_versions() -> dict[str, str]:
    """This program, its interpreter and its libraries."""
    found = {"verifier": __version__, "python": platform.python_version()}
    for name in ("cryptography", "zstandard", "iced-x86", "capstone"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def text(report: Report) -> str:
    """The JSON report as it is written."""
    data = document(report)
    if sum(len(member.patches) for member in report.members) <= _INDENTED:
        shown = json.dumps(data, indent=1, ensure_ascii=False)
    else:  # a line a member: indenting takes ten times as long, and nobody reads so much
        lines = ",\n".join(_compact(member) for member in data.pop("members"))
        around = json.dumps({**data, "members": []}, indent=1, ensure_ascii=False)
        shown = f"{around.removesuffix('[]' + _END)}[\n{lines}\n ]{_END}"
    if not shown.isascii():
        shown = _SURROGATE.sub(lambda found: rf"\\u{ord(found[0]):04x}", shown)
    return shown.replace("##", "#\\u0023") + "\n"  # runners of CI obey `##[`


def write(report: Report, path: Path) -> None:
    """Write the JSON report."""
    path.write_text(text(report), "utf-8")


def _member(member: Member) -> dict[str, Any]:
    data: dict[str, Any] = to_data(member._replace(patches=()))
    data["patches"] = [_patch(patch) for patch in member.patches]
    for name in ("summary", "within", "unsettled"):
        if not data[name]:
            del data[name]
    for difference in data["differences"]:
        for name in ("offset", "length"):
            if difference[name] is None:
                del difference[name]
        for name in ("weakening", "detail"):
            if not difference[name]:
                del difference[name]
    return data


def _patch(patch: Patch) -> dict[str, Any]:
    data: dict[str, Any] = patch._asdict()  # of a report's parts there are most of these
    del data["data"]
    data["strength"] = patch.strength.value
    data["free"] = [item._asdict() for item in patch.free]
    data["free_bytes"] = patch.free_bytes
    return {key: value for key, value in data.items() if value or key not in _OPTIONAL}

"""Which differences tell most: their order in a report, and one plain sentence of them all.

The size of a difference is not its importance: an import comes before a
thousand moved bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from verifier.semantic.wording import nature

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from verifier.model import Difference

_ORDER: Final = (
    ("signature", "format", "layout"),
    ("import", "needed", "initialiser", "tls-callback", "interpreter", "run-path"),
    ("hardening", "section-permissions", "segment-permissions", "mode", "owner"),
    ("certificate", "entropy"),
    ("dependency",),
    ("string!",),  # one that names an address, a key, a command or a path
    ("toolchain",),  # before the hundreds of functions that another compiler makes otherwise
    (
        "function",
        "object",
        "type",
        "export",
        "symbol-version",
        "delay-import",
        "dynamic-tag",
        "relocation",
    ),
    ("resource", "text", "string"),
    ("debug-lines", "build-setting", "identifier"),
    ("field", "section", "segment", "gap", "relocation-count"),
    ("bytes",),
)
_RANK: Final = {noun: rank for rank, nouns in enumerate(_ORDER) for noun in nouns}
_OTHER: Final = _RANK["resource"]
_CLAUSES = 6  # of one sentence
_NAMES = 3  # named things of one clause
_FEW = 12  # functions that are worth a name each, where another compiler made them
_NAME = 60  # characters of one name
_SUMMARY = 160  # characters of a summary in the sentence
_CALLS = frozenset({"elf", "pe"})  # formats whose imports are always compared
_RUN_PATHS = frozenset({"DT_RPATH", "DT_RUNPATH"})
_RUNTIME = ("api-ms-win-crt", "msvcr", "msvcp", "vcruntime", "ucrtbase")
# Python's module for processes is spelled so that a search for its users does not end here.
_URGENT = re.compile(
    r"_?_?(?:w?exec[lv]p?e?|system|popen|posix_spawnp?|fork|vfork|clone|ptrace|dlopen|dlsym"
    r"|dlmopen|mprotect|memfd_create|fexecve|socket|connect|bind|listen|accept4?|sendto|recvfrom"
    r"|getaddrinfo|gethostbyname|setuid|setgid|setresuid|chmod|chown|unlink|rename|mount|chroot"
    r"|init_module|finit_module|bpf|process_vm_writev)"
    r"|(?:CreateProcess(?:AsUser|WithLogon|WithToken)?|ShellExecute(?:Ex)?|WinExec|LoadLibrary"
    r"(?:Ex)?|URLDownloadToFile|InternetOpen(?:Url)?|WinHttpOpen|HttpSendRequest|CreateService"
    r"|RegSetValue(?:Ex)?|RegCreateKey(?:Ex)?|DeleteFile|MoveFile(?:Ex)?|SetWindowsHookEx"
    r"|GetAsyncKeyState|OutputDebugString|CryptEncrypt|CryptAcquireContext)[AW]?"
    r"|(?:VirtualAlloc(?:Ex)?|VirtualProtect(?:Ex)?|WriteProcessMemory|ReadProcessMemory"
    r"|CreateRemoteThread(?:Ex)?|OpenProcess|GetProcAddress|NtCreateThreadEx|NtMapViewOfSection"
    r"|QueueUserAPC|AdjustTokenPrivileges|IsDebuggerPresent|WSAStartup|WSASocket[AW])"
    r"|(?:os|sub[p]rocess|socket|ctypes|marshal|pickle|urllib\.request|http\.client|ssl|pty)"
)
_MORE = "more"  # where a difference stands for all that are not listed
_REST = re.compile(r"(\d+) more ")
_NEW = ("import-added", "needed-added", "delay-import-added")


def ranked(differences: Iterable[Difference]) -> list[Difference]:
    """The most telling first; otherwise as they came."""
    return sorted(differences, key=lambda item: (rank(item), weight(item)))


def weight(difference: Difference) -> int:
    """Among imports, what starts programs, loads code or talks to the network comes first.

    What the C runtime brings along comes last: it changes with every compiler. Of what is told
    with functions, places that the loader patches come last.
    """
    if not difference.kind.startswith(("import-", "needed-")):
        return int(difference.kind.startswith("relocation-"))  # they move with each function
    library, _, name = difference.where.rpartition("!")
    if _URGENT.fullmatch(name):
        return 0
    return 2 if library.lower().startswith(_RUNTIME) or name.startswith("_") else 1


def rank(difference: Difference) -> int:
    """The place of its kind; 0 is the most telling."""
    if difference.weakening:
        return -1
    kind = difference.kind
    if kind.startswith("string-") and nature(difference.where):
        kind = "string!"
    if difference.where in _RUN_PATHS:
        kind = "run-path"
    noun = kind
    while noun not in _RANK and "-" in noun:
        noun = noun.rpartition("-")[0]
    return _RANK.get(noun, _OTHER)


def sentence(format_name: str, differences: Sequence[Difference]) -> str:
    """What differs, in one line, such as `1 import added: execve; 1 function changed: main.`."""
    groups: dict[tuple[int, str], list[Difference]] = {}
    lines = any(item.kind.startswith("text-") for item in differences)
    for difference in differences:
        if lines and difference.kind == "bytes":
            continue  # the lines that hold them say more
        groups.setdefault((rank(difference), difference.kind), []).append(difference)
    drift = any(item.kind == "toolchain" for item in differences)
    if drift and sum(len(each) for (_, kind), each in groups.items() if kind in _CODE) > _FEW:
        _join(groups)
    ordered = [groups[key] for key in sorted(groups, key=lambda key: key[0])]
    clauses = [_clause(group, drift) for group in ordered[:_CLAUSES]]
    if len(ordered) > _CLAUSES:
        rest = sum(map(len, ordered[_CLAUSES:]))
        clauses.append(f"{rest} more difference{'s' if rest > 1 else ''} of other kinds")
    if format_name in _CALLS and not any(item.kind in _NEW for item in differences):
        clauses.append("no new imports")
    return f"{'; '.join(clauses)}." if clauses else ""


def _join(groups: dict[tuple[int, str], list[Difference]]) -> None:
    """Make one group of all functions that differ: each may, under another compiler."""
    keys = [key for key in groups if key[1] in _CODE]
    joined = [item for key in keys for item in groups[key]]
    for key in keys[1:]:
        del groups[key]
    groups[keys[0]] = joined


def _clause(group: list[Difference], drift: bool) -> str:
    kinds = Counter(item.kind for item in group)
    if drift and len(group) > _FEW and kinds.keys() <= _CODE.keys():
        told = ", ".join(f"{kinds[kind]} {word}" for kind, word in _CODE.items() if kinds[kind])
        first, _, more = told.partition(" ")
        return f"{first} functions {more}, as they may under another compiler"
    kind = group[0].kind
    if kind in _SAID and len(group) <= _NAMES:
        said = [(_short(item.where), _short(item.summary.rstrip("."), _SUMMARY)) for item in group]
        return ", ".join(f"{where}: {summary}" for where, summary in said)
    noun, _, change = kind.rpartition("-")
    if change not in _CHANGES:
        noun, change = kind, ""
    plain = noun.replace("-", " ")
    count = sum(map(_counted, group))
    label = _LABELS.get(noun, (plain, f"{plain}s"))[count > 1]
    places = Counter(_short(item.where) for item in group if item.where != _MORE)
    names = ", ".join(list(places)[:_NAMES]) + (", …" if len(places) > _NAMES else "")
    if count == 1 and kind in _ALONE:
        names += f" ({_short(group[0].summary.rstrip('.'), _SUMMARY)})"
    changed = f" {_CHANGES[change]}" if change else ""
    return f"{count} {label}{changed}{f': {names}' if names else ''}"


def _counted(item: Difference) -> int:
    """How many it stands for: what is not listed is counted where its number is known."""
    told = _REST.match(item.summary) if item.where == _MORE else None
    return int(told[1]) if told else 1


def _short(shown: str, most: int = _NAME) -> str:
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


_SAID: Final = frozenset(
    {"hardening", "entropy", "toolchain", "format", "text-encoding", "interpreter", "identifier"}
)
_CODE: Final = {
    "function-changed": "changed",
    "function-added": "added",
    "function-removed": "removed",
}
# Where there is one alone, the sentence says what of it changed.
_ALONE: Final = frozenset(
    {
        "dependency-changed",
        "function-changed",
        "initialiser-order",
        "resource-changed",
        "text-changed",
        "type-changed",
    }
)
_CHANGES: Final = {
    "added": "added", "removed": "removed", "missing": "removed", "changed": "changed",
    "order": "moved",
}  # fmt: skip
_LABELS: Final = {
    "bytes": ("place with other bytes", "places with other bytes"),
    "debug-lines": ("place with other line numbers alone", "places with other line numbers alone"),
    "dependency": ("dependency", "dependencies"),
    "field": ("field with another value", "fields with other values"),
    "hardening": ("protection differs", "protections differ"),
    "identifier": ("identifier of the build", "identifiers of the build"),
    "needed": ("needed library", "needed libraries"),
    "relocation": ("relocation into code", "relocations into code"),
    "section-permissions": ("section with other rights", "sections with other rights"),
    "segment-permissions": ("segment with other rights", "segments with other rights"),
    "text": ("stretch of text", "stretches of text"),
    "toolchain": ("tool differs", "tools differ"),
}

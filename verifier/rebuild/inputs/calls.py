"""One line of strace's log as a call: paths unescaped, the result's own path where it has one.

`-y` writes behind each descriptor the path that the kernel has for it: absolute, without links,
as the traced process sees it. That path, not the one that was asked for, names what was opened.
"""

from __future__ import annotations

import codecs
import os
import re
from typing import NamedTuple

_TEXT = r'"((?:[^"\\]|\\.)*)"'
_AT = r"(?:AT_FDCWD|-?\d+)(?:<([^>]*)>(?:\(deleted\))?)?"
_LIST = r'(\[(?:"(?:[^"\\]|\\.)*"(?:\.\.\.)?|\.\.\.|, )*\]|0x[0-9a-f]+|NULL)'
_FLAGS = r"([A-Z0-9_|a-fx]+)"
_MORE = r"(?:, \w+)?"

OPENS = ("open", "openat", "openat2", "creat", "open_by_handle_at")
RUNS = ("execve", "execveat")
FORKS = ("clone", "clone3", "fork", "vfork")
TALKS = ("connect", "bind", "sendto", "sendmsg", "sendmmsg")
# After one of these the names in the log, or the log itself, are not the whole truth.
BLINDS = (
    "io_uring_setup",
    "seccomp",
    "chroot",
    "pivot_root",
    "mount",
    "move_mount",
    "setns",
    "unshare",
)

# The arguments of each call; the groups' meaning is in `_GROUPS`.
_SHAPES = {
    "open": rf"{_TEXT}, {_FLAGS}{_MORE}\)",
    "openat": rf"{_AT}, {_TEXT}, {_FLAGS}{_MORE}\)",
    "openat2": rf"{_AT}, {_TEXT}, \{{flags={_FLAGS}[^}}]*\}}, \d+\)",
    "creat": rf"{_TEXT}{_MORE}\)",
    "open_by_handle_at": r".*?\)",
    "execve": rf"{_TEXT}, {_LIST}, ",
    "execveat": rf"{_AT}, {_TEXT}, {_LIST}, ",
    "chdir": rf"{_TEXT}\)",
    "fchdir": rf"{_AT}\)",
    "rename": rf"{_TEXT}, {_TEXT}\)",
    "renameat": rf"{_AT}, {_TEXT}, {_AT}, {_TEXT}\)",
    "renameat2": rf"{_AT}, {_TEXT}, {_AT}, {_TEXT}, {_FLAGS}\)",
    "link": rf"{_TEXT}, {_TEXT}\)",
    "linkat": rf"{_AT}, {_TEXT}, {_AT}, {_TEXT}, {_FLAGS}\)",
    "symlink": rf"{_TEXT}, {_TEXT}\)",
    "symlinkat": rf"{_TEXT}, {_AT}, {_TEXT}\)",
    "mkdir": rf"{_TEXT}{_MORE}\)",
    "mkdirat": rf"{_AT}, {_TEXT}{_MORE}\)",
    "mknod": rf"{_TEXT}, ",
    "mknodat": rf"{_AT}, {_TEXT}, ",
    "truncate": rf"{_TEXT}, ",
}
PIPES = ("dup2", "dup3", "pipe", "pipe2")
_GROUPS = {
    "open": "pf", "openat": "dpf", "openat2": "dpf", "creat": "p", "open_by_handle_at": "",
    "execve": "pa", "execveat": "dpa", "chdir": "p", "fchdir": "d", "rename": "pq",
    "renameat": "dpeq", "renameat2": "dpeqf", "link": "pq", "linkat": "dpeqf", "symlink": "pq",
    "symlinkat": "peq", "mkdir": "p", "mkdirat": "dp", "mknod": "p", "mknodat": "dp",
    "truncate": "p",
}  # fmt: skip
TRACED = (*_SHAPES, *FORKS, *TALKS, *PIPES, *BLINDS)
_PATTERNS = {name: re.compile(rf"{name}\({shape}") for name, shape in _SHAPES.items()}
_NAME = re.compile(r"(\w+)\(")
_RESULT = re.compile(r"= (\d+)(?:<([^>]*)>(\(deleted\))?)?$")
_CHILD = re.compile(r"= (\d+)(?: /\* (\d+) in strace's PID NS \*/)?$")
_ENDS = re.compile(r"(\d+)<([^>]*)>")
_BECAME = re.compile(r"<pid changed to (\d+) \.\.\.>$")
_KILLED = re.compile(r"(?:<unfinished \.\.\.>|\) += \?(?: \w+ \([^<>\"]*\))?)$")
# A process that died while strace asked what it had called: the kernel runs no call of a dead one.
_NEVER = "???( <detached ...>"
_ADDRESS = re.compile(r"\{sa_family=(AF_\w+), (.*?)\}")
_HOST = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]*)"')
_PORT = re.compile(r"htons\((\d+)\)")
_UNIX = re.compile(r"sun_path=(@?)" + _TEXT)
_ERROR = re.compile(r" = -1 E[A-Z0-9]+ \(([^()]*)\)$")
_ITEM = re.compile(_TEXT)


class Call(NamedTuple):
    """A call; fields that it does not have are empty.

    `at` and `to_at` are the directories that `path` and `to` are relative to; `opened` is the
    kernel's path of the result, None where strace could not read it. `child` is a process. `ends`
    are the descriptors that a pipe or a copied descriptor has, with the kernel's paths.
    """

    name: str
    path: str = ""
    at: str = ""
    to: str = ""
    to_at: str = ""
    flags: str = ""
    argv: tuple[str, ...] = ()
    opened: str | None = None
    deleted: bool = False
    child: int = 0
    address: str = ""
    failure: str = ""
    ends: tuple[tuple[int, str], ...] = ()


def parse(text: str) -> Call | None:
    """The call of one line; None for a line that tells of no finished call.

    Raises:
        ValueError: a line that this program does not understand.
    """
    match = _NAME.match(text)
    if match is None:
        if text == _NEVER or text.startswith(("+++ ", "<... ", "--- ", "[ Process PID=")):
            return None
        raise ValueError(text)
    return _named(match[1], text)


def _named(name: str, text: str) -> Call | None:
    if (pattern := _PATTERNS.get(name)) is not None:
        return _with_paths(name, pattern, text)
    if name in TALKS:
        return _talk(name, text)
    if name in PIPES:
        ends = tuple((int(number), plain(path)) for number, path in _ENDS.findall(text))
        return Call(name, ends=ends)
    if name in FORKS and (found := _CHILD.search(text)) is not None:
        return Call(name, child=int(found[2] or found[1]), flags=text)
    if name == "seccomp" and "SECCOMP_FILTER_FLAG_NEW_LISTENER" not in text:
        return None
    return Call(name) if name in BLINDS and _RESULT.search(text) else _check_killed(text)


def _with_paths(name: str, pattern: re.Pattern[str], text: str) -> Call | None:
    match = pattern.match(text)
    result = _RESULT.search(text)
    became = _BECAME.search(text) if name.startswith("exec") else None
    if match is None or (result is None and became is None):
        return _check_killed(text)
    fields = dict(zip(_GROUPS[name], match.groups(), strict=True))
    argv = tuple(map(plain, _ITEM.findall(fields.get("a") or "")))
    opened = result[2] if result else None
    return Call(
        name,
        plain(fields.get("p") or ""),
        plain(fields.get("d") or ""),
        plain(fields.get("q") or ""),
        plain(fields.get("e") or ""),
        fields.get("f") or "",
        argv,
        None if opened is None else plain(opened),
        deleted=bool(result and result[3]),
        child=int(became[1]) if became else 0,
    )


def _check_killed(text: str) -> Call | None:
    """Nothing for a call whose process was killed in it; else the line is not understood."""
    if not _KILLED.search(text):
        raise ValueError(text)
    return None


def _talk(name: str, text: str) -> Call | None:
    found = _ADDRESS.search(text)
    if found is None:
        return None
    error = _ERROR.search(text)
    family, inside = found[1], found[2]
    if family == "AF_UNIX":
        path = _UNIX.search(inside)
        address = f"{path[1]}{plain(path[2])}" if path else ""
    elif family in {"AF_INET", "AF_INET6"}:
        host, port = _HOST.search(inside), _PORT.search(inside)
        address = f"{host[1] if host else '?'} port {port[1] if port else '?'}"
    else:
        return None
    return Call(name, flags=family, address=address, failure=error[1] if error else "")


def plain(text: str) -> str:
    """A text of strace without its escapes, as Python has file names."""
    if "\\" not in text:
        return text
    return os.fsdecode(codecs.escape_decode(text.encode("ascii", "backslashreplace"))[0])

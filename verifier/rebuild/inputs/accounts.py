"""Everything that a recorded build read, by class: the report's `Inputs`, and the whole record."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier import limits
from verifier.account import Input, InputClass, Inputs
from verifier.rebuild.inputs import classify, copies, laid
from verifier.rebuild.inputs.classify import Decision
from verifier.rebuild.inputs.names import Audited, Elsewhere, Made, Odd, Pinned
from verifier.rebuild.inputs.processes import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from verifier.rebuild.inputs.classify import Judge
    from verifier.rebuild.inputs.recorder import Recorder
    from verifier.rebuild.inputs.replay import Use
    from verifier.rebuild.sandbox.base import Sandbox

    Altered = tuple[str, Audited, Made | None]

SCHEMA = "urn:source-binary-verifier:inputs:v1"
ALTERED = "an audited file that the build altered"


class Account(NamedTuple):
    """The report's part, and the whole record as plain data."""

    inputs: Inputs
    record: dict[str, Any]


def account(
    recorder: Recorder, sandbox: Sandbox, judge: Judge, method: str, products: Sequence[str] = ()
) -> Account:
    """Sum up a build whose steps have all ended; `products` are ends of names of files it made."""
    strangers = [use.path for use in recorder.replay.uses.values() if use.node is None]
    judge.packages.look_up(strangers)
    judge = judge.recompiled(strangers)
    decided = [(use, each) for use in _uses(recorder) if (each := _decide(use, recorder, judge))]
    problems = [*recorder.problems, *recorder.replay.problems]
    altered = recorder.altered(sandbox.room.tree, sandbox.tree)
    problems += _gaps(recorder, sandbox, altered)
    events = sorted([*_events(recorder, altered), *copies.copied(recorder, sandbox)])
    unaccounted = [
        Input(shown(use.path), each.reason, use.process.chain(), each.sha256, each.size)
        for use, each in decided
        if each.name == classify.UNACCOUNTED
    ]
    links = _odd_links(recorder)
    unaccounted += links
    classes, unread = _classes(decided, len(links)), _unread(recorder)
    chains: dict[tuple[str, ...], int] = {}
    files = [_told(use, each, chains) for use, each in decided]
    record = {
        "schema": SCHEMA,
        "method": method,
        "steps": recorder.steps,
        "classes": [each._asdict() for each in classes],
        "commands": list(chains),
        "files": files,
        "origins": _origins(recorder, sandbox, products),
        "unread": unread,
        "unaccounted": [_plain(each) for each in unaccounted],
        "events": [_plain(each) for each in events],
        "problems": problems,
    }
    inputs = Inputs(
        method,
        classes,
        tuple(_first(unaccounted)),
        tuple(_first(events)),
        _listed(unread),
        tuple(problems[: limits.DIFFERENCES_PER_MEMBER]),
    )
    return Account(inputs, record)


def write(record: dict[str, Any], path: Path) -> dict[str, str]:
    """Write the whole record; its file name and digest, for the report."""
    data = json.dumps(record, indent=1, ensure_ascii=True, sort_keys=True).encode() + b"\n"
    path.write_bytes(data)
    return {"file": path.name, "sha256": hashlib.sha256(data).hexdigest()}


def _uses(recorder: Recorder) -> list[Use]:
    return sorted(recorder.replay.uses.values(), key=lambda use: (use.path, str(type(use.node))))


def _decide(use: Use, recorder: Recorder, judge: Judge) -> Decision | None:
    node = use.node
    if node is None and judge.view.is_known(use.path):
        node = _later(use, recorder)
    match node:
        case Audited() | Pinned() | Odd():
            name, reason = _laid(node)
            return Decision(name, reason, node.sha256, node.size)
        case Made():
            by = node.process
            reason = f"made in the step {by.step} by {by.text}"
            return Decision(classify.PRODUCED, reason, size=_size(use.path, judge))
        case Elsewhere():
            return judge.decide(node.path)
        case _ if judge.view.is_known(use.path):
            return Decision(classify.UNACCOUNTED, classify.UNSEEN)
        case _:
            return judge.decide(use.path)


def _laid(node: Audited | Pinned | Odd) -> tuple[str, str]:
    """Class and reason of a file that lay there when the build began."""
    match node:
        case Audited():
            return classify.SOURCE, "audited"
        case Pinned():
            return classify.PINNED, node.what
        case Odd():
            return classify.UNACCOUNTED, node.reason


def _origins(recorder: Recorder, sandbox: Sandbox, products: Sequence[str]) -> dict[str, list[str]]:
    """For each file whose name ends as one of the products, the audited files behind it."""
    found: dict[str, list[str]] = {}
    replay = recorder.replay
    for name in _listed_files(sandbox.room.tree):
        path = f"{sandbox.tree}/{name}"
        if path.endswith(tuple(f"/{each.lstrip('/')}" for each in products)):
            names = replay.flow.origins(replay.names.get(path))
            if names is not None:
                found[shown(path)] = [shown(each) for each in names]
    return found


def _listed_files(top: Path) -> list[str]:
    """The files of the tree; none where it cannot be listed, which `_gaps` tells."""
    try:
        return list(laid.names(top))
    except OSError:
        return []


def _odd_links(recorder: Recorder) -> list[Input]:
    """Laid links that are not the audited ones: whoever passes through them opens another file."""
    return [
        Input(shown(path), entry.reason, (), entry.sha256)
        for path, entry in recorder.laid.links.items()
        if isinstance(entry, Odd)
    ]


def _later(use: Use, recorder: Recorder) -> Made | None:
    """The maker of a file whose making the log shows a moment after its reading.

    Both calls ran side by side. Whatever has this name was made by the build: nothing else was
    there when it began.
    """
    node = recorder.replay.names.get(use.path)
    return node if isinstance(node, Made) else None


def _size(path: str, judge: Judge) -> int:
    """The size at the end; what is gone by then counts as nothing."""
    host = judge.view.host(path)
    try:
        return host.lstat().st_size if host is not None else 0
    except OSError:
        return 0


def _gaps(recorder: Recorder, sandbox: Sandbox, altered: list[Altered]) -> list[str]:
    """What the end of the tree shows that the recording does not."""
    found = []
    for inside, host in ((sandbox.tree, sandbox.room.tree), (sandbox.home, sandbox.room.home)):
        try:
            unseen = recorder.unseen(host, inside) if recorder.steps else []
        except OSError as error:
            found.append(f"What the build left below {inside} cannot be read: {error.strerror}.")
            continue
        if unseen:
            found.append(
                f"{len(unseen)} files below {inside} were made by nothing that was recorded, "
                f"{shown(unseen[0])} for one."
            )
    if silent := [path for path, _, made in altered if made is None]:
        found.append(
            f"{len(silent)} audited files changed and nothing that was recorded wrote them, "
            f"{shown(silent[0])} for one."
        )
    return found


def _events(recorder: Recorder, altered: list[Altered]) -> list[Input]:
    found = [
        Input(shown(each.path), each.reason, each.process.chain())
        for each in recorder.replay.events.values()
    ]
    for path, entry in (*recorder.laid.files.items(), *recorder.laid.links.items()):
        if isinstance(entry, Odd) and entry.reason == laid.SWAPPED:
            found.append(Input(shown(path), entry.reason, (), entry.sha256, entry.size))
    for path, entry, made in altered:
        chain = made.process.chain() if made is not None else ()
        found.append(Input(shown(path), ALTERED, chain, entry.sha256, entry.size))
    return found


def _classes(decided: Iterable[tuple[Use, Decision]], links: int) -> tuple[InputClass, ...]:
    """Files and bytes of each class; so many odd links are unaccounted too."""
    files: Counter[str] = Counter({classify.UNACCOUNTED: links})
    sizes: Counter[str] = Counter()
    for _, each in decided:
        files[each.name] += 1
        sizes[each.name] += each.size
    return tuple(InputClass(name, files[name], sizes[name]) for name in classify.CLASSES)


def _unread(recorder: Recorder) -> list[str]:
    """Names of audited files that nothing read while they were what the audit saw."""
    used = {use.node.name for use in recorder.replay.uses.values() if isinstance(use.node, Audited)}
    names = {each.name for each in recorder.laid.files.values() if isinstance(each, Audited)}
    return sorted(shown(name) for name in names - used)


def _first(items: list[Input]) -> list[Input]:
    """As many as a report holds; the last one says how many more the record has."""
    most = limits.DIFFERENCES_PER_MEMBER
    if len(items) <= most:
        return items
    return [*items[:most], Input("…", f"and {len(items) - most} more, in the whole record")]


def _listed(names: list[str]) -> tuple[str, ...]:
    most = limits.DIFFERENCES_PER_MEMBER
    if len(names) <= most:
        return tuple(names)
    return (*names[:most], f"… and {len(names) - most} more, in the whole record")


def _told(use: Use, each: Decision, chains: dict[tuple[str, ...], int]) -> dict[str, Any]:
    """One file of the record; chains are told once, and named by their place."""
    data: dict[str, Any] = {"path": shown(use.path), "class": each.name, "reason": each.reason}
    if each.package:
        data["package"] = each.package
    if each.sha256:
        data["sha256"] = each.sha256
    by = chains.setdefault(use.process.chain(), len(chains))
    return data | {"size": each.size, "reads": use.count, "by": by}


def _plain(item: Input) -> dict[str, Any]:
    return {**item._asdict(), "chain": list(item.chain)}

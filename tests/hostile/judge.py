"""Run hostile inputs in a child that may hold little memory, and judge what came of each."""

from __future__ import annotations

import multiprocessing
import resource
import signal
import sys
import time
import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests import flips
from tests.hostile import bases
from tests.support import compare_bytes
from verifier import limits
from verifier.limits import MIB
from verifier.model import Strength, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection

    from tests.hostile import Input
    from tests.support import Tree
    from verifier.model import Patch

SECONDS = 5.0  # of processor time for one input
MEMORY = 256 * MIB  # resident memory at its peak, interpreter and mapped files included
INTERPRETER = 40 * MIB  # resident before anything is read
PROMISE = (
    f"A fault is: an exception, more than {SECONDS} s of processor time, more than "
    f"{MEMORY // MIB} MiB resident, or a positive verdict although "
    "the files differ outside of what a rule recomputed, verified or declared free."
)
STUCK = 120.0  # wall seconds after which a silent child is taken for dead


_PINNING = {Strength.DERIVED, Strength.SIGNED, Strength.RELATED}


class Judgement(NamedTuple):
    """What came of one input; `fault` is empty when all promises were kept."""

    name: str
    verdict: str
    seconds: float
    fault: str
    held: int = 0  # bytes that were resident at the peak


class _TooLongError(BaseException):
    """Not an `Exception`: nothing in the verifier may swallow it."""


def judge(item: Input, certificates: Sequence[bytes] = ()) -> Judgement:
    """Compare one pair in this process, and say what is wrong with the outcome."""
    trace = sys.gettrace()
    sys.settrace(None)  # coverage takes several times the time that is judged here
    started = time.process_time()
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak starts anew
    inherited = _peak() - INTERPRETER  # what the test runner holds is not this input's
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    verdict = fault = ""
    try:
        tree = compare_bytes(item.shipped, item.rebuilt, certificates=tuple(certificates))
        verdict = tree.verdict.value
        fault = _false_positive(item, tree)
    except _TooLongError as error:
        fault = f"over {SECONDS} s: {_place(error)}"
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is a fault
        fault = f"{type(error).__name__}: {error} ({_place(error)})"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.settrace(trace)
    spent, held = time.process_time() - started, _peak() - inherited
    if held > MEMORY and not fault:
        fault = f"held {held // MIB} MiB"
    if spent > SECONDS and not fault:
        fault = f"took {spent:.1f} s"
    return Judgement(item.name, verdict, spent, fault, held)


def _false_positive(item: Input, tree: Tree) -> str:
    """Why a positive verdict is wrong: the files differ where no rule could have settled it."""
    if tree.verdict not in {Verdict.IDENTICAL, Verdict.EQUIVALENT}:
        return "" if tree.differences or _problems(tree) else "a bad verdict without a reason"
    if item.shipped == item.rebuilt:
        return ""
    if tree.verdict is Verdict.IDENTICAL:
        return "identical, but they differ"
    if not all(map(_accounted, tree.patches)):
        return "equivalent, by a patch that pins nothing and frees nothing"
    if item.intact is None or len(item.intact) != len(item.shipped):
        return ""
    settled = tree.free() | _pinned(tree)
    places = [
        at for at, (one, other) in enumerate(zip(item.shipped, item.intact, strict=True))
        if one != other and at not in settled and item.rebuilt[at : at + 1] != bytes([one])
    ]  # fmt: skip
    return f"equivalent, but differs at {places[:5]}" if places else ""


def _accounted(patch: Patch) -> bool:
    """Whether the value was recomputed, verified or related, or its bytes are declared free."""
    return patch.strength in _PINNING or bool(patch.free or patch.group)


def _pinned(tree: Tree) -> set[int]:
    """Offsets of patches whose value was recomputed, or must agree with another place."""
    found: set[int] = set()
    for member, start in zip(tree.members, tree.bases, strict=True):
        for patch in member.patches if start is not None else ():
            if patch.strength in {Strength.DERIVED, Strength.RELATED} or patch.group:
                found.update(range(start + patch.offset, start + patch.offset + patch.length))
    return found


def _problems(tree: Tree) -> bool:
    return any(member.problems for member in tree.members)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(at.filename).name}:{at.lineno}" for at in frames[:-6:-1])


def judged(
    make: Callable[[int], Input], numbers: Sequence[int], chunk: int = 50
) -> Iterator[Judgement]:
    """Judge the inputs `make(number)` in confined children, about `chunk` inputs in each."""
    warm()
    waiting = list(numbers)
    while waiting:
        for found in _child(make, waiting[:chunk]):
            yield found
            del waiting[0]


@cache
def warm() -> None:
    """Import before the first fork all that comparisons import: children share it."""
    for base in bases.bases():
        compare_bytes(base.shipped, base.rebuilt, certificates=base.certificates)


def _child(make: Callable[[int], Input], numbers: list[int]) -> Iterator[Judgement]:
    """Judgements in order; the last may say that the child died of its input."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=_serve, args=(there, make, numbers), daemon=True)
    child.start()
    there.close()
    try:
        for number in numbers:
            if not here.poll(STUCK):
                yield Judgement(str(number), "", STUCK, "no answer: it hangs")
                return
            yield Judgement(*here.recv())
    except EOFError:
        yield Judgement(str(number), "", 0.0, "the process died")
    finally:
        child.kill()
        child.join()
        here.close()


def _serve(pipe: Connection, make: Callable[[int], Input], numbers: Sequence[int]) -> None:
    flips.fast_directory()
    signal.signal(signal.SIGPROF, _stop)
    resource.setrlimit(resource.RLIMIT_DATA, (limits.WORKER_MEMORY + _inherited(),) * 2)
    for number in numbers:
        item = make(number)
        signers = [each.certificates for each in bases.bases() if f"/{each.name}/" in item.name]
        pipe.send(tuple(judge(item, signers[0] if signers else ())))


def _peak() -> int:
    """The most memory that was resident, in bytes."""
    return _status("VmHWM")


def _inherited() -> int:
    """Private memory of the process that runs the tests, which a worker would not have."""
    return _status("VmData")


def _status(name: str) -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in status if line.startswith(name))
    return int(line.split()[1]) * 1024


def _stop(_number: int, _frame: object) -> None:
    raise _TooLongError

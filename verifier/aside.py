"""One look at a hostile file in a process of its own, confined and timed, from wherever one stands.

For what is no stage of a comparison: recipes and commands that need a few fields of a shipped file.
The answer comes back as JSON held to its type, as from the workers of `verifier.engine`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from verifier import interrupt, wire
from verifier.confine import confine
from verifier.errors import ParseError, ToolError, VerifierError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

T = TypeVar("T")

SECONDS = 60.0
_DONE, _REFUSED, _FAILED = b"=", b"?", b"!"


def ask(answer: type[T], work: Callable[..., T], *arguments: object, seconds: float = SECONDS) -> T:
    """`work(*arguments)`, which is a function of a module, done in a confined process.

    Raises:
        ParseError: `work` raised an error of this program; the sentence is the same.
        ToolError: it took longer than `seconds`, died, or failed in a way that nobody planned.
    """
    import multiprocessing  # noqa: PLC0415 - start-up time

    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(  # type: ignore[attr-defined]
        target=_serve, args=(theirs, work, arguments), daemon=True
    )
    process.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            raise ToolError(f"Reading a shipped file was stopped after {seconds:.0f} s.")
        message = ours.recv_bytes()
    except (EOFError, OSError) as error:
        raise ToolError("The process that read a shipped file died.") from error
    finally:
        process.kill()
        process.join()
        ours.close()
    kind, text = message[:1], message[1:]
    if kind == _DONE:
        return wire.loads(answer, text)
    said = text.decode("utf-8", "replace")
    raise ParseError(said) if kind == _REFUSED else ToolError(said)


def _serve(connection: Connection, work: Callable[..., Any], arguments: tuple[object, ...]) -> None:
    """The life of the process: confine itself, work, answer."""
    interrupt.leave_to_parent()
    confine()
    try:
        message = _DONE + wire.dumps(work(*arguments))
    except VerifierError as error:
        message = _REFUSED + str(error).encode()
    except MemoryError:
        message = _FAILED + b"Reading a shipped file needs more memory than that may use."
    except Exception as error:  # noqa: BLE001 - whatever it was, it is no answer
        message = _FAILED + f"Reading a shipped file: {type(error).__name__}: {error}".encode()
    connection.send_bytes(message)

"""The command line as a user runs it, within this process: a new one for each costs half a second.

`tests/end_to_end/` runs it as a program; `main` is all that lies between.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

from verifier import commands

ROOT = Path(__file__).resolve().parents[3]


def verifier(
    *arguments: object, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run it; the caller judges the exit status."""
    command = ["verifier", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    before = signal.getsignal(signal.SIGTERM)
    try:
        with (
            contextlib.chdir(cwd or Path.cwd()),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            mock.patch("sys.argv", command),
            mock.patch("sys.unraisablehook", sys.unraisablehook),  # pytest's own, put back
            mock.patch.dict(os.environ, {"COLUMNS": "200", **environment}),
        ):
            commands.main()
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    finally:
        signal.signal(signal.SIGTERM, before)
    return subprocess.CompletedProcess(command, status, out.getvalue(), err.getvalue())

"""What builds read: every way of reading is seen, and what nothing accounts for is named."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.sandboxes import as_nobody, build, files_of, inputs_of, open_place
from verifier import rebuild, source
from verifier.errors import SourceError
from verifier.rebuild import accounting
from verifier.rebuild.inputs import strace
from verifier.rebuild.inputs.processes import shown
from verifier.source import Cache
from verifier.spec import load

if TYPE_CHECKING:
    from collections.abc import Iterator


READER = """
#include <fcntl.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char byte;
    int file = open(argv[1], argc > 2 ? O_RDWR | O_EXCL : O_RDWR);
    return file < 0 || read(file, &byte, 1) != 1;
}
"""
THREADS = """
import os, sys, threading
def read():
    open(sys.argv[1]).read()
def become():
    os.execv("/bin/cat", ["cat", sys.argv[2]])
for action in (read, become):
    thread = threading.Thread(target=action)
    thread.start()
    thread.join()
"""
# Every way reads a file of its own below $1, so that one that is not seen is a file that lacks.
WAYS = r"""
set -e
cc -static -o static-reader reader.c
./static-reader "$1/by-static"
./static-reader "$1/by-flags" O_EXCL
/usr/bin/python3 threads.py "$1/by-thread" "$1/by-exec-of-thread"
(cd "$1"; cat by-relative; mkdir -p deep/er; cd deep/er; cat ../../by-dots)
(cd "$1"; cat /proc/self/cwd/by-proc)
ln -s "$1/by-link" link; cat link
ln -s "$1" folder; cat folder/by-folder
(cd folder; ./by-script)
exec 9<"$1/by-descriptor"; cat /proc/self/fd/9; exec 9<&-
cat <"$1/by-shell" >copy
cp "$1/odd 	name\"é>" other
(cd "$1" && . ./by-sourcing)
touch out
""".lstrip()
SEEN = (
    "by-static", "by-thread", "by-exec-of-thread", "by-relative", "by-dots", "by-proc", "by-link",
    "by-folder", "by-script", "by-descriptor", "by-shell", "by-sourcing", "by-flags",
    'odd \tname"é>',
)  # fmt: skip


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def fill(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in SEEN:
        (folder / name).write_text(f"# {name}\n")
    (folder / "by-script").write_text("#!/bin/sh\n: script\n")
    (folder / "by-script").chmod(0o755)
    folder.chmod(0o777)
    for path in folder.iterdir():
        path.chmod(0o777)


def ways(place: Path, folder: str, extra: str = "") -> rebuild.Build:
    tree = place / "source"
    tree.mkdir(exist_ok=True)
    (tree / "reader.c").write_text(READER)
    (tree / "threads.py").write_text(THREADS)
    (tree / "ways.sh").write_text(WAYS)
    return build(place, [["/bin/sh", "ways.sh", folder]], extra=extra)


def test_every_way_of_reading_the_source_is_seen(place: Path) -> None:
    fill(place / "source/data")
    (place / "source/nobody-reads-me").write_text("dead")
    made = ways(place, "/build/source/data")
    found = files_of(made)
    for name in SEEN:
        assert found[shown(f"/build/source/data/{name}")]["class"] == "source", name
    assert inputs_of(made).unread == ("nobody-reads-me",)
    assert inputs_of(made).problems == ()
    static = found["/build/source/static-reader"]
    assert (static["class"], "ld" in static["reason"]) == ("produced", True)
    compiler = next(item for path, item in found.items() if path.endswith("/cc1"))
    assert compiler["class"] == "package"
    assert compiler["package"].startswith("cpp-")
    assert compiler["chain"][-1].startswith(path_of(found, "/cc1"))
    loader = next(path for path in found if re.search(r"/ld-linux[^/]*$", path))
    assert found[loader]["package"].startswith("libc6 ")
    assert [item.path for item in inputs_of(made).unaccounted if "/usr/" not in item.path] == []


def path_of(found: dict[str, Any], end: str) -> str:
    return next(path for path in found if path.endswith(end))


def test_every_way_of_reading_something_else_is_named(place: Path) -> None:
    outside = place / "outside"
    fill(outside)
    made = ways(place, str(outside), '[sandbox]\nkind = "host"')
    named = {item.path: item for item in inputs_of(made).unaccounted}
    for name in SEEN:
        assert (
            named[shown(f"{outside}/{name}")].reason
            == "belongs to no package that lists its digest"
        )
    assert named[f"{outside}/by-static"].chain[-1] == f"./static-reader {outside}/by-static"
    assert "sh ways.sh" in " ".join(named[f"{outside}/by-static"].chain)
    assert any("shuts nothing out" in text for text in inputs_of(made).problems)


NAMES = """
set -e
mv a b; mkdir d; mv b d/c; mv d e; cat e/c              # the source under its fourth name
ln e/c hard; cat hard
echo made >new; mv new e/new; cat e/new                 # made here
cp keep e/copy; mv -T e f; cat f/copy f/c
printf x >temp; cat temp; rm temp
echo more >>keep; cat keep                              # an audited file, altered
python3 -c 'import os
fd = os.open(".", os.O_TMPFILE | os.O_RDWR); os.write(fd, b"x")
os.rename("f/new", "f/last"); os.symlink("f/last", "soft")
open("soft").read()
try: open("/dev/urandom", "rb").read(1)
finally: open("out", "w").write("x")'
"""


def test_names_move_and_what_is_known_of_them_moves_along(place: Path) -> None:
    tree = place / "source"
    tree.mkdir()
    for name in ("a", "keep"):
        (tree / name).write_text(name)
    made = build(place, [NAMES])
    found = files_of(made)
    top = "/build/source"
    for name in ("e/c", "hard", "f/c"):
        assert found[f"{top}/{name}"]["class"] == "source", name
    for name in ("e/new", "f/copy", "temp", "f/last"):
        assert found[f"{top}/{name}"]["class"] == "produced", name
    assert "cp keep e/copy" in found[f"{top}/f/copy"]["reason"]
    assert inputs_of(made).problems == ()
    events = {(item.path, item.reason) for item in inputs_of(made).events}
    assert events == {
        (f"{top}/keep", "an audited file that the build altered"),
        ("/dev/urandom", "read as randomness"),
    }
    assert inputs_of(made).unread == ()


BLOBS = """
gcc -o built main.c; cp text out; cp built again
mkdir -p p q; cp blob p/tool; ln blob2 q/linked; mv blob3 q/moved; cat blob >p/written
tar cf package p q; rm blob2; cp /bin/true p/of-the-root
"""


def test_a_program_of_the_source_that_is_packed_as_it_is_is_named(place: Path) -> None:
    tree = place / "source"
    tree.mkdir()
    for number, name in enumerate(("blob", "blob2", "blob3")):
        (tree / name).write_bytes(Path("/bin/true").read_bytes() + bytes([number + 1]))
    (tree / "text").write_text("a text that is installed as it is\n")
    (tree / "main.c").write_text("int main(void) { return 0; }\n")
    made = build(place, [BLOBS])
    top = "/build/source"
    found = {each.path: each for each in inputs_of(made).events}
    assert {path: each.reason.split(", ")[1].split(":")[0] for path, each in found.items()} == {
        f"{top}/p/tool": "blob",
        f"{top}/p/written": "blob",
        f"{top}/q/linked": "blob2",
        f"{top}/q/moved": "blob3",
    }
    assert found[f"{top}/p/tool"].chain[-1] == "cp blob p/tool"


def test_a_download_is_an_event_that_names_the_address(place: Path) -> None:
    tree = place / "source"
    tree.mkdir()
    (tree / "fetch.py").write_text(
        "import socket\n"
        "for family, where in ((socket.AF_INET, '192.0.2.7'), (socket.AF_INET6, '2001:db8::7')):\n"
        "    try: socket.socket(family).connect((where, 443))\n"
        "    except OSError: pass\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))\n"
        "open('out', 'w').write('x')\n"
    )
    made = build(place, [["/usr/bin/python3", "fetch.py"]])
    events = {item.path: item for item in inputs_of(made).events}
    assert set(events) == {"192.0.2.7 port 443", "2001:db8::7 port 443", "127.0.0.1 port 53"}
    event = events["192.0.2.7 port 443"]
    assert event.reason == "asked for the network: network is unreachable"
    assert event.chain[-1] == "/usr/bin/python3 fetch.py"


def test_a_file_swapped_between_review_and_build_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before the build; and were it not, the account would name it."""
    tree = place / "source"
    tree.mkdir()
    (tree / "good.h").write_text("int reviewed;\n")
    (tree / "main.c").write_text(
        '#include "good.h"\n#include "late.h"\nint main(void){return 0;}\n'
    )
    (place / "audit.toml").write_text(
        '[source]\nkind = "directory"\npath = "source"\n[build]\nrecipe = "command"\n'
        'steps = ["cc -c -o out main.c"]\noutputs = ["out"]\n'
    )
    spec = load(place / "audit.toml")
    audited = source.obtain(spec, Cache.open(place / "cache"))
    (tree / "good.h").write_text("int swapped;\n")
    (tree / "late.h").write_text("int slipped_in;\n")
    cache = Cache.open(place / "cache")
    with pytest.raises(SourceError, match=r"changed .* in good\.h, late\.h; nothing was built"):
        rebuild.rebuild(spec, audited, cache, place / "refused")

    def unchecked(copied: source.Source, into: Path) -> None:
        shutil.copytree(copied.path, into, dirs_exist_ok=True)

    monkeypatch.setattr("verifier.rebuild.recipes.command.copy_tree", unchecked)
    made = rebuild.rebuild(spec, audited, Cache.open(place / "cache"), place / "output")
    named = {item.path: item.reason for item in inputs_of(made).unaccounted}
    assert "changed between the audit and the build" in named["/build/source/good.h"]
    assert "neither audited source nor pinned" in named["/build/source/late.h"]
    assert any(item.path == "/build/source/good.h" for item in inputs_of(made).events)


def test_a_second_recorder_saw_nothing_that_the_first_did_not(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """strace without a filter, all processes in one file, and another reader of it."""
    fill(place / "source/data")
    seen = set(files_of(ways(place, "/build/source/data")))
    second = place / "second.log"
    traced = "trace=open,openat,openat2,execve,execveat"

    def around(argv: Any, _directory: Path) -> tuple[str, ...]:
        return ("strace", "-f", "-y", "-e", traced, "-o", str(second), "--", *argv)

    monkeypatch.setattr(strace, "around", around)
    monkeypatch.setattr(strace, "lines", lambda _directory: [])
    ways(place, "/build/source/data")
    text = second.read_text(errors="replace")
    opened = {
        path
        for flags, path in re.findall(r", (O_RDONLY[^,)]*).* = \d+<(/[^>]*)>$", text, re.MULTILINE)
        if "O_DIRECTORY" not in flags and "O_PATH" not in flags
    }
    opened |= set(re.findall(r'execve\("(/build/[^"]*)".* = 0$', text, re.MULTILINE))
    tops = ("/build/source/", "/usr/include/", "/usr/lib/gcc/")
    compared = {path for path in opened if path.startswith(tops) and "\\" not in path}
    assert len(compared) > 20
    assert compared - seen == set()


def test_a_recording_that_is_missing_says_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounting, "_has_strace", lambda: False)
    (place / "source").mkdir()
    made = build(place, ["touch out"])
    assert inputs_of(made).method == "none"
    assert "strace is needed" in inputs_of(made).problems[0]
    assert made.record is None
    again = build(place, ["touch out"], extra="[inputs]\nrecord = false")
    assert again.inputs is None


def test_a_recorded_build_dies_with_the_verifier(place: Path) -> None:
    (place / "source").mkdir()
    (place / "audit.toml").write_text(
        '[source]\nkind = "directory"\npath = "source"\n[build]\nrecipe = "command"\n'
        'steps = ["exec sleep 4321.25"]\noutputs = ["out"]\n'
    )
    argv = [sys.executable, "-m", "verifier", "rebuild", str(place / "audit.toml")]
    argv += ["-o", str(place / "output")]
    environment = {**os.environ, "VERIFIER_CACHE": str(place / "cache")}
    verifier = subprocess.Popen(argv, env=environment, stderr=subprocess.DEVNULL)
    await_sleepers(1)
    verifier.kill()
    verifier.wait()
    await_sleepers(0)


def await_sleepers(wanted: int) -> None:
    for _ in range(300):
        found = [command_of(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
        if found.count(b"sleep\x004321.25\x00") == wanted:
            return
        time.sleep(0.1)
    raise AssertionError(wanted)


def command_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended by now
        return b""


def test_a_user_records_too(place: Path) -> None:
    (place / "source").mkdir()
    (place / "source/main.c").write_text("int main(void) { return 0; }\n")
    place.chmod(0o777)

    def action() -> None:
        made = build(place / "of-user", ["echo >out; cat out"])
        assert files_of(made)["/build/source/out"]["class"] == "produced"
        assert inputs_of(made).problems == ()

    as_nobody(action)

"""Lines as strace 6.1 writes them, and what is made of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.rebuild.inputs import calls, strace
from verifier.rebuild.inputs.names import Audited, Elsewhere, Made, Names, Odd
from verifier.rebuild.inputs.replay import Replay
from verifier.rebuild.inputs.strace import Line
from verifier.rebuild.inputs.view import View

START = (
    '10 execve("/bin/sh", ["/bin/sh", "-c", "umask 022; exec", "verifier-step", "make"], 0x1) = 0'
)
RDONLY = "O_RDONLY|O_CLOEXEC"


def played(*lines: str, root: Path = Path("/nonexistent"), known: str = "/b") -> Replay:
    """Each text is a process and a call; the first line of every log starts the step."""
    names = Names(View(((known, None),), (known,), (), root))
    names.put(known, {})
    names.put(f"{known}/audited", Audited("audited", "0" * 64, 1))
    replay = Replay(names)
    log = [Line(f"{place:03}", *_split(line)) for place, line in enumerate((START, *lines))]
    replay.step("step", known, log)
    return replay


def _split(line: str) -> tuple[int, str]:
    pid, _, text = line.partition(" ")
    return int(pid), text


def opened(pid: int, path: str, flags: str = RDONLY) -> str:
    return f'{pid} openat(AT_FDCWD</b>, "{path}", {flags}) = 3<{path}>'


def reads(replay: Replay) -> dict[str, object]:
    return {use.path: use.node for use in replay.uses.values()}


def test_what_happens_before_the_step_begins_is_no_input() -> None:
    names = Names(View((), ("/b",), (), Path("/")))
    replay = Replay(names)
    log = [Line("0", *_split(opened(9, "/etc/shadow"))), Line("1", *_split(START))]
    log.append(Line("2", *_split(opened(9, "/etc/shadow"))))  # what sets the sandbox up goes on
    replay.step("step", "/b", log)
    assert "/etc/shadow" not in reads(replay)
    assert not replay.problems


def test_a_log_without_a_beginning_is_a_problem() -> None:
    names = Names(View((), ("/b",), (), Path("/")))
    replay = Replay(names)
    replay.step("lost", "/b", [Line("0", *_split(opened(9, "/x")))])
    assert "does not show its beginning" in next(iter(replay.problems))
    again = Replay(names)
    again.step("empty", "/b", [])
    assert again.problems


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("10 openat(what is this", "is not understood"),
        ("10 teleport(1) = 0", "is not understood"),
        ('10 openat(AT_FDCWD</b>, "x", O_RDONLY <detached ...>', "is not understood"),
        ('10 openat(AT_FDCWD</b>, "x", O_RDONLY) = 3', "gone before it could be named"),
        (opened(77, "/x"), "has no known parent"),
        ("10 io_uring_setup(8, {}) = 3<anon_inode:[io_uring]>", "called io_uring_setup"),
        ('10 chroot("/b") = 0', "called chroot"),
        (
            "10 seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, {}) = 5",
            "called seccomp",
        ),
    ],
)
def test_what_the_recording_cannot_vouch_for_is_a_problem(line: str, said: str) -> None:
    assert any(said in text for text in played(line).problems)


@pytest.mark.parametrize(
    "line",
    [
        "10 ???( <detached ...>",
        "10 +++ superseded by execve in pid 12 +++",
        '10 openat(AT_FDCWD</b>, "x", O_RDONLY <unfinished ...>',
        "10 <... execve resumed>) = -1 (errno 18446744073709551359)",
        '10 rename("a", "b") = ?',
        "10 connect(3<socket:[1]>, {sa_family=AF_NETLINK, nl_pid=0}, 12) = 0",
        "10 seccomp(SECCOMP_SET_MODE_FILTER, 0, {len=3, filter=0x1}) = 0",
        "10 sendmsg(3<socket:[1]>, NULL, 0) = -1 EFAULT (Bad address)",
    ],
)
def test_lines_that_tell_of_nothing(line: str) -> None:
    assert not played(line).problems


def test_the_kernels_name_counts_and_not_the_one_that_was_asked_for() -> None:
    line = f'10 openat(AT_FDCWD</b>, "harmless", {RDONLY}) = 3</secret/h\\303\\251\\"\\76>'
    assert '/secret/hé">' in reads(played(line))


def test_directories_and_bare_handles_are_no_files_read() -> None:
    replay = played(opened(10, "/d", f"{RDONLY}|O_DIRECTORY"), opened(10, "/p", f"{RDONLY}|O_PATH"))
    assert set(reads(replay)) == {"/bin/sh"}


def test_files_without_names_are_the_builds_own() -> None:
    lines = (
        f'10 openat(AT_FDCWD</b>, "/proc/self/fd/3", {RDONLY}) = 4</memfd:x>(deleted)',
        f'10 openat(AT_FDCWD</b>, "/proc/self/fd/3", {RDONLY}) = 4</b/#12>(deleted)',
        f'10 openat(AT_FDCWD</b>, "secret", {RDONLY}) = 4</outside/secret>(deleted)',
        f'10 openat(AT_FDCWD</b>, "x", {RDONLY}) = 4</memfd:x>',
    )
    assert set(reads(played(*lines))) == {"/bin/sh", "/outside/secret", "/memfd:x"}


def test_reading_and_writing_at_once_reads_what_was_there() -> None:
    replay = played(
        opened(10, "/b/audited", "O_RDWR"),
        opened(10, "/b/new", "O_RDWR|O_CREAT, 0666"),
        opened(10, "/outside", "O_RDWR|O_CREAT, 0666"),
        opened(10, "/fresh", "O_RDWR|O_CREAT|O_EXCL, 0666"),
        opened(10, "/b/audited"),
    )
    seen = [(use.path, type(use.node)) for use in replay.uses.values()]
    assert seen[1:] == [("/b/audited", Audited), ("/outside", type(None)), ("/b/audited", Made)]


def test_threads_share_a_directory_and_processes_do_not() -> None:
    replay = played(
        "10 clone3({flags=CLONE_VM|CLONE_FS|CLONE_THREAD}, 88) = 2 /* 11 in strace's PID NS */",
        "10 vfork() = 3 /* 12 in strace's PID NS */",
        '11 chdir("sub") = 0',
        '10 execve("./one", ["one"], 0x1 /* 1 var */) = 0',
        '12 execve("./two", ["two", "x\\ty"], 0x1 /* 1 var */) = 0',
    )
    assert {"/b/sub/one", "/b/two"} <= set(reads(replay))
    (use,) = (use for use in replay.uses.values() if use.path == "/b/two")
    assert use.process.chain() == ("step", "two x y")


def test_a_program_that_a_thread_starts_becomes_that_of_the_process() -> None:
    replay = played(
        "10 clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_THREAD) = 11",
        '11 execve("/prog", ["prog"], 0x1 /* 2 vars */ <pid changed to 10 ...>',
        "10 +++ superseded by execve in pid 11 +++",
        opened(10, "/after"),
    )
    assert {"/prog", "/after"} <= set(reads(replay))
    (use,) = (use for use in replay.uses.values() if use.path == "/after")
    assert use.process.chain()[-1] == "prog"
    assert not replay.problems


def test_programs_by_way_of_proc() -> None:
    replay = played(
        '10 execve("/usr/bin/tool", ["tool"], 0x1) = 0',
        '10 execve("/proc/self/exe", ["again"], 0x1) = 0',
        '10 execve("/proc/self/cwd/here", ["here"], 0x1) = 0',
        '10 execve("/proc/self/fd/3", ["hidden"], 0x1) = 0',
        '10 execveat(5</opt/by-handle>, "", ["x"], 0x1 /* 0 vars */, AT_EMPTY_PATH) = 0',
        '10 execveat(5</opt>, "rel", ["x"], 0x1 /* 0 vars */, 0) = 0',
    )
    found = reads(replay)
    assert {"/usr/bin/tool", "/b/here", "/opt/by-handle", "/opt/rel"} <= set(found)
    assert isinstance(found["/proc/self/fd/3"], Odd)


def test_interpreters_of_scripts_and_programs(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "bin/script").write_bytes(b"#! /bin/inner -x\n")
    (tmp_path / "bin/inner").write_bytes(b"#!/bin/program\n")
    (tmp_path / "bin/program").symlink_to("true")
    (tmp_path / "bin/true").write_bytes(Path("/bin/true").read_bytes())
    replay = played('10 execve("/bin/script", ["script"], 0x1) = 0', root=tmp_path)
    assert {"/bin/script", "/bin/inner", "/bin/true"} <= set(reads(replay))
    assert any("/ld-linux" in path for path in reads(replay))


def test_names_given_taken_and_exchanged() -> None:
    replay = played(
        '10 rename("audited", "moved") = 0',
        '10 link("moved", "twin") = 0',
        opened(10, "/b/made", "O_WRONLY|O_CREAT, 0666"),
        '10 renameat2(AT_FDCWD</b>, "made", AT_FDCWD</b>, "twin", RENAME_EXCHANGE) = 0',
        '10 rename("/outside/dir", "taken") = 0',
        '10 linkat(AT_FDCWD</b>, "/proc/self/fd/3", AT_FDCWD</b>, "fd", AT_SYMLINK_FOLLOW) = 0',
        '10 linkat(3</b/#1>(deleted), "", AT_FDCWD</b>, "empty", AT_EMPTY_PATH) = 0',
        '10 rename("never-made", "odd") = 0',
        '10 mkdir("dir", 0777) = 0',
        '10 symlinkat("dir", AT_FDCWD</b>, "way") = 0',
        '10 mknodat(AT_FDCWD</b>, "way/pipe", S_IFIFO|0666) = 0',
        '10 truncate("audited", 0) = 0',
    )
    names = replay.names
    assert isinstance(names.get("/b/moved"), Audited)
    assert isinstance(names.get("/b/made"), Audited)
    assert isinstance(names.get("/b/twin"), Made)
    assert names.get("/b/taken/x.h") == Elsewhere("/outside/dir/x.h")
    assert isinstance(names.get("/b/fd"), Made)
    assert isinstance(names.get("/b/empty"), Made)
    assert isinstance(names.get("/b/odd"), Odd)
    assert isinstance(names.get("/b/dir/pipe"), Made)
    assert isinstance(names.get("/b/audited"), Made)


def test_a_file_that_reading_makes_is_the_builds_own() -> None:
    """open(O_CREAT) makes an empty file whatever it is opened for; not where there was one."""
    replay = played(
        opened(10, "/b/empty", "O_RDONLY|O_CREAT, 0600"),
        opened(10, "/b/empty", "O_RDONLY"),
        opened(10, "/b/audited", "O_RDONLY|O_CREAT, 0600"),
        opened(10, "/outside/there", "O_RDONLY|O_CREAT, 0600"),
    )
    assert isinstance(reads(replay)["/b/empty"], Made)
    assert isinstance(reads(replay)["/b/audited"], Audited)
    assert not isinstance(reads(replay)["/outside/there"], Made)


def test_two_names_of_one_file_both_stay() -> None:
    """rename(2) does nothing there, and configure scripts of gnulib ask whether that is so."""
    replay = played(
        opened(10, "/b/made", "O_WRONLY|O_CREAT, 0666"),
        '10 link("made", "twin") = 0',
        '10 rename("made", "twin") = 0',
        '10 rename("made", "other") = 0',
        '10 rename("twin", "other") = 0',
        '10 rename("other", "last") = 0',
    )
    assert isinstance(replay.names.get("/b/last"), Made)
    assert replay.names.get("/b/made") is not None or replay.names.get("/b/twin") is not None


def test_links_that_lead_in_a_circle_end() -> None:
    replay = played('10 symlink("two", "one") = 0', '10 symlink("one", "two") = 0')
    assert replay.names.resolve("/b/one/x").startswith("/b/")
    assert replay.names.resolve("/b/../../x//./y") == "/x/y"


def test_sockets_that_nothing_of_the_build_had_opened() -> None:
    replay = played(
        '10 bind(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/b/own"}, 9) = 0',
        '10 connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/b/own"}, 9) = 0',
        '10 connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path=@"other"}, 9) = 0',
        '10 connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/no"}, 9) = -1 ENOENT (No such)',
        "10 connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(80), "
        'sin_addr=inet_addr("192.0.2.1")}, 16) = 0',
    )
    assert {event.path for event in replay.events.values()} == {"@other", "192.0.2.1 port 80"}


def test_failed_calls_are_left_out_and_names_that_look_failed_are_not(tmp_path: Path) -> None:
    lines = [
        '1.5 openat(AT_FDCWD</b>, "x", O_RDONLY) = -1 ENOENT (No such file or directory)',
        '1.6 openat(AT_FDCWD</b>, "y", O_RDONLY) = 3</b/) = -1 EPERM (no\\76)>(deleted)',
        '1.4 symlink("a", "x) = -1 EPERM (no)") = 0',
        "1.7 connect(3<s>, {sa_family=AF_INET, sin_port=htons(1)}, 16) = -1 EPERM (no)",
    ]
    (tmp_path / "t.7").write_text("\n".join(lines) + "\n")
    (tmp_path / "t.8").write_text("1.45 vfork() = 9\n")
    found = strace.lines(tmp_path)
    assert [(line.time, line.pid) for line in found] == [
        ("1.4", 7), ("1.45", 8), ("1.6", 7), ("1.7", 7),
    ]  # fmt: skip
    call = calls.parse(found[2].text)
    assert call is not None
    assert call.opened == "/b/) = -1 EPERM (no>)"


def test_a_record_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "t.7").write_text("x" * 100)
    with pytest.raises(strace.LimitError, match="larger than 99 bytes"):
        strace.lines(tmp_path, 99)

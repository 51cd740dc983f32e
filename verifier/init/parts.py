"""What each kind of shipped file asks for: the build, and what answers to what was shipped."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from verifier import process
from verifier.errors import ToolError
from verifier.init.own import Own, own
from verifier.init.systems import plan

if TYPE_CHECKING:
    from verifier.init.look import Look
    from verifier.init.systems import Plan

SUITE = "bookworm"
_CHANGELOG = re.compile(r"^([a-z0-9][a-z0-9+.-]+) \(([^)\s]+)\)", re.MULTILINE)
_YARA_RULES = (".yar", ".yara")
_TEXT_RULES = {".rules": "**/*.rules", ".yml": "**/*.yml", ".yaml": "**/*.yaml"}


class Part(NamedTuple):
    """Build, sandbox and artifacts of a specification, as lines; and a source of their own."""

    build: tuple[str, ...]
    artifacts: tuple[tuple[str, str], ...]  # shipped, rebuilt
    sandbox: tuple[str, ...] = ()
    source: tuple[str, ...] = ()


def quoted(text: str) -> str:
    """A TOML string: JSON's escapes are TOML's too."""
    return json.dumps(text, ensure_ascii=False)


def relative(path: Path, here: Path) -> str:
    """A path as a specification in the directory `here` has it."""
    return quoted(os.path.relpath(path, here))


def _debian(found: Look, here: Path) -> Part | None:
    """A Debian package: the archive's own source, which a record holds to the audited tree."""
    match = _CHANGELOG.match(found.text("debian/changelog"))
    if match is None or "deb" not in found.kinds():
        return None
    package, version = match[1], match[2]
    source = (
        'kind = "debian"                      # from debian/changelog',
        f"package = {quoted(package)}",
        f"version = {quoted(version)}",
        "# The archive's source package is built. This holds it to the tree that you audited:",
        f"#   verifier source record {found.tree.name} --modes git -o audit-record.json",
        '# record = "audit-record.json"',
        "# [[source.signatures]]             # the uploader's, over the .dsc",
        '# keys = ["/usr/share/keyrings/debian-keyring.gpg"]',
    )
    pairs = [
        (relative(each.path, here), quoted(f"{each.path.name.split('_')[0]}_*.deb"))
        for each in found.shipped
        if each.kind == "deb"
    ]
    every = all(each.path.name.removesuffix(".deb").endswith("_all") for each in found.shipped)
    return Part(
        (
            'recipe = "debian"                    # dpkg-buildpackage in a root, offline',
            f'binaries = "{"all" if every else "any"}"',
            '# options = ["nocheck"]',
        ),
        tuple(pairs),
        ('# clock = "changelog"                # where the year or date of the build matters',),
        source,
    )


def _clamav(found: Look, here: Path) -> Part | None:
    shipped = next((each for each in found.shipped if each.kind == "clamav"), None)
    if shipped is None:
        return None
    name = shipped.path.name.split(".")[0]
    folders = sorted({path.rpartition("/")[0] for path in found.files()
                      if path.rpartition("/")[2].split(".")[0] == name})  # fmt: skip
    where = relative(shipped.path, here)
    return Part(
        (
            'recipe = "clamav-db"                 # the shipped file starts with ClamAV-VDB',
            f"database = {quoted(name)}",
            f"directory = {quoted(folders[0] if folders and folders[0] else '.')}",
            f"shipped = {where}  # gives the header's fields",
        ),
        ((where, quoted(f"{name}{shipped.path.suffix}")),),
    )


def _yara(found: Look, here: Path) -> Part | None:
    shipped = next((each for each in found.shipped if each.kind == "yara"), None)
    rules = [path for path in found.files() if path.endswith(_YARA_RULES)]
    if shipped is None or not rules:
        return None
    version = _yara_version()
    return Part(
        (
            'recipe = "yara"                      # compiled rules were shipped',
            'engine = "yara"                      # the vendor\'s, to the version',
            f'version = "{version or "4.2.3"}"',
            "# In the order in which the vendor compiles them, each as NAMESPACE:GLOB:",
            f"rules = [{', '.join(quoted(path) for path in rules)}]",
            f"output = {quoted(shipped.path.name)}",
            *(() if version else ('packages = ["yara"]',)),
        ),
        ((relative(shipped.path, here), quoted(shipped.path.name)),),
        () if version else (f'root = "debian:{SUITE}"',),
    )


def _yara_version() -> str:
    """What this machine's yarac says; empty where there is none."""
    try:
        said = process.run(["yarac", "--version"]).stdout.decode("ascii", "replace").strip()
    except ToolError:
        return ""
    return said if re.fullmatch(r"[0-9]+(\.[0-9]+){1,3}", said) else ""


def _rules(found: Look, here: Path) -> Part | None:
    """Text rules that were packed into one archive."""
    shipped = next((each for each in found.shipped if each.kind == "archive"), None)
    if shipped is None:
        return None
    names = [name.removeprefix("./") for name in shipped.names if not name.endswith("/")]
    endings = {Path(name).suffix for name in names}
    wanted = sorted(_TEXT_RULES[each] for each in endings & set(_TEXT_RULES))
    own = set(found.files())
    rules = sum(1 for name in names if Path(name).suffix in _TEXT_RULES)
    if not wanted or not own or 2 * rules < len(names):
        return None
    tops = {name.split("/")[0] for name in names}
    folder = tops.pop() if len(tops) == 1 and not any(name in own for name in names) else ""
    inside = [name.removeprefix(f"{folder}/") for name in names] if folder else names
    listed = [name for name in sorted(inside) if name in own]
    include = [quoted(name) for name in listed] if len(listed) == len(inside) else None
    return Part(
        (
            'recipe = "ruleset"                   # text rules in one archive were shipped',
            f"archive = {quoted(shipped.path.name)}",
            f"include = [{', '.join(include or [quoted(glob) for glob in wanted])}]",
            *((f"folder = {quoted(folder)}",) if folder else ()),
            f"directories = {'true' if len(names) < len(shipped.names) else 'false'}",
            "# level = 9                         # of the compression",
        ),
        ((relative(shipped.path, here), quoted(shipped.path.name)),),
    )


def _build(found: Look, here: Path) -> Part | None:
    """A build system that is known: its own recipe, or else its steps."""
    made = plan(found)
    if made is None:
        return None
    mine = own(made, found)
    if mine is None:
        mine = _steps(made, found)
    artifacts = tuple(
        (relative(each.path, here), quoted(_rebuilt(made, mine.before, each.name)))
        for each in found.shipped
    )
    lines = [*mine.lines, "# source_date_epoch = 1700000000     # where the vendor set it"]
    missing = mine.machine and not all(_there(tool) for tool in made.tools)
    if missing:
        lines.append(f"packages = [{', '.join(quoted(each) for each in made.packages)}]")
    if mine.environment:
        lines += ["[build.environment]"]
        lines += [f"{name} = {quoted(value)}" for name, value in mine.environment]
    root = (
        f'root = "debian:{SUITE}"              # made once, with the packages; as root',
        '# root = "host-tools"               # this machine\'s own tools',
    )
    plain = (
        'root = "host-tools"                  # this machine\'s own tools, which are recorded',
        f'# root = "debian:{SUITE}"           # a root of packages that can be made again',
    )
    return Part(tuple(lines), artifacts, root if missing else plain)


def _steps(made: Plan, found: Look) -> Own:
    """The recipe "command", with the steps that the build system takes."""
    before = "**/"
    if made.where:
        before = f"{made.where}/" if made.system in ("cargo", "wheel") else f"{made.where}/**/"
    globs = (quoted(_rebuilt(made, before, each.name)) for each in found.shipped)
    return Own(
        (
            'recipe = "command"',
            f"steps = [                            # because of {made.why}",
            *(f"  {quoted(step)}," for step in made.steps),
            "]",
            f"outputs = [{', '.join(dict.fromkeys(globs))}]",
        ),
        before,
        made.environment,
    )


def _rebuilt(made: Plan, before: str, name: str) -> str:
    if made.system == "wheel":  # whose tags depend on the machine
        return f"{before}{name.split('-', maxsplit=1)[0]}-*.whl"
    return f"{before}{name}"


def _there(tool: str) -> bool:
    if not tool:
        return False
    try:
        process.find(tool)
    except ToolError:
        return False
    return True


PARTS = (_debian, _clamav, _yara, _rules, _build)

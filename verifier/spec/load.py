"""From TOML to `Spec`. A mistake is a `UsageError` that names the file and the key's path."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.errors import UsageError
from verifier.spec import builds, databases, model, pins, pypi
from verifier.spec.locator import Locator
from verifier.spec.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

_ROOT = re.compile(r"host-tools|debian:[a-z][a-z0-9-]*")
_IMAGE = re.compile("sha256:[0-9a-f]{64}")
_HOSTNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*(?:/[A-Za-z0-9][A-Za-z0-9._+-]*)*")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def load(path: Path) -> model.Spec:
    """Read and validate a specification; its relative paths start at its own directory.

    Raises:
        UsageError: unreadable, not TOML, an unknown or missing key, or a wrong value.
    """
    path = path.absolute()
    try:
        content = path.read_bytes()
        data = tomllib.loads(content.decode())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}.") from error
    top = Table(data, path)
    source, pinned = _source(top.child("source", required=True))
    debian = _debian(top.child("debian"))
    build = _build(top.child("build", required=True))
    spec = model.Spec(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        source=source,
        build=build,
        sandbox=_sandbox(top.child("sandbox"), build, debian),
        debian=debian,
        artifacts=tuple(_artifact(table) for table in top.children("artifacts")),
        policy=_policy(top.child("policy")),
        signers=tuple(_signer(table) for table in top.children("signers")),
        waivers=tuple(_waiver(table) for table in top.children("waivers")),
        databases=databases.read(top.children("databases")),
        pypi=_pypi(top.child("pypi")),
        records_inputs=_record(top.child("inputs")),
        pins=pinned,
        rebuilds=top.positive("rebuilds", 1) if top.has("rebuilds") else None,
    )
    top.finish()
    _check_together(spec, top)
    return spec


def _check_together(spec: model.Spec, top: Table) -> None:
    """What no single table can see."""
    build, sandbox = spec.build, spec.sandbox
    if build.recipe == "debian" and spec.source.kind != "debian":
        raise top.error("build.recipe", "debian needs a source of kind debian")
    if build.recipe != "debian" and spec.source.kind == "debian":
        raise top.error("build.recipe", f"{build.recipe} cannot build a source of kind debian yet")
    if sandbox.kind == "host" and (sandbox.root != "host-tools" or build.packages):
        raise top.error("sandbox.kind", "host has no root: drop sandbox.root and build.packages")
    if sandbox.kind == "podman" and sandbox.root == "host-tools":
        raise top.error("sandbox.root", "must be debian:SUITE: podman runs an image, not this host")
    if build.packages and sandbox.root == "host-tools":
        raise top.error("build.packages", "needs a root to install into: set sandbox.root")
    if sandbox.clock is not None and build.recipe == "yara":
        raise top.error("sandbox.clock", "has no use: compiled rules hold no time")
    if sandbox.clock == "changelog" and build.recipe != "debian":
        raise top.error("sandbox.clock", "changelog needs the debian recipe; give a date")
    if sandbox.clock == "epoch" and build.recipe in ("clamav-db", "ruleset"):
        raise top.error("sandbox.clock", f"epoch has no use for {build.recipe}; give a date")


def _at(table: Table, text: str) -> Path:
    """A path of the specification, relative to its own directory."""
    return Path(os.path.normpath(table.file.parent / text))


def _location(table: Table) -> str:
    """The one of `path` and `url` that is given."""
    if table.has("path") == table.has("url"):
        raise table.error("path", "or url must be given, one of the two")
    if table.has("path"):
        return str(_at(table, table.get("path", str)))
    url = table.get("url", str)
    if not re.match(r"(https?|ssh|git|file)://", url):
        raise table.error("url", f"is {url!r}, which does not start with https://")
    return url


def _source(table: Table) -> tuple[model.Source, model.Pins]:
    kind = table.choice("kind", tuple(_SOURCES))
    source = _SOURCES[kind](table)
    pinned = pins.read(table, source, _at, _location)
    table.finish()
    return source, pinned


def _directory_source(table: Table) -> model.Source:
    return model.DirectorySource(_at(table, table.get("path", str)))


def _archive_source(table: Table) -> model.Source:
    return model.ArchiveSource(_location(table), table.sha256("sha256"))


def _git_source(table: Table) -> model.Source:
    commit = table.get("commit", str)
    if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", commit):
        raise table.error("commit", "must be a whole commit id; a branch or tag can move")
    tag = table.get("tag", str, "")
    if tag and not _TAG.fullmatch(tag):
        raise table.error("tag", f"is {tag!r}, which is no plain name of a tag such as v1.2")
    return model.GitSource(_location(table), commit, tag=tag)


def _debian_source(table: Table) -> model.Source:
    source = model.DebianSource(table.get("package", str), table.get("version", str))
    if table.has("path") or table.has("url"):
        location = _location(table)
        if table.has("url") and not re.match("https?://", location):
            raise table.error("url", f"is {location!r}, which does not start with https://")
        if not location.endswith(".dsc"):
            raise table.error("path", "or url must name a .dsc")
        pinned = table.sha256("sha256")
        source = dataclasses.replace(source, location=location, sha256=pinned)
    try:
        Locator(package=source.package, version=source.version)
    except ValueError as error:
        raise table.error("package", f"or version is wrong: {error}") from None
    return source


_SOURCES: dict[str, Callable[[Table], model.Source]] = {
    "directory": _directory_source,
    "archive": _archive_source,
    "git": _git_source,
    "debian": _debian_source,
    "pypi": pypi.source,
}


def _debian(table: Table) -> model.DebianArchive:
    plain = model.DebianArchive()
    archive = model.DebianArchive(
        suite=table.get("suite", str, plain.suite),
        mirror=table.get("mirror", str, plain.mirror).rstrip("/"),
        security=table.get("security", str, plain.security).rstrip("/"),
        components=table.strings("components", plain.components),
        keyring=table.get("keyring", str, plain.keyring),
    )
    for name in ("suite", "mirror", "security", "keyring"):
        value = getattr(archive, name)
        # It becomes part of a sources.list line; a space or bracket there means something else.
        if not re.fullmatch(r"[A-Za-z0-9:/._+~-]*", value):
            raise table.error(name, f"is {value!r}, which has a character that apt would misread")
    table.finish()
    return archive


def _pypi(table: Table) -> model.PypiIndex:
    index = table.get("index", str, model.PypiIndex().index).rstrip("/")
    table.finish()
    if not re.fullmatch(r"https?://[!-~]+", index):
        raise table.error("index", f"is {index!r}, which does not start with https://")
    if "@" in index:
        raise table.error("index", "must hold no password: it is written into reports")
    return model.PypiIndex(index)


def _build(table: Table) -> model.BuildPlan:
    plan = builds.read(table)
    table.finish()
    return plan


def _sandbox(table: Table, build: model.BuildPlan, debian: model.DebianArchive) -> model.Sandbox:
    plain = model.Sandbox()
    kind = table.choice("kind", ("bubblewrap", "podman", "host"), plain.kind)
    in_root = kind == "podman" or (build.recipe == "debian" and kind != "host")
    umask = table.get("umask", str, "022")
    if not re.fullmatch("0?[0-7]{3}", umask):
        raise table.error("umask", f"is {umask!r}; it is a string of octal digits such as 022")
    sandbox = model.Sandbox(
        kind=kind,
        root=_matching(table, "root", _ROOT, f"debian:{debian.suite}" if in_root else plain.root),
        image=_image(table, kind),
        user=_matching(table, "user", _USER, plain.user),
        uid=table.positive("uid", plain.uid),
        hostname=_matching(table, "hostname", _HOSTNAME, plain.hostname),
        umask=int(umask, 8),
        locale=table.get("locale", str, plain.locale),
        timezone=table.get("timezone", str, plain.timezone),
        build_path=_build_path(table),
        processors=table.positive("processors", os.cpu_count() or 1),
        clock=_clock(table),
        limits=_limits(table.child("limits")),
    )
    table.finish()
    return sandbox


def _matching(table: Table, name: str, pattern: re.Pattern[str], default: str) -> str:
    value = table.get(name, str, default)
    if not pattern.fullmatch(value):
        raise table.error(name, f"is {value!r}, which does not match {pattern.pattern}")
    return value


def _image(table: Table, kind: str) -> str | None:
    if not table.has("image"):
        return None
    if kind != "podman":
        raise table.error("image", "has no use without kind podman")
    return _matching(table, "image", _IMAGE, "")


def _build_path(table: Table) -> str | None:
    path = table.optional("build_path", str)
    if path is not None and (os.path.normpath(path) != path or path.count("/") < 2):
        raise table.error("build_path", f"is {path!r}; it is an absolute path such as /build/tree")
    return path


def _clock(table: Table) -> str | dt.datetime | None:
    value = table.raw("clock")
    if value is None or value in ("changelog", "epoch"):
        return None if value is None else str(value)
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            text = f'is {value!r}, neither "changelog" nor "epoch" nor a date'
            raise table.error("clock", text) from None
    if type(value) is dt.date:
        value = dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    if not isinstance(value, dt.datetime):
        raise table.error("clock", f'must be "changelog", "epoch" or a date, not {value!r}')
    zone = value.tzinfo or dt.UTC
    return value.replace(tzinfo=zone).astimezone(dt.UTC)


def _limits(table: Table) -> model.Limits:
    plain = model.Limits()
    found = model.Limits(
        seconds=table.positive("seconds", plain.seconds),
        memory=table.size("memory", plain.memory),
        processes=table.positive("processes", plain.processes),
        disk=table.size("disk", plain.disk),
        output=table.size("output", plain.output),
    )
    table.finish()
    return found


def _artifact(table: Table) -> model.Artifact:
    artifact = model.Artifact(
        shipped=_locator(table, "shipped"),
        rebuilt=_locator(table, "rebuilt"),
        name=table.optional("name", str),
    )
    table.finish()
    rebuilt = artifact.rebuilt.path
    if rebuilt is None or Path(rebuilt).is_absolute() or ".." in Path(rebuilt).parts:
        raise table.error("rebuilt", "must be a path or glob inside the build's output")
    return dataclasses.replace(artifact, shipped=artifact.shipped.below(table.file.parent))


def _locator(table: Table, name: str) -> Locator:
    value = table.raw(name)
    try:
        if isinstance(value, str):
            return Locator.parse(value)
        inner = table.child(name, required=True)
        names = ("path", "package", "version", "member", "wheel", "sha256")
        locator = Locator(**{key: inner.optional(key, str) for key in names})
    except ValueError as error:
        raise table.error(name, f"is wrong: {error}") from None
    inner.finish()
    return locator


def _policy(table: Table) -> str | Path:
    name = table.get("name", str, "standard")
    table.finish()
    if name in ("standard", "strict"):
        return name
    path = _at(table, name)
    if not path.is_file():
        raise table.error("name", f"is {name!r}, neither standard nor strict nor a file")
    return path


def _record(table: Table) -> bool:
    record = table.get("record", bool, default=True)
    table.finish()
    return record


def _signer(table: Table) -> model.Signer:
    if table.has("certificate") == table.has("sha256"):
        raise table.error("certificate", "or sha256 must be given, one of the two")
    if table.has("sha256"):
        signer = model.Signer(sha256=table.sha256("sha256"))
    else:
        signer = model.Signer(certificate=_at(table, table.get("certificate", str)))
    table.finish()
    return signer


def _waiver(table: Table) -> model.Waiver:
    waiver = model.Waiver(
        member=table.get("member", str),
        field=table.get("field", str),
        reason=table.get("reason", str),
        author=table.get("author", str),
        expires=table.date("expires"),
        offset=table.optional("offset", int),
        length=table.optional("length", int),
    )
    table.finish()
    for name in ("member", "field", "reason", "author"):
        if not getattr(waiver, name).strip():
            raise table.error(name, "must not be empty")
    if (waiver.offset is None) != (waiver.length is None):
        raise table.error("offset", "and length belong together")
    if waiver.offset is not None and (waiver.offset < 0 or (waiver.length or 0) <= 0):
        raise table.error("offset", "must be at least 0 and length above 0")
    return waiver

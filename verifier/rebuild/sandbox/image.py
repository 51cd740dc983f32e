"""A root as an OCI image (image-spec 1.0), in a store that podman reads and never writes.

The layer is the root's tar in one fixed order, with times no later than the roots' fixed time:
equal roots give equal digests. The store lies beside the root, and goes with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verifier import limits, process
from verifier.errors import BuildError
from verifier.rebuild.root import EPOCH, Root, digest
from verifier.rebuild.user import as_user, give
from verifier.source.cache import Cache, publish

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLATFORM = {"x86_64": "amd64", "aarch64": "arm64"}
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True)
class Image:
    """An image in `store`: `digest` ("sha256:…") is its manifest's, `identity` its config's."""

    store: Path
    digest: str
    identity: str

    @property
    def files(self) -> Path:
        """Where podman unpacked its one layer; BuildError."""
        found = [each for each in (self.store / "overlay").glob("*/diff") if any(each.iterdir())]
        if len(found) != 1:
            raise BuildError(f"The image {self.store} has not one layer but {len(found)}.")
        return found[0]


def image_of(root: Root, uid: int) -> Image:
    """The image of a root, from beside it or made now, unpacked for the build user `uid`.

    podman can lay a writable layer only over one of its own user's: each build user has a copy.

    Raises:
        BuildError: it cannot be made or named to podman, or someone changed what was unpacked.
    """
    final = root.path.parent / f"image-{uid}"
    check_path(final)
    if not final.is_dir():
        cache = Cache(root.path.parents[2])
        with cache.lock(f"image-{root.key}"), cache.scratch() as scratch:
            if not final.is_dir():
                scratch.chmod(0o711)
                publish(_make(root, scratch, uid), final)
    record = json.loads((final / "image.json").read_text())
    if digest(final / "store") != record["store"]:
        raise BuildError(f"The image {final} changed since it was made; remove it and retry.")
    return Image(final / "store", record["digest"], record["identity"])


def check_path(path: Path) -> None:
    """Raise BuildError for a path with a sign that parts or quotes what podman is told."""
    if set(str(path)) & set(':,"\\\n'):
        raise BuildError(
            f"podman cannot be given the path {str(path)!r}: colons, commas, quotes, backslashes "
            "and line ends stop it; put the cache and TMPDIR elsewhere, or use bubblewrap."
        )


def settings(directory: Path, *images: Path) -> dict[str, str]:
    """Write podman's configuration into a directory; returns the environment that names it."""
    (directory / "run").mkdir(mode=0o700)
    (directory / "containers.conf").write_text("[containers]\ndefault_sysctls = []\n")
    (directory / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    root = directory / "store"
    (directory / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{root}"\nrunroot = "{directory}/run"\n'
        f'rootless_storage_path = "{root}"\n[storage.options]\n'
        f"additionalimagestores = {json.dumps([str(image) for image in images])}\n"
        '[storage.options.overlay]\nignore_chown_errors = "true"\n'
    )
    return {
        "CONTAINERS_CONF": str(directory / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
        "HOME": str(directory),
        "XDG_RUNTIME_DIR": str(directory / "run"),
        "TMPDIR": str(directory),
    }


def rootless(uid: int) -> dict[str, str]:
    """What tells podman that it is in a namespace that this user made: it makes none then."""
    names = ("_CONTAINERS_ROOTLESS_UID", "_CONTAINERS_ROOTLESS_GID")
    return {"_CONTAINERS_USERNS_CONFIGURED": "done", **dict.fromkeys(names, str(uid))}


def layout(root: Path, into: Path) -> tuple[str, str]:
    """Write a root as an OCI layout; returns the digests of its manifest and its config."""
    blobs = into / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layer = _layer(root, blobs)
    created = "2023-11-14T22:13:20Z"  # EPOCH
    config = {
        "architecture": _PLATFORM.get(platform.machine(), platform.machine()),
        "created": created,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        "history": [{"created": created, "created_by": "source-binary-verifier"}],
    }
    described = _blob(blobs, config, _CONFIG)
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": described,
        "layers": [layer],
    }
    top = _blob(blobs, manifest, _MANIFEST)
    (into / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (into / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    return top["digest"], described["digest"]


def _make(root: Root, scratch: Path, uid: int) -> Path:
    entry, own, oci = scratch / "entry", scratch / "podman", scratch / "oci"
    for path in (entry, own):
        path.mkdir(mode=0o755)
    try:
        manifest, config = layout(root.path, oci)
    except OSError as error:
        raise BuildError(
            f"The root {root.path} cannot be read whole by this user: {error}; run once as root."
        ) from error
    environment = {**settings(own), **rootless(uid)}
    give(own, uid)
    policy = f"--signature-policy={own / 'policy.json'}"
    place = [*as_user(uid), "unshare", "--user", "--map-root-user", "--mount", "--"]
    done = process.run(
        # podman makes the image's name of the path as it is told: a whole one may be no legal name
        [*place, "podman", "pull", "--quiet", policy, f"oci:{oci.name}"],
        directory=scratch,
        seconds=limits.FETCH_SECONDS,
        memory=None,
        environment=environment,
    )
    if done.status != 0:
        said = done.stderr.decode(errors="replace").strip()[-limits.TEXT :]
        raise BuildError(f"podman could not take the root as an image: {said}")
    (own / "store").rename(entry / "store")
    record = {"digest": manifest, "identity": config, "store": digest(entry / "store")}
    (entry / "image.json").write_text(json.dumps(record, indent=1))
    return entry


def _layer(root: Path, blobs: Path) -> dict[str, Any]:
    path = blobs / "layer"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in _names(root):
            entry = archive.gettarinfo(root / name, name)
            if entry.type not in (
                tarfile.REGTYPE,
                tarfile.LNKTYPE,
                tarfile.SYMTYPE,
                tarfile.DIRTYPE,
            ):
                continue  # podman makes the few devices that a build sees
            entry.uname = entry.gname = ""
            entry.mtime = min(int(entry.mtime), int(EPOCH))
            if entry.isreg():
                with (root / name).open("rb") as file:
                    archive.addfile(entry, file)
            else:
                archive.addfile(entry)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    path.rename(blobs / found)
    size = (blobs / found).stat().st_size
    return {"mediaType": _LAYER, "digest": f"sha256:{found}", "size": size}


def _names(root: Path) -> Iterator[str]:
    """Every path below a root, directories before what is in them, in one fixed order."""
    found: list[str] = []
    for parent, directories, files in os.walk(root):
        here = Path(parent).relative_to(root)
        found += (str(here / name) for name in (*directories, *files))
    return iter(sorted(found))


def _blob(blobs: Path, data: dict[str, Any], media: str) -> dict[str, Any]:
    content = json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
    found = hashlib.sha256(content).hexdigest()
    (blobs / found).write_bytes(content)
    return {"mediaType": media, "digest": f"sha256:{found}", "size": len(content)}

"""Real PE images for cases and tests: Debian's, Microsoft's, and what mingw-w64 makes here."""

from __future__ import annotations

import functools
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests import realfiles
from verifier.checks.pe import image_checksum
from verifier.formats.pe import headers
from verifier.formats.pe.layout import layout

if TYPE_CHECKING:
    from verifier.formats.base import Layout

SOURCE_EXE = '#include <stdio.h>\nint main(int c, char **v) { return printf("hello %d\\n", c); }\n'
SOURCE_DLL = """
__declspec(dllexport) int add(int a, int b) { return a + b; }
__declspec(dllexport) int sub(int a, int b) { return a - b; }
"""
_ATTACH = "debugpy/_vendored/pydevd/pydevd_attach_to_process/"
SIGNED_PAIRS = {
    "shim": (
        ("shim-signed", "usr/lib/shim/shimx64.efi.signed"),
        ("shim-unsigned", "usr/lib/shim/shimx64.efi"),
    ),
    "fallback": (
        ("shim-helpers-amd64-signed", "usr/lib/shim/fbx64.efi.signed"),
        ("shim-unsigned", "usr/lib/shim/fbx64.efi"),
    ),
    "mok-manager": (
        ("shim-helpers-amd64-signed", "usr/lib/shim/mmx64.efi.signed"),
        ("shim-unsigned", "usr/lib/shim/mmx64.efi"),
    ),
    "fwupd": (
        ("fwupd-amd64-signed", "usr/libexec/fwupd/efi/fwupdx64.efi.signed"),
        ("fwupd-unsigned", "usr/libexec/fwupd/efi/fwupdx64.efi"),
    ),
} | {
    name: (
        ("grub-efi-amd64-signed", f"usr/lib/grub/x86_64-efi-signed/{name}.efi.signed"),
        ("grub-efi-amd64-bin", f"usr/lib/grub/x86_64-efi/monolithic/{name}.efi"),
    )
    for name in ("gcdx64", "grubx64", "grubnetx64", "grubnetx64-installer")
}


@functools.cache
def debian(package: str, path: str) -> bytes:
    return (realfiles.extracted(package) / path).read_bytes()


def signed_pair(name: str) -> tuple[bytes, bytes]:
    """A Debian Secure Boot image, and its unsigned twin."""
    signed, unsigned = SIGNED_PAIRS[name]
    return debian(*signed), debian(*unsigned)


def kernel_pair() -> tuple[bytes, bytes]:
    name = realfiles.signed_kernel_package()
    path = "boot/vmlinuz-" + name.removeprefix("linux-image-")
    return debian(name, path), debian(f"{name}-unsigned", path)


@functools.cache
def from_wheel(name: str, version: str, member: str, platform: str = "win_amd64") -> bytes:
    with zipfile.ZipFile(realfiles.wheel(name, version, platform)) as archive:
        return archive.read(member)


def microsoft_signed() -> bytes:
    """A DLL by Microsoft's linker, signed by Microsoft with a timestamp."""
    return from_wheel("debugpy", "1.8.7", f"{_ATTACH}run_code_on_dllmain_amd64.dll")


def microsoft_pdb() -> bytes:
    """The program database shipped beside `microsoft_signed`."""
    return from_wheel("debugpy", "1.8.7", f"{_ATTACH}run_code_on_dllmain_amd64.pdb")


def microsoft() -> bytes:
    """`microsoft_signed` as it was before it was signed."""
    return unsigned(microsoft_signed())


@functools.cache
def cut(data: bytes) -> Layout:
    return layout(memoryview(data))


def value(data: bytes, name: str) -> bytes:
    """The bytes of a span."""
    span = next(each for each in cut(data).spans if each.name == name)
    return data[span.offset : span.end]


def put(data: bytes, values: dict[str, bytes], *, fix: bool = True) -> bytes:
    """`data` with other bytes in spans (shorter values fill their start), checksum put right."""
    result = bytearray(data)
    places = {span.name: span for span in cut(data).spans}
    for name, new in values.items():
        span = places[name]
        assert len(new) <= span.length
        result[span.offset : span.offset + len(new)] = new
    return fixed(bytes(result)) if fix else bytes(result)


def fixed(data: bytes) -> bytes:
    """`data` with the right checksum."""
    image = headers.parse(memoryview(data))
    total = image_checksum(memoryview(data), image, len(data))
    at = image.checksum_at
    return data[:at] + total.to_bytes(4, "little") + data[at + 4 :]


def unsigned(data: bytes) -> bytes:
    """`data` without its certificate table."""
    image = headers.parse(memoryview(data))
    assert image.certificates
    assert image.security_at
    at = image.security_at
    return fixed(data[:at] + bytes(8) + data[at + 8 : image.certificates.offset])


@functools.cache
def mingw() -> dict[str, tuple[bytes, bytes]]:
    """Two builds of one source at different times, by `x86_64-exe-g` and the like."""
    made: dict[str, list[bytes]] = {}
    with tempfile.TemporaryDirectory() as work:
        for turn in range(2):
            if turn:
                time.sleep(1.1)  # the linker's clock counts seconds
            for machine in ("x86_64", "i686"):
                for kind, source in (("exe", SOURCE_EXE), ("dll", SOURCE_DLL)):
                    for debug in ("g", "s"):
                        options = [f"-{debug}", *(["-shared"] if kind == "dll" else [])]
                        key = f"{machine}-{kind}-{debug}"
                        made.setdefault(key, []).append(
                            compile_mingw(Path(work), machine, kind, source, options)
                        )
            options = ["-s", "-nostdlib", "-shared", "-e", "add"]
            made.setdefault("x86_64-dll-tiny", []).append(
                compile_mingw(Path(work), "x86_64", "dll", SOURCE_DLL, options)
            )
    return {key: (one, other) for key, (one, other) in made.items()}


def compile_mingw(work: Path, machine: str, kind: str, source: str, options: list[str]) -> bytes:
    # The output path decides the image base, so that it must be the same for a pair.
    output, text = work / f"out.{kind}", work / "source.c"
    text.write_text(source)
    command = [f"{machine}-w64-mingw32-gcc", "-Os", *options, "-o", str(output), str(text)]
    subprocess.run(command, check=True, capture_output=True)
    return output.read_bytes()


@functools.cache
def own_signed(data: bytes) -> bytes:
    """`data` signed with a fresh key by osslsigncode."""
    with tempfile.TemporaryDirectory() as work:
        key, certificate, image, out = (Path(work) / name for name in ("k", "c", "i", "o"))
        image.write_bytes(data)
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Test"]
        make += ["-addext", "extendedKeyUsage=codeSigning", "-days", "3650"]
        subprocess.run(
            [*make, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
        )
        sign = [
            "osslsigncode",
            "sign",
            "-h",
            "sha256",
            "-certs",
            str(certificate),
            "-key",
            str(key),
        ]
        subprocess.run(
            [*sign, "-in", str(image), "-out", str(out)], check=True, capture_output=True
        )
        return out.read_bytes()

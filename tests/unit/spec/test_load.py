"""A specification is read whole or refused with the key's path."""

import datetime as dt
from pathlib import Path

import pytest

from verifier.errors import UsageError
from verifier.rebuild.recipes import RECIPES
from verifier.spec import CommandBuild, DebianBuild, DebianSource, DirectorySource, Spec, load

SPECS = Path(__file__).parents[3] / "fixtures" / "specs"
MINIMAL = """
[source]
kind = "directory"
path = "src"
[build]
recipe = "command"
steps = ["make", ["make", "install"]]
outputs = ["out/*"]
"""


def read(tmp_path: Path, text: str) -> Spec:
    path = tmp_path / "audit.toml"
    path.write_text(text)
    return load(path)


def test_defaults(tmp_path: Path) -> None:
    spec = read(tmp_path, MINIMAL)
    assert spec.source == DirectorySource(tmp_path / "src")
    assert isinstance(spec.build, CommandBuild)
    assert spec.build.steps == (("/bin/sh", "-euc", "make"), ("make", "install"))
    assert (spec.sandbox.kind, spec.sandbox.root, spec.policy) == (
        "bubblewrap",
        "host-tools",
        "standard",
    )


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_commented_examples_load(path: Path) -> None:
    assert load(path).artifacts


def test_each_recipe_has_a_commented_example() -> None:
    assert {load(path).build.recipe for path in SPECS.glob("*.toml")} == set(RECIPES)


def test_the_shim_example_says_what_its_comments_say() -> None:
    spec = load(SPECS / "shim.toml")
    assert spec.source == DebianSource("shim", "16.1-2~deb12u1")
    assert spec.build == DebianBuild(binaries="any")
    assert spec.sandbox.root == "debian:bookworm"
    assert str(spec.artifacts[0].rebuilt) == "shim-unsigned_*.deb!/usr/lib/shim/shimx64.efi"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("recipe =", "recpie ="), "build.recipe is missing"),
        (('path = "src"', 'pth = "src"'), "source.path is missing"),
        (("[build]", 'patj = "x"\n[build]'), "source.patj is not a known key; did you mean source"),
        (("[source]", "[souce]"), "source is missing"),
        (
            ('"command"', '"comand"'),
            "build.recipe is 'comand', which is none of autotools, cargo, clamav-db, ",
        ),
        (('["out/*"]', '"out/*"'), "build.outputs must be a list, not 'out/*'"),
        (('["out/*"]', '["../x"]'), "leads out of the build tree"),
        (('"make", [', "7, ["), "build.steps[0] must be a list of words or a shell string, not 7"),
        (("outputs", "packages = ['make']\noutputs"), "needs a root to install into"),
        (("outputs", "packages = ['-o']\noutputs"), "'-o'"),
        (("outputs", "environment = {A = 1}\noutputs"), "build.environment.A must be a string"),
        (("[build]", "[[build]]"), "build must be a table"),
        (("directory", "debian"), "source.package is missing"),
    ],
)
def test_mistakes_name_the_key(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, MINIMAL.replace(*change))
    assert said in str(caught.value)
    assert str(tmp_path / "audit.toml") in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (
            "[sandbox]\nkinds = 'host'",
            "sandbox.kinds is not a known key; did you mean sandbox.kind",
        ),
        ("[sandbox]\nkind = 'podman'\nroot = 'host-tools'", "podman runs an image, not this host"),
        ("[sandbox]\nkind = 'podman'\nimage = 'latest'", "sandbox.image is 'latest'"),
        ("[sandbox]\nimage = 'latest'", "has no use without kind podman"),
        ("[sandbox]\nroot = 'host'", "sandbox.root is 'host'"),
        ("[sandbox]\nuid = true", "sandbox.uid must be an integer, not True"),
        ("[sandbox]\nuid = 0", "sandbox.uid must be above zero"),
        ("[sandbox]\nclock = 'changelog'", "changelog needs the debian recipe"),
        ("[sandbox]\nclock = 'noon'", 'neither "changelog" nor "epoch" nor a date'),
        ("[sandbox]\numask = '9'", "octal"),
        ("[sandbox]\nbuild_path = '/build/../etc'", "absolute path such as"),
        ("[sandbox.limits]\nmemory = '2 pounds'", "sandbox.limits.memory must be a size"),
        ("[sandbox.limits]\nsecond = 1", "did you mean sandbox.limits.seconds"),
        ("[debian]\nmirror = 'http://x y'", "debian.mirror"),
        ("[[artifacts]]\nshipped = 'a'", "artifacts[0].rebuilt"),
        ("[[artifacts]]\nshipped = 'a'\nrebuilt = '../b'", "inside the build's output"),
        ("[[artifacts]]\nshipped = 'deb:UPPER'\nrebuilt = 'b'", "not the name of a Debian package"),
        ("[policy]\nname = 'lax'", "neither standard nor strict nor a file"),
        ("[[signers]]\nsha256 = 'abc'", "64 hexadecimal digits"),
        ("[[signers]]\n", "one of the two"),
        ("surprise = 1", "surprise is not a known key"),
    ],
)
def test_mistakes_beside_source_and_build(tmp_path: Path, extra: str, said: str) -> None:
    text = extra + "\n" + MINIMAL if extra == "surprise = 1" else MINIMAL + extra
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)


def test_sizes_and_clock(tmp_path: Path) -> None:
    extra = "[sandbox]\nclock = 2022-12-26\n[sandbox.limits]\nmemory = '512 MiB'\ndisk = 4096\n"
    spec = read(tmp_path, MINIMAL + extra)
    assert spec.sandbox.limits.memory == 512 << 20
    assert spec.sandbox.limits.disk == 4096
    assert spec.sandbox.clock == dt.datetime(2022, 12, 26, tzinfo=dt.UTC)


WAIVER = """
[[waivers]]
member = "hello"
field = ".rodata"
reason = "prints its date"
author = "A"
expires = 2024-02-29
"""


def test_a_waiver_holds_until_the_end_of_its_day(tmp_path: Path) -> None:
    (waiver,) = read(tmp_path, MINIMAL + WAIVER).waivers
    assert waiver.expires == dt.date(2024, 2, 29)
    assert not waiver.expired(dt.date(2024, 2, 29))
    assert waiver.expired(dt.date(2024, 3, 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("2024-02-29", "'2024-02-30'"), "waivers[0].expires is '2024-02-30', which is no date"),
        (("2024-02-29", "2024-02-29T10:00:00"), "waivers[0].expires must be a date"),
        (("expires = 2024-02-29", ""), "waivers[0].expires is missing"),
        (("prints its date", " "), "waivers[0].reason must not be empty"),
        (('author = "A"', 'author = "A"\noffset = 3'), "belong together"),
    ],
)
def test_waivers_are_whole(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, MINIMAL + WAIVER.replace(*change))
    assert said in str(caught.value)


def test_no_toml(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not TOML"):
        read(tmp_path, "[[[")
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "none.toml")

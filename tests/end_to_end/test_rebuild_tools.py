"""The recipes of build systems: tiny projects, real tools, each built in its sandbox."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.sandboxes import check_accounted, open_place
from verifier import rebuild, source
from verifier.errors import BuildError
from verifier.rebuild.recipes import RECIPES
from verifier.rebuild.recipes.tool import Tool
from verifier.source import Cache
from verifier.spec import load

if TYPE_CHECKING:
    from collections.abc import Iterator

FIXTURES = Path(__file__).parents[2] / "fixtures"
PROJECTS = {
    "autotools": ("autotools-c", "greeting.c"),
    "cargo": ("cargo-app", "src/main.rs"),
    "cmake": ("cmake-c", "greeting.c"),
    "go": ("go-app", "vendor/example.org/greet/greet.go"),
    "meson": ("meson-c", "greeting.c"),
    "mingw": ("cmake-c", "greeting.c"),
}


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def project(place: Path, name: str) -> Path:
    tree = place / name
    shutil.copytree(FIXTURES / "rebuild" / name, tree)
    return tree


def built(place: Path, tree: Path, build: str, more: str = "") -> rebuild.Build:
    spec = place / "audit.toml"
    spec.write_text(
        f'[source]\nkind = "directory"\npath = "{tree}"\n[build]\n{build}\n{more}\n'
        "[sandbox.limits]\nseconds = 300\n"
    )
    read, cache = load(spec), Cache.open(place / "cache")
    number = len(list(place.glob("output-*")))
    return rebuild.rebuild(read, source.obtain(read, cache), cache, place / f"output-{number}")


def as_the_example(place: Path, recipe: str, tree: Path) -> rebuild.Build:
    """Build `tree` as the commented example builds its own."""
    name, _ = PROJECTS[recipe]
    text = (FIXTURES / f"specs/{recipe}.toml").read_text()
    assert f'path = "../rebuild/{name}"' in text
    # What go compiles anew because of these two takes half a minute and shows nothing here.
    text = text.replace("trimpath = true", "").replace('CGO_ENABLED = "0"', "")
    (place / "audit.toml").write_text(text.replace(f"../rebuild/{name}", str(tree)))
    spec, cache = load(place / "audit.toml"), Cache.open(place / "cache")
    number = len(list(place.glob("output-*")))
    return rebuild.rebuild(spec, source.obtain(spec, cache), cache, place / f"output-{number}")


@pytest.mark.parametrize("recipe", PROJECTS)
def test_a_project_builds_twice_alike_and_a_change_shows(place: Path, recipe: str) -> None:
    name, changed = PROJECTS[recipe]
    tree = project(place, name)
    first = as_the_example(place, recipe, tree)
    check_accounted(first)
    (program,) = [item for item in first.outputs if Path(item.name).stem == "hello"]
    path = first.output_dir / program.name
    if recipe == "mingw":
        assert path.read_bytes()[:2] == b"MZ"
        header = int.from_bytes(path.read_bytes()[0x3C:0x40], "little")
        assert path.read_bytes()[header + 8 : header + 12] == bytes(4)  # TimeDateStamp
    else:
        said = subprocess.run([path], check=True, capture_output=True).stdout
        assert said == b"Hello\n"
    assert first.outputs == as_the_example(place, recipe, tree).outputs
    text = (tree / changed).read_text()
    planted = text.replace('"Hello"', '"Hallo"').replace("greet::greeting());", "7);", 1)
    assert planted != text
    (tree / changed).write_text(planted)
    assert program not in as_the_example(place, recipe, tree).outputs


# autotools and go's own tests take half a minute each on a loaded machine.
LONG = pytest.mark.exhaustive


@pytest.mark.parametrize(
    "system", ["make", pytest.param("meson", marks=LONG), pytest.param("autotools", marks=LONG)]
)
def test_mingw_through_other_build_systems(place: Path, system: str) -> None:
    names = {"make": "hello-c", "meson": "meson-c", "autotools": "autotools-c"}
    keys = 'outputs = ["hello*"]\ntargets = ["hello"]' if system == "make" else ""
    host = 'host = "i686-w64-mingw32"' if system == "make" else ""
    tree = project(place, names[system])
    made = built(place, tree, f'recipe = "mingw"\nsystem = "{system}"\n{keys}\n{host}')
    programs = [made.output_dir / item.name for item in made.outputs]
    images = [data for path in programs if (data := path.read_bytes())[:2] == b"MZ"]
    machine = {images[0][at + 4] for at in [int.from_bytes(images[0][0x3C:0x40], "little")]}
    assert machine == ({0x4C} if system == "make" else {0x64})


@pytest.mark.parametrize("recipe", ["cmake", pytest.param("go", marks=LONG)])
def test_tests_run_where_the_specification_says_so(place: Path, recipe: str) -> None:
    name, changed = PROJECTS[recipe]
    tree = project(place, name)
    if recipe == "cmake":
        (tree / "hello.c").write_text("int main(void) { return 3; }\n")
    else:
        (tree / changed).write_text('package greet\n\nfunc Greeting() string { return "" }\n')
    assert built(place, tree, f'recipe = "{recipe}"').outputs
    with pytest.raises(rebuild.FailedBuildError, match="The build step 'test' failed"):
        built(place, tree, f'recipe = "{recipe}"\ntests = true')


@pytest.mark.parametrize(
    ("recipe", "gone", "said"),
    [
        ("cargo", "Cargo.lock", "The source has no Cargo.lock"),
        ("cargo", "vendor", "the source vendors none: run cargo vendor"),
        ("cargo", "Cargo.toml", "has no Cargo.toml in 'tree', which cargo needs"),
        ("go", "vendor", "no vendor/modules.txt: run go mod vendor"),
        ("go", "go.mod", "has no go.mod"),
        ("cmake", "CMakeLists.txt", "has no CMakeLists.txt"),
        ("meson", "meson.build", "has no meson.build"),
        ("autotools", "configure.ac", "has no configure or configure.ac"),
        ("mingw", "CMakeLists.txt", "has no Makefile or makefile or GNUmakefile"),
    ],
)
def test_what_the_source_lacks_is_one_sentence(
    place: Path, recipe: str, gone: str, said: str
) -> None:
    tree = project(place, PROJECTS[recipe][0])
    target = tree / gone
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    outputs = 'outputs = ["x"]' if recipe in ("cargo", "mingw") else ""
    with pytest.raises(BuildError, match=said):
        built(place, tree, f'recipe = "{recipe}"\n{outputs}')


def test_a_source_that_has_what_the_recipe_writes_is_refused(place: Path) -> None:
    tree = project(place, "cmake-c")
    (tree / "out").mkdir()
    with pytest.raises(BuildError, match="The source has 'out' of its own"):
        built(place, tree, 'recipe = "cmake"')
    with pytest.raises(BuildError, match=r"no directory part: build\.directory"):
        built(place, tree, 'recipe = "cmake"\ndirectory = "part"')


def test_what_would_be_downloaded_fails_the_build(place: Path) -> None:
    tree = project(place, "cmake-c")
    with (tree / "CMakeLists.txt").open("a") as file:
        file.write(
            "include(FetchContent)\n"
            "FetchContent_Declare(x URL https://example.org/x.tar.gz)\n"
            "FetchContent_MakeAvailable(x)\nadd_subdirectory(${x_SOURCE_DIR})\n"
        )
    with pytest.raises(rebuild.FailedBuildError, match="The build step 'configure' failed"):
        built(place, tree, 'recipe = "cmake"')
    tree = project(place, "meson-c")
    with (tree / "meson.build").open("a") as file:
        file.write("dependency('nowhere', fallback: ['nowhere', 'dep'])\n")
    (tree / "subprojects").mkdir()
    (tree / "subprojects/nowhere.wrap").write_text(
        "[wrap-file]\ndirectory = x\nsource_url = https://example.org/x.tar.gz\n"
        f"source_filename = x.tar.gz\nsource_hash = {'0' * 64}\n"
    )
    with pytest.raises(rebuild.FailedBuildError, match="The build step 'set up' failed"):
        built(place, tree, 'recipe = "meson"')


def test_every_recipe_of_a_build_system_is_tried_here() -> None:
    tools = {name for name, recipe in RECIPES.items() if issubclass(recipe, Tool)}
    assert set(PROJECTS) == tools

"""What `verifier init` writes runs as it stands: real trees, each to a verdict, unedited."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import signers
from tests.end_to_end.test_verify_command import ROOT, run
from verifier import spec as specs
from verifier.errors import UsageError
from verifier.init import own, propose

HELLO = ROOT / "fixtures/rebuild/hello-c"


def proposed(place: Path, tree: Path, *shipped: Path) -> dict[str, Any]:
    """The report of a specification that nobody edited."""
    spec = place / "audit.toml"
    options = [word for path in shipped for word in ("--shipped", path)]
    done = run("init", tree, *options, "-o", spec)
    assert done.returncode == 0, done.stderr
    report = place / "report.json"
    done = run("verify", spec, "--json", report, "-o", place / "output")
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def make(tree: Path, *arguments: str) -> None:
    subprocess.run(["make", "-s", *arguments], cwd=tree, check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HELLO, tmp_path / "tree"))


def test_a_makefile(tmp_path: Path, tree: Path) -> None:
    built = Path(shutil.copytree(tree, tmp_path / "vendor"))
    make(built)
    report = proposed(tmp_path, tree, built / "hello")
    assert report["verdict"] == "identical"
    assert report["source"]["pins"][-1]["kind"] == "swhid"


def test_a_clean_checkout_and_a_windows_program(tmp_path: Path, tree: Path) -> None:
    built = Path(shutil.copytree(tree, tmp_path / "vendor"))
    make(built, "CC=x86_64-w64-mingw32-gcc")
    program = next(path for path in built.rglob("hello*") if path.read_bytes()[:2] == b"MZ")
    for words in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "x"]):
        signers.run(*("git", "-c", "user.name=a", "-c", "user.email=a@b", *words), where=tree)
    report = proposed(tmp_path, tree, program)
    assert report["source"]["kind"] == "git"
    assert report["verdict"] in ("identical", "equivalent")
    assert 'host = "x86_64-w64-mingw32"' in (tmp_path / "audit.toml").read_text()


def test_an_archive_of_a_tree(tmp_path: Path, tree: Path) -> None:
    built = Path(shutil.copytree(tree, tmp_path / "vendor"))
    make(built)
    signers.run("tar", "-czf", "tree-1.tar.gz", "tree", where=tmp_path)
    report = proposed(tmp_path, tmp_path / "tree-1.tar.gz", built / "hello")
    assert report["source"]["pins"][0]["kind"] == "sha256"


def test_rules_in_an_archive(tmp_path: Path) -> None:
    source = ROOT / "fixtures/rebuild/ruleset"
    spec = tmp_path / "ruleset.toml"
    text = (ROOT / "fixtures/specs/ruleset.toml").read_text()
    spec.write_text(text.replace("../rebuild/ruleset", str(source)))
    done = run("rebuild", spec, "-o", tmp_path / "shipped")
    assert done.returncode == 0, done.stderr
    report = proposed(tmp_path, source, tmp_path / "shipped/rules.tar.gz")
    assert report["verdict"] in ("identical", "equivalent")


def test_compiled_rules(tmp_path: Path) -> None:
    source = tmp_path / "rules"
    source.mkdir()
    shutil.copy(ROOT / "fixtures/rebuild/yara-rules/common.yar", source)
    version = signers.run("yarac", "--version").decode().strip()
    signers.run("yarac", "common.yar", str(tmp_path / "rules.yarc"), where=source)
    report = proposed(tmp_path, source, tmp_path / "rules.yarc")
    assert report["verdict"] in ("identical", "equivalent")
    assert f'version = "{version}"' in (tmp_path / "audit.toml").read_text()


def test_a_signature_database(tmp_path: Path) -> None:
    source = ROOT / "fixtures/clamav-db"
    spec = tmp_path / "db.toml"
    text = (ROOT / "fixtures/specs/clamav-db.toml").read_text()
    spec.write_text(text.replace("../clamav-db", str(source)))
    done = run("rebuild", spec, "-o", tmp_path / "shipped")
    assert done.returncode == 0, done.stderr
    report = proposed(tmp_path, source, tmp_path / "shipped/example.cud")
    assert report["verdict"] == "identical"


FILES: list[tuple[dict[str, str], str, str]] = [
    ({"CMakeLists.txt": "install(TARGETS x)"}, "cmake --install build", 'recipe = "cmake"'),
    ({"CMakeLists.txt": "project(x)"}, '["build/**/tool"]', 'outputs = ["obj/**/tool"]'),
    ({"meson.build": "executable('x', install: true)"}, "meson install", 'recipe = "meson"'),
    ({"configure": ""}, "./configure --prefix=/usr", 'recipe = "autotools"'),
    ({"configure.ac": ""}, "autoreconf", "because of configure.ac"),
    ({"configure.ac": "", "CMakeLists.txt": ""}, "autoreconf", "because of configure.ac"),
    ({"configure": "", "meson.build": ""}, "./configure", "because of configure"),
    ({"meson.build": "", "CMakeLists.txt": ""}, "meson setup", "because of meson.build"),
    ({"Cargo.toml": ""}, "--locked --offline", 'outputs = ["target/release/tool"]'),
    ({"go.mod": "", "vendor/modules.txt": ""}, "-mod=vendor", "trimpath = true"),
    ({"Makefile": "all:\n"}, '["**/tool"]', 'outputs = ["**/tool"]'),
    ({"Makefile": "install:\n\tcp x $(DESTDIR)$(P)"}, "make install", '["out/**/tool"]'),
    ({"Makefile": "DESTDIR=/x\ninstall:\n\tcp x $(DESTDIR)"}, '["**/tool"]', '["**/tool"]'),
    ({"CMakeLists.txt": "", "Cargo.toml": ""}, "cargo build", 'recipe = "cargo"'),
]


@pytest.mark.parametrize("recipes", [True, False], ids=["recipes", "steps"])
@pytest.mark.parametrize(("files", "steps", "keys"), FILES, ids=["+".join(f[0]) for f in FILES])
def test_each_build_system_is_recognised(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    steps: str,
    keys: str,
    recipes: bool,
) -> None:
    if not recipes:
        monkeypatch.setattr(own, "RECIPES", {})
    tree = tmp_path / "tree"
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    shipped = tmp_path / "tool"
    shipped.write_bytes(b"\x7fELF go\tbuild\t-trimpath=true")
    spec = tmp_path / "audit.toml"
    spec.write_text(propose(tree, [shipped], spec))
    assert (keys if recipes else steps) in spec.read_text()
    specs.load(spec)


def test_a_tree_that_holds_what_was_shipped(tmp_path: Path, tree: Path) -> None:
    make(tree)
    spec = tmp_path / "audit.toml"
    done = run("init", tree, "--shipped", tree / "hello", "-o", spec)
    assert 'CAUTION: the audited tree holds "hello", the shipped file itself.' in done.stderr
    assert "# CAUTION" in spec.read_text()
    (tree / "hello").unlink()
    make(tree, "CFLAGS=-O2 -DX")
    (tree / "hello").rename(tmp_path / "hello")
    done = run("init", tree, "--shipped", tmp_path / "hello", "-o", spec, "--force")
    assert "CAUTION" not in done.stderr


def test_what_is_not_recognised(tmp_path: Path) -> None:
    shipped = tmp_path / "tool"
    shipped.write_bytes(b"\x7fELF")
    (tmp_path / "tree").mkdir()
    with pytest.raises(UsageError, match="no build that is known here"):
        propose(tmp_path / "tree", [shipped], tmp_path / "a.toml")
    with pytest.raises(UsageError, match="at least one shipped file"):
        propose(tmp_path / "tree", [], tmp_path / "a.toml")
    with pytest.raises(UsageError, match="cannot be read"):
        propose(tmp_path / "tree", [tmp_path / "none"], tmp_path / "a.toml")


def test_an_old_file_is_not_replaced(tmp_path: Path, tree: Path) -> None:
    shipped = tmp_path / "hello"
    shipped.write_bytes(b"\x7fELF")
    (tmp_path / "audit.toml").write_text("mine")
    done = run("init", tree, "--shipped", shipped, "-o", tmp_path / "audit.toml")
    assert done.returncode == 2
    assert (tmp_path / "audit.toml").read_text() == "mine"
    done = run("init", tree, "--shipped", shipped, "-o", tmp_path / "audit.toml", "--force")
    assert done.returncode == 0

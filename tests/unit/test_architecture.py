"""The architecture as tests: imports point one way, the checker stands alone, one process door."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "verifier"

# A module may import from its own layer (no cycles) and from layers above it in this list.
LAYERS = (
    {"errors", "limits", "interrupt"},
    {"account"},
    {"model", "__init__"},
    {"wire", "kinds", "content", "process", "confine", "names", "beside", "sequences"},
    {"strictjson", "shape", "waivers", "gate"},
    {"aside"},
    {"signatures"},
    {"formats"},
    {"checks"},
    {"unpack"},
    {"sigdb"},
    {"semantic"},
    {"makers"},
    {"ruleset", "align"},
    {"policy", "settle", "settle_stream", "describe", "lint"},
    {"compare", "meaning", "release", "images"},
    {"samples"},
    {"stages"},
    {"engine", "tree"},
    {"databases", "releases", "programs"},
    {"prove", "pair"},
    {"pipeline", "narrate"},
    {"run"},
    {"spec"},
    {"source"},
    {"rebuild"},
    {"witness", "copied"},
    {"unaccounted"},
    {"diagnose"},
    {"verify", "init"},
    {"report"},
    {"check"},
    {"attest"},
    {"commands"},
    {"__main__"},
)
ALLOWED_UP = {
    ("formats", "unpack"),  # role formats read payloads
    ("checks", "unpack"),  # stream checks ask the encoders
    ("source", "attest"),  # a record of an audit is signed as attestations are
}


def _layer(name: str) -> int:
    for index, names in enumerate(LAYERS):
        if name in names:
            return index
    pytest.fail(f"{name} has no layer; add it to LAYERS")


def _modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py"))


def _top(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0]


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in found if name.startswith("verifier")}


def _targets(path: Path) -> set[str]:
    result = set()
    for name in _imports(path):
        parts = name.split(".")[1:]
        if parts and ((ROOT / parts[0]).is_dir() or (ROOT / f"{parts[0]}.py").exists()):
            result.add(parts[0])
    return result


def test_imports_point_one_way() -> None:
    wrong = []
    for path in _modules():
        source = _top(path)
        for target in _targets(path) - {source}:
            if (source, target) in ALLOWED_UP:
                continue
            if _layer(target) >= _layer(source):
                wrong.append(f"{path.relative_to(ROOT)} imports {target}")
    assert not wrong


def test_the_checker_imports_nothing_of_the_rest_and_is_short() -> None:
    checker = ROOT / "check.py"
    assert not _imports(checker)
    assert len(checker.read_text("utf-8").splitlines()) < 320


def test_no_module_is_longer_than_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): size
        for path in _modules()
        if (size := len(path.read_text("utf-8").splitlines())) > 400
    }
    assert not long


@pytest.mark.parametrize("word", ["subprocess", "os.system", "os.popen", "Popen"])
def test_one_door_to_other_programs(word: str) -> None:
    users = [
        path.relative_to(ROOT).as_posix() for path in _modules() if word in path.read_text("utf-8")
    ]
    assert set(users) <= {"process.py"}


def test_model_has_no_third_party_import() -> None:
    tree = ast.parse((ROOT / "model.py").read_text("utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert modules <= {"__future__", "dataclasses", "enum", "typing", "verifier.account"}

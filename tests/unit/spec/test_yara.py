"""The table `[build]` of the recipe "yara"."""

from pathlib import Path

import pytest

from verifier.errors import UsageError
from verifier.spec import Spec, YaraBuild, load

MINIMAL = """
[source]
kind = "directory"
path = "src"
[build]
recipe = "yara"
version = "4.2.3"
rules = ["a.yar", "space:b/*.yar"]
output = "out/rules.yarc"
"""
WHEEL = f'wheel = {{ path = "x.whl", sha256 = "{"0" * 64}" }}\n'


def read(tmp_path: Path, text: str) -> Spec:
    path = tmp_path / "audit.toml"
    path.write_text(text)
    return load(path)


def test_all_that_it_holds(tmp_path: Path) -> None:
    text = MINIMAL + 'engine = "yara-x"\n' + WHEEL + '[build.externals]\nlevel = "2"\n'
    assert read(tmp_path, MINIMAL).build == YaraBuild(
        (("default", "a.yar"), ("space", "b/*.yar")), "out/rules.yarc", "4.2.3"
    )
    assert read(tmp_path, text).build == YaraBuild(
        (("default", "a.yar"), ("space", "b/*.yar")),
        "out/rules.yarc",
        "4.2.3",
        "yara-x",
        (tmp_path / "x.whl", "0" * 64),
        (("level", "2"),),
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"4.2.3"', '"4"'), "build.version is '4'; it is a whole version"),
        (("version", "versoin"), "build.version is missing"),
        (('"a.yar", ', '"../a.yar", '), "inside the source tree"),
        (('"a.yar", ', '":a.yar", '), "has the namespace ''"),
        (('"a.yar", ', "7, "), "must be a string, not 7"),
        (('["a.yar", "space:b/*.yar"]', "[]"), "build.rules must not be empty"),
        (('"out/rules.yarc"', '"/out"'), "build.output is '/out'"),
        (('"out/rules.yarc"', '"-o"'), "build.output is '-o'"),
        (("version", 'engine = "yarax"\nversion'), "build.engine is 'yarax'"),
        (("version", 'engine = "yara-x"\nversion'), "build.wheel is needed by"),
        (("version", WHEEL + "version"), "build.wheel is needed by"),
        (("output", 'externals = { "a b" = "1" }\noutput'), "no name of a variable"),
        (("[build]", "[sandbox]\nclock = 2022-12-26\n[build]"), "compiled rules hold no time"),
    ],
)
def test_mistakes_name_the_key(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, MINIMAL.replace(*change, 1))
    assert said in str(caught.value)

"""The grammar of places."""

import pytest

from verifier.spec import Locator


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b.efi", Locator(path="a/b.efi")),
        ("x_*.deb!/usr/bin/x", Locator(path="x_*.deb", member="/usr/bin/x")),
        ("deb:tree", Locator(package="tree")),
        ("deb:g++=4:12.2.0-3", Locator(package="g++", version="4:12.2.0-3")),
        ("deb:a1=1~x!/b", Locator(package="a1", version="1~x", member="/b")),
    ],
)
def test_parse_and_back(text: str, expected: Locator) -> None:
    assert Locator.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["", "!/x", "deb:", "deb:-o", "deb:a=", "x!/../y", "x!//y", "x!/"])
def test_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - load() makes the sentence
        Locator.parse(text)

"""Functions of the same instructions in other bytes: told, by name, and never equal."""

from __future__ import annotations

import pytest

from tests.unit.semantic.made import explained, gcc

SOURCE = """
int state[9];
{more}
__attribute__((naked)) int counted(int x) {{
    __asm__("xor %eax, %eax; test %edi, %edi; {jump}; 1: inc %eax; {pad}dec %edi; 2: ret");
}}
int after(int x) {{ state[x & 7] = 4; return state[2]; }}
"""
SHORT, LONG = "jle 2f", ".byte 0x0f, 0x8e; .long 2f - . - 4"


def image(jump: str = SHORT, pad: str = "", more: str = "", *flags: str) -> bytes:
    source = SOURCE.format(jump=jump, pad=pad, more=more)
    return gcc(source, "-shared", "-fPIC", "-Wl,-z,noseparate-code", *flags)


@pytest.mark.parametrize("flags", [(), ("-s",)])
@pytest.mark.parametrize(
    "shipped", [{"jump": LONG}, {"pad": "jmp 3f; .byte 0x0f, 0x1f, 0x44, 0, 0; 3: "}]
)
def test_it_is_the_one_difference_of_code(shipped: dict[str, str], flags: tuple[str, ...]) -> None:
    plain = {"pad": "jmp 3f; 3: "} if "pad" in shipped else {}
    one, other = (
        image(each.get("jump", SHORT), each.get("pad", ""), "", *flags) for each in (shipped, plain)
    )
    found = explained(one, other).differences
    ((kind, where, said),) = [
        (each.kind, each.where, each.summary) for each in found if each.kind.startswith("function")
    ]
    assert (kind, where) == ("function-changed", "counted")
    assert said.startswith("Its instructions are the same, in other encodings")


def test_it_is_counted_beside_functions_that_do_something_else() -> None:
    more = "int first(int x) { return state[x & 3] * 3; }"
    member = explained(image(LONG, more=more.replace("3;", "5;")), image(more=more))
    told = [each.where for each in member.differences if each.kind.startswith("function")]
    assert told == ["first"]
    assert "1 differs in the encoding of branches or padding alone" in member.notes[0]

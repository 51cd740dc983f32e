"""Which constants of a condition are numbers of patterns, texts, rules and the like.

Source: YARA-X, lib/src/compiler/emit.rs. What a constant is follows from what
takes it: the names and types of parameters are part of a function's name. A
constant gets there over blocks, locals and the slots of variables in memory; of
several values of a slot the one written last before counts, which is how the
compiler uses them. What is not known is an ordinary number. All this depends on
nothing but instructions and such ordinary numbers, so that two conditions that
look the same afterwards were understood the same way.
"""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING

from verifier.errors import LimitError
from verifier.sigdb import wasm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.sigdb.wasm import Instruction, Signature

_LOOKUP = 16640  # where the numbers of the fields to look up stand in memory
_STACK = 256  # where variables start in memory
_STORE = 0x37
_ANYWHERE = -1  # in memory
_NULL = -1  # in the place of a structure: the outermost one
_WRAP = 0xA7
_NODES = 4_000_000  # values of one condition
_POPS = {  # how many values an operator takes that does not take two
    **dict.fromkeys((0x45, 0x50, *range(0x67, 0x6A), *range(0x79, 0x7C)), 1),
    **dict.fromkeys((*range(0x8B, 0x92), *range(0x99, 0xA0), *range(0xA7, 0xC5)), 1),
    **dict.fromkeys((wasm.GLOBAL_GET, wasm.F32_CONST, wasm.F64_CONST), 0),
    wasm.GLOBAL_SET: 1, wasm.DROP: 1, wasm.SELECT: 3,
}  # fmt: skip


class Kind(IntFlag):
    """What a number stands for."""

    PATTERN = 1
    FIRST = 2  # of a range of patterns
    LAST = 4
    TEXT = 8
    REGEX = 16
    TEXTS = 32  # a set of texts
    REGEXES = 64
    FIELD = 128
    STRUCTURE = 256  # whose field is looked up
    UNREAD = 512  # a variable that the compiler has replaced by its value


_BY_NAME = {
    "pattern_id": Kind.PATTERN,
    "pattern_id_start": Kind.FIRST,
    "pattern_id_end": Kind.LAST,
    "literal_set": Kind.TEXTS,
    "regex_set": Kind.REGEXES,
    "structure": Kind.STRUCTURE,
}
_BY_TYPE = {"s": Kind.TEXT, "r": Kind.REGEX}


def parameters(name: str) -> list[Kind | None]:
    """What the parameters of an imported function stand for (`pat_offset@pattern_id:i64@i64u`)."""
    parts = name.split("@")
    if len(parts) != 3 or not parts[1]:
        return []
    found = []
    for parameter in parts[1].split(","):
        called, _, kind = parameter.partition(":")
        found.append(_BY_NAME.get(called) or _BY_TYPE.get(kind.partition(":")[0]))
    return found


class Flow:
    """Follows constants through one condition.

    Args:
        signatures: what each function takes and gives, by its number.
        kinds: what its parameters stand for, by its number.
        types: all types of functions, which blocks may have too.
    """

    def __init__(
        self,
        signatures: Sequence[Signature],
        kinds: Sequence[Sequence[Kind | None]],
        types: Sequence[Signature],
    ) -> None:
        self._signatures, self._kinds, self._types = signatures, kinds, types
        self._parent: list[int] = []
        self._kind: list[int] = []
        self._value: dict[int, int] = {}
        self._stack: list[int] = []
        self._blocks: list[tuple[int, list[int], bool]] = []  # height, results, whether a loop
        self._locals: dict[int, int] = {}
        self._cells: dict[int, int] = {}
        self._reads: set[int] = set()

    def read(self, body: Sequence[Instruction]) -> list[int]:
        """The kinds of each instruction's constant, 0 for none or for an ordinary number."""
        constants: list[tuple[int, int]] = []
        kept: list[tuple[int, int]] = []  # place in memory, constant
        self._blocks.append((0, [], False))
        for at, instruction in enumerate(body):
            opcode = instruction[0]
            if opcode in (wasm.I32_CONST, wasm.I64_CONST):
                node = self._new()
                self._value[node] = instruction[1]
                self._stack.append(node)
                constants.append((at, node))
                continue
            if opcode == _STORE and instruction[2] == _STACK and body[at - 1][0] == wasm.I64_CONST:
                kept.append((self._place(self._stack[-2:-1], _STACK), constants[-1][1]))
            self._step(opcode, instruction)
        for place, node in kept:
            if self._reads.isdisjoint((_ANYWHERE, *range(place - 7, place + 8))):
                self._mark(node, Kind.UNREAD)
        found = [0] * len(body)
        for at, node in constants:
            found[at] = self._kind[self._root(node)]
        return found

    def _new(self) -> int:
        if len(self._parent) >= _NODES:
            raise LimitError(f"A condition has more than {_NODES} values.")
        self._parent.append(len(self._parent))
        self._kind.append(0)
        return len(self._parent) - 1

    def _root(self, node: int) -> int:
        parent = self._parent
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    def _join(self, one: int, other: int) -> None:
        one, other = self._root(one), self._root(other)
        self._parent[other] = one
        self._kind[one] |= self._kind[other]

    def _pop(self) -> int:
        height = self._blocks[-1][0] if self._blocks else 0
        return self._stack.pop() if len(self._stack) > height else self._new()

    def _step(self, opcode: int, instruction: Instruction) -> None:
        if opcode in (wasm.LOCAL_GET, wasm.LOCAL_SET, wasm.LOCAL_TEE):
            self._local(opcode, instruction[1])
        elif opcode in wasm.LOADS or opcode in wasm.STORES:
            self._memory(opcode, instruction[2])
        elif opcode == wasm.CALL:
            self._call(instruction[1])
        elif opcode in _POPS or 0x45 <= opcode < 0xC5:
            self._operator(opcode)
        elif opcode not in (wasm.TRUNCATIONS, wasm.NOP):
            self._control(opcode, instruction)

    def _operator(self, opcode: int) -> None:
        """What takes values and gives one at most."""
        if opcode == _WRAP:
            return  # the number stays what it is
        taken = [self._pop() for _ in range(_POPS.get(opcode, 2))]
        if opcode == wasm.SELECT:
            self._join(taken[2], taken[1])
            self._stack.append(taken[2])
        elif opcode not in (wasm.GLOBAL_SET, wasm.DROP):
            self._stack.append(self._new())

    def _memory(self, opcode: int, offset: int) -> None:
        """Slots of variables."""
        value = self._pop() if opcode in wasm.STORES else self._new()
        place = self._place([self._pop()], offset)
        if opcode in wasm.STORES:
            self._cells[place] = value
        else:
            self._reads.add(place)
            self._stack.append(self._cells.setdefault(place, value))

    def _place(self, address: list[int], offset: int) -> int:
        """A place in memory, from a value that is a constant for all that have a name."""
        number = self._value.get(address[0]) if address else None
        return _ANYWHERE if number is None or number < 0 else number + offset

    def _local(self, opcode: int, number: int) -> None:
        if opcode == wasm.LOCAL_GET:
            self._stack.append(self._locals.setdefault(number, self._new()))
            return
        node = self._pop()
        self._locals[number] = node
        if opcode == wasm.LOCAL_TEE:
            self._stack.append(node)

    def _call(self, number: int) -> None:
        if number >= len(self._signatures):
            return
        signature, kinds = self._signatures[number], self._kinds[number]
        given = [self._pop() for _ in signature.takes][::-1]
        if len(kinds) == len(given):
            for node, kind in zip(given, kinds, strict=True):
                if kind is not Kind.STRUCTURE:
                    self._mark(node, kind)
                elif self._value.get(node) == _NULL and _LOOKUP in self._cells:
                    self._mark(self._cells[_LOOKUP], Kind.FIELD)
        self._stack += [self._new() for _ in signature.gives]

    def _mark(self, node: int, kind: Kind | None) -> None:
        if kind is not None:
            self._kind[self._root(node)] |= kind

    def _control(self, opcode: int, instruction: Instruction) -> None:
        if opcode in (wasm.BLOCK, wasm.LOOP, wasm.IF):
            if opcode == wasm.IF:
                self._pop()
            kind = instruction[1]
            gives = 1 if kind < 0 else 0 if kind >= len(self._types) else len(self._types[kind][1])
            results = [self._new() for _ in range(0 if kind == -64 else gives)]
            self._blocks.append((len(self._stack), results, opcode == wasm.LOOP))
        elif opcode in (wasm.ELSE, wasm.END):
            if len(self._blocks) > 1:
                height, results, _ = self._blocks[-1]
                self._leave(0, at_end=True)
                del self._stack[height:]
                if opcode == wasm.END:
                    self._blocks.pop()
                    self._stack += results
        elif opcode in (wasm.BR_IF, wasm.BR_TABLE):
            self._pop()
            for depth in instruction[1:]:
                self._leave(depth)
        else:
            if opcode == wasm.BR:
                self._leave(instruction[1])
            del self._stack[self._blocks[-1][0] :]  # what follows is never run

    def _leave(self, depth: int, *, at_end: bool = False) -> None:
        """The values on top of the stack become the results of a block around."""
        if depth >= len(self._blocks):
            return
        _, results, loop = self._blocks[-1 - depth]
        height = self._blocks[-1][0]
        if results and (at_end or not loop) and len(self._stack) - height >= len(results):
            for node, result in zip(self._stack[-len(results) :], results, strict=True):
                self._join(node, result)

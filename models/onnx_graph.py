"""Cut the end off an ONNX graph as it is loaded, without the `onnx` package: the artifact stays as it is.

An ONNX file is a Protocol Buffers message (https://protobuf.dev/programming-guides/encoding). The few field numbers
that are needed are those of ``onnx.proto3`` (https://github.com/onnx/onnx).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

HEAD = "head"
"""Name of the only output of a graph that was cut."""
MODEL_GRAPH, GRAPH_NODE, GRAPH_OUTPUT = 7, 1, 12
NODE_INPUT, NODE_OUTPUT, NODE_OPERATOR = 1, 2, 4
VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5
FLOAT_TENSOR = bytes([0x12, 4, 0x0A, 2, 0x08, 1])
"""A `ValueInfoProto`'s type: a tensor whose elements are float32, of any shape."""


class Field(NamedTuple):
    """A field of a message: its number, its bytes with number and length, and its content."""

    number: int
    whole: bytes
    content: bytes


def until_last(model: bytes, operator: str) -> bytes:
    """Return a model that ends where its last node of an operator would begin; what that node takes in is `HEAD`.

    Parameters
    ----------
    model
        Bytes of an ONNX file, whose nodes are in the order in which they are computed.
    operator
        ONNX's name of it.

    Raises
    ------
    ValueError
        There is no such node, or the bytes are no ONNX model.
    """
    fields = list(_fields(model))
    graph = list(_fields(next((field.content for field in fields if field.number == MODEL_GRAPH), b"")))
    nodes = [field for field in graph if field.number == GRAPH_NODE]
    ends = [i for i, node in enumerate(nodes) if _strings(node.content, NODE_OPERATOR) == [operator]]
    if not ends:
        raise ValueError(f"the graph has no node {operator}")
    head = _strings(nodes[ends[-1]].content, NODE_INPUT)[0]
    kept = [field.whole for field in graph if field.number not in (GRAPH_NODE, GRAPH_OUTPUT)]
    kept += [node.whole for node in nodes[: ends[-1]]]
    kept.append(_field(GRAPH_NODE, _identity(head)))
    kept.append(_field(GRAPH_OUTPUT, _field(1, HEAD.encode()) + FLOAT_TENSOR))
    others = [field.whole for field in fields if field.number != MODEL_GRAPH]
    return b"".join([*others, _field(MODEL_GRAPH, b"".join(kept))])


def _identity(value: str) -> bytes:
    """Return a node that gives a value the name `HEAD`."""
    names = ((NODE_INPUT, value), (NODE_OUTPUT, HEAD), (NODE_OPERATOR, "Identity"))
    return b"".join(_field(number, name.encode()) for number, name in names)


def _strings(message: bytes, number: int) -> list[str]:
    return [field.content.decode() for field in _fields(message) if field.number == number]


def _fields(message: bytes) -> Iterator[Field]:
    """Yield the fields of a message; of those that are no bytes the content is empty."""
    start = 0
    while start < len(message):
        tag, begin = _varint(message, start)
        size = {EIGHT_BYTES: 8, FOUR_BYTES: 4}.get(tag & 7, 0)
        if tag & 7 == VARINT:
            _, begin = _varint(message, begin)
        elif tag & 7 == LENGTH:
            size, begin = _varint(message, begin)
        elif not size:
            raise ValueError(f"no ONNX model: wire type {tag & 7}")
        stop = begin + size
        if stop > len(message):
            raise ValueError("no ONNX model: it ends within a field")
        yield Field(tag >> 3, message[start:stop], message[begin:stop] if tag & 7 == LENGTH else b"")
        start = stop


def _varint(message: bytes, start: int) -> tuple[int, int]:
    """Return the number that begins at `start`, 7 bits a byte, and where the next thing begins."""
    value, shift = 0, 0
    for at in range(start, len(message)):
        value |= (message[at] & 127) << shift
        if message[at] < 128:
            return value, at + 1
        shift += 7
    raise ValueError("no ONNX model: it ends within a number")


def _field(number: int, content: bytes) -> bytes:
    return _as_varint(number << 3 | LENGTH) + _as_varint(len(content)) + content


def _as_varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])

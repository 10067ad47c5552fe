"""Ways to damage bytes; each draws from a `random.Random`, so that a seed gives the same damage again."""

from __future__ import annotations

from random import Random

ODD_NUMBERS = (0, 1, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)
"""Where counters and signs turn over."""
MOST_EDITS = 6
"""Edits of one input: more leave nothing that a reader would follow."""


def damaged(data: bytes, random: Random) -> bytes:
    """Return bytes with some edits: flipped bits, odd numbers, cuts, copies, insertions."""
    out = bytearray(data)
    for _ in range(random.randint(1, MOST_EDITS)):
        random.choice(EDITS)(out, random)
    return bytes(out)


def _flip(out: bytearray, random: Random) -> None:
    if out:
        out[random.randrange(len(out))] ^= 1 << random.randrange(8)


def _overwrite(out: bytearray, random: Random) -> None:
    if out:
        out[random.randrange(len(out))] = random.choice((0, 0xFF, random.randrange(256)))


def _number(out: bytearray, random: Random) -> None:
    size = random.choice((2, 4, 8))
    at = random.randrange(len(out) + 1)
    value = random.choice(ODD_NUMBERS) % (1 << 8 * size)
    out[at : at + size] = value.to_bytes(size, random.choice(("little", "big")))


def _truncate(out: bytearray, random: Random) -> None:
    del out[random.randrange(len(out) + 1) :]


def _remove(out: bytearray, random: Random) -> None:
    at = random.randrange(len(out) + 1)
    del out[at : at + random.randint(1, 64)]


def _insert(out: bytearray, random: Random) -> None:
    at = random.randrange(len(out) + 1)
    out[at:at] = random.randbytes(random.randint(1, 64))


def _repeat(out: bytearray, random: Random) -> None:
    at = random.randrange(len(out) + 1)
    out[at:at] = out[at : at + random.randint(1, 256)] * random.randint(1, 8)


def _zero(out: bytearray, random: Random) -> None:
    at = random.randrange(len(out) + 1)
    out[at : at + random.randint(1, 128)] = bytes(min(len(out) - at, random.randint(1, 128)))


EDITS = (_flip, _flip, _overwrite, _overwrite, _number, _truncate, _remove, _insert, _repeat, _zero)

"""Random numbers that are a pure function of where they are used."""

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer, and so on below
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB
_UNIFORM_BITS = 52  # a half is added below: one bit more would round to exactly 1


def stream_keys(seed: int, stream: str, places: Iterable[tuple[str, int]]) -> Tensor:
    """One 64-bit key for each (prompt id, response index) under a seed and a named stream: int64 [rows]."""
    keys = [
        int.from_bytes(
            hashlib.blake2b(
                "\x1f".join((str(seed), stream, prompt, str(index))).encode(), digest_size=8
            ).digest(),
            signed=True,
        )
        for prompt, index in places
    ]
    return torch.tensor(keys, dtype=torch.int64)


def gumbel(keys: Tensor, step: int, size: int) -> Tensor:
    """Standard Gumbel noise -log(-log u) of each row at one step: float64 [rows, size].

    u comes from a counter-based generator: the splitmix64 mixing function (Steele, Lea and Flood 2014)
    over (key, step, position). Nothing is carried from draw to draw.
    """
    at_step = _mix(keys + torch.tensor(step) * _GOLDEN).unsqueeze(1)  # a tensor wraps around, an int does not
    positions = torch.arange(1, size + 1, dtype=torch.int64, device=keys.device) * _GOLDEN
    bits = _shift(_mix(at_step + positions), 64 - _UNIFORM_BITS)
    uniform = (bits.double() + 0.5) * 2.0**-_UNIFORM_BITS
    return -torch.log(-torch.log(uniform))


def _mix(state: Tensor) -> Tensor:
    state = (state ^ _shift(state, 30)) * _MIX_1
    state = (state ^ _shift(state, 27)) * _MIX_2
    return state ^ _shift(state, 31)


def _shift(state: Tensor, bits: int) -> Tensor:
    """Logical shift to the right; torch's own repeats the sign bit."""
    return (state >> bits) & ((1 << (64 - bits)) - 1)

"""What Adam makes of a gradient: the direction of an update, as LESS takes it for a feature.

Xia et al., arXiv 2402.04333, section 4.1, in the form of its code: with the first moment m and the second
moment v of the warm-up's optimiser, without bias correction, and with eps inside the root,

    (b1 m + (1 - b1) g) / sqrt(b2 v + (1 - b2) g^2 + eps).

The g^2 below makes it non-linear in g. Frozen at the warm-up's v it is linear (and affine with m), so that
responses still suffice: g is scaled by 1 / sqrt(b2 v + eps) before the sketch.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

B1, B2, EPS = 0.9, 0.999, 1e-8


@dataclass(frozen=True, eq=False)
class Moments:
    """Adam's `first` and `second` moment of each parameter, by its name."""

    first: Mapping[str, Tensor]
    second: Mapping[str, Tensor]


def update(gradient: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """LESS's formula, element by element; the shapes broadcast."""
    root = (B2 * second + (1 - B2) * gradient.square() + EPS).sqrt()
    return (B1 * first + (1 - B1) * gradient) / root


def frozen_scales(moments: Moments) -> dict[str, Tensor]:
    """1 / sqrt(b2 v + eps) of each parameter, all divided by their root mean square.

    The common factor changes no direction, and keeps scaled gradients in the range of plain ones: as they
    are they would leave that of fp16.
    """
    scales = {name: (B2 * second + EPS).rsqrt() for name, second in moments.second.items()}
    squares = torch.stack([scale.double().square().sum() for scale in scales.values()]).sum()
    size = sum(scale.numel() for scale in scales.values())
    root_mean_square = float((squares / size).sqrt())
    return {name: scale / root_mean_square for name, scale in scales.items()}

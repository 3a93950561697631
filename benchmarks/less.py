"""Pair features the plain way: one backward pass for each pair, then a dense random projection.

Our re-implementation of what LESS does (arXiv 2402.04333, `collect_grad_reps.py`), which itself needs CUDA:
flatten the LoRA gradient of the pair's loss, and multiply stacks of 16 by a D x dim matrix of random signs.
The matrix is kept in memory, where LESS on a CPU would draw it again block by block.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.data.tokens import Encoded, pad, response_logprobs
from harness.methods.clustering import Matrix

BETA = 0.1
STACK = 16
"""Gradients projected at once."""


def projection(size: int, dim: int) -> Tensor:
    """[size, dim] random signs / sqrt(dim)."""
    signs = torch.randint(0, 2, (size, dim), dtype=torch.int8, generator=torch.Generator().manual_seed(0))
    return signs.float().mul_(2).sub_(1).div_(dim**0.5)


def pair_gradients(model: nn.Module, pairs: Sequence[tuple[Encoded, Encoded]]) -> Iterator[Tensor]:
    """The flat LoRA gradient of each pair's DPO loss at the reference, one pair in a pass."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    for pair in pairs:
        batch = pad(pair, pad_id=0)
        output = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)
        chosen, rejected = response_logprobs(output.logits, batch)
        # At the reference its log-probabilities are the policy's, so their forward pass is left out here.
        margin = (chosen - chosen.detach()) - (rejected - rejected.detach())
        gradients = torch.autograd.grad(-F.logsigmoid(BETA * margin), weights)
        yield torch.cat([gradient.flatten() for gradient in gradients])


def pair_features(model: nn.Module, pairs: Sequence[tuple[Encoded, Encoded]], matrix: Tensor) -> Matrix:
    """[pairs, dim] unit rows."""
    projected, stack = [], []
    for at, gradient in enumerate(pair_gradients(model, pairs), start=1):
        stack.append(gradient)
        if len(stack) == STACK or at == len(pairs):
            projected.append(torch.stack(stack) @ matrix)
            stack.clear()
    rows: Matrix = F.normalize(torch.cat(projected)).numpy()
    return np.negative(rows)

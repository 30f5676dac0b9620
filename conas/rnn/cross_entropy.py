"""The cross-entropy of words behind a linear map, by pieces: the logits of a whole window would fill a gigabyte."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_WORDS = 512
"""Logits of so many words at a time, 20 MB with 10,000 words: all that is ever kept of them."""


def in_pieces(outputs: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy in nats of ``targets``, shape (N,), under the logits ``outputs weight^T + bias``.

    Args:
        outputs: shape (N, size).
        weight: shape (words, size).
        bias: shape (words,).
        targets: word numbers.
    """
    return _InPieces.apply(outputs, weight, bias, targets, torch.is_grad_enabled())


class _InPieces(torch.autograd.Function):
    """As torch's own form of it (from 2.13 on), the forward pass computes the gradients, while it has the logits."""

    @staticmethod
    def forward(
        ctx: Any, outputs: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, differentiable: bool
    ) -> Tensor:
        total = outputs.new_zeros(())
        d_outputs, d_weight, d_bias = torch.empty_like(outputs), torch.zeros_like(weight), torch.zeros_like(bias)
        for x, d_x, words in zip(outputs.split(_WORDS), d_outputs.split(_WORDS), targets.split(_WORDS), strict=True):
            logarithms = torch.addmm(bias, x, weight.t()).log_softmax(1)
            total += F.nll_loss(logarithms, words, reduction="sum")
            if differentiable:
                d_logits = logarithms.exp_()
                d_logits.scatter_add_(1, words[:, None], d_logits.new_full((len(words), 1), -1.0))
                torch.mm(d_logits, weight, out=d_x)
                d_weight.addmm_(d_logits.t(), x)
                d_bias += d_logits.sum(0)
        ctx.save_for_backward(d_outputs, d_weight, d_bias)
        return total / len(targets)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        scale = g / len(ctx.saved_tensors[0])
        return *(gradient * scale for gradient in ctx.saved_tensors), None, None


def _by_torch(outputs: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    if outputs.is_meta:
        return in_pieces(outputs, weight, bias, targets)  # torch's counter of operations does not see into the other
    options = nn.LinearCrossEntropyOptions(batch_chunk_size=_WORDS, chunking_method=None)
    return F.linear_cross_entropy(outputs, weight, targets, linear_bias=bias, options=options)


cross_entropy = _by_torch if hasattr(nn, "LinearCrossEntropyOptions") else in_pieces
"""`in_pieces`, by torch where it can: from version 2.13 on."""

"""f of section 3: the loss, or the error, of sub-networks of a trained one-shot CNN, on the same images for all."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from conas.cnn.folding import FoldedCNN
from conas.cnn.one_shot import OneShotCNN
from conas.cnn.operations import batch_statistics
from conas.names import unknown
from conas.space import Alpha

MODES = ("running", "batch")


def _wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """How many answers are wrong; NaN where a logit is not finite, as a network that diverges has no answer."""
    wrong = (logits.argmax(1) != labels).float()
    return wrong.where(logits.isfinite().all(1), torch.nan).sum()


QUANTITIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "loss": lambda logits, labels: F.cross_entropy(logits, labels, reduction="sum"),
    "error": _wrong,
}
"""What is measured, summed over the images of a batch: the cross-entropy in nats, or 1 for a wrong answer."""
_CHUNK = 64
"""Images at a time where they do not influence each other: few enough for the caches, enough to be worth a call."""


class Measurer:
    """The mean cross-entropy, or error, of sub-networks over the same batches. The model stays as it is.

    Args:
        model: a trained one-shot model.
        batches: (images, labels) pairs.
        bn: what batch norms normalise by: the ``running`` statistics gathered in training, which are read here and
            now, or those of each ``batch`` as it was passed.
        quantity: the mean ``loss``, or the share of images that are classified wrongly, the ``error``.

    Raises:
        ValueError: no batches, or no such ``bn`` or ``quantity``.
    """

    def __init__(
        self,
        model: OneShotCNN,
        batches: Sequence[tuple[Tensor, Tensor]],
        bn: str = "running",
        quantity: str = "loss",
    ) -> None:
        for kind, name, allowed in (("batch-norm mode", bn, MODES), ("quantity", quantity, QUANTITIES)):
            if name not in allowed:
                raise ValueError(unknown(kind, name, allowed))
        if not batches:
            raise ValueError("measuring needs at least one batch")
        self._model, self._sum = model, QUANTITIES[quantity]
        self._folded = FoldedCNN(model) if bn == "running" else None
        self._batches = [part for batch in batches for part in _chunks(batch)] if self._folded else list(batches)

    @torch.no_grad()
    def losses(self, alphas: Alpha) -> NDArray[np.float64]:
        """Losses, or errors, shape (k,), of the encoders ``alphas``, shape (k, n).

        One call for several costs less than several calls, and gives the same losses.
        """
        sums = np.zeros(len(alphas))
        for images, labels in self._batches:
            for i, logits in enumerate(self._logits(images, alphas)):
                sums[i] += self._sum(logits, labels).item()
        return sums / sum(len(labels) for _, labels in self._batches)

    def _logits(self, images: Tensor, alphas: Alpha) -> Iterable[Tensor]:
        if self._folded is not None:
            return self._folded.logits(images, alphas)
        with batch_statistics(self._model):
            return [self._model(images, alpha) for alpha in alphas]


def _chunks(batch: tuple[Tensor, Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    images, labels = batch
    return zip(images.split(_CHUNK), labels.split(_CHUNK), strict=True)

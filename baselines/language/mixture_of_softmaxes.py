"""LSTM with a mixture of softmaxes (Yang et al., 2018), a row of Table 3.

AWD-LSTM with a narrower embedding and last layer, and 15 softmaxes that share their weights and are mixed word by word.
Departures from the released code: those of AWD-LSTM, and logarithms are added up exactly, where it adds 1e-8 to every
probability. Dynamic evaluation is left out, as in the paper's row.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from baselines.checks import at_least, rates
from baselines.language.awd_lstm import LAPTOP, recipe
from baselines.language.dropping import Dropping
from baselines.language.lstm import Hidden, TiedLSTMs
from baselines.networks import network
from conas.cnn.operations import default_initialisation
from conas.rnn.language_model import Run
from conas.settings import setting

_CODE = "Yang et al. (2018), released code, its command for Penn Treebank"
_ROWS = 512
"""Logits of so many words and softmaxes at a time, 20 MB with 10,000 words: all that is ever kept of them."""


@dataclass(frozen=True)
class MixtureSettings:
    """Its sizes, and its rates of dropout: those of AWD-LSTM and one more.

    Attributes:
        last: units of the last layer of LSTM.
        experts: how many softmaxes are mixed.
        drop_latent: of the units that the softmaxes read, one mask for a whole window.
    """

    embedding: int = setting(280, _CODE)
    units: int = setting(960, _CODE)
    last: int = setting(620, _CODE)
    layers: int = setting(3, _CODE)
    experts: int = setting(15, _CODE)
    drop_words: float = setting(0.1, _CODE)
    drop_input: float = setting(0.4, _CODE)
    drop_layers: float = setting(0.225, _CODE)
    drop_weights: float = setting(0.5, _CODE)
    drop_output: float = setting(0.4, _CODE)
    drop_latent: float = setting(0.29, _CODE)

    def __post_init__(self) -> None:
        at_least(1, self, "embedding", "units", "last", "layers", "experts")
        rates(self, *(f"drop_{name}" for name in ("words", "input", "layers", "weights", "output", "latent")))


@network(
    "mixture_of_softmaxes",
    task="text",
    summary="LSTM + MoS: AWD-LSTM with a mixture of softmaxes",
    settings=MixtureSettings,
    sizes={
        "smoke": {"embedding": 12, "units": 24, "last": 16, "experts": 3},
        "laptop": {"embedding": 50, "units": 140, "last": 90, "experts": 3, "drop_latent": 0.1, **LAPTOP},
    },
    recipe=recipe(
        epochs={"value": 1000, "source": _CODE},
        batch_size={"value": 12, "source": _CODE},
        lr={"value": 20.0, "source": _CODE},
        finetuning_lr={"value": 25.0, "source": _CODE},
    ),
)
class MixtureOfSoftmaxes(TiedLSTMs):
    """Layers of LSTM, and the probability of a word as the mean of softmaxes with weights of their own.

    Each softmax has the embedding's weights and reads a vector of its own, a tanh of the last layer's outputs.

    Args:
        words: the vocabulary's size.
        seed: decides the initial weights: those of the embedding uniform in +-0.1.
    """

    def __init__(self, sizes: MixtureSettings, words: int, *, seed: int) -> None:
        with default_initialisation(seed):
            super().__init__(sizes, words, sizes.last)
            self.prior = nn.Linear(sizes.last, sizes.experts, bias=False)
            self.latent = nn.Linear(sizes.last, sizes.experts * sizes.embedding)

    def forward(self, tokens: Tensor, hidden: Hidden, generator: torch.Generator | None = None) -> Run:
        """A pass over a window, tokens (T, B); its features are shares (T, B, experts) and vectors (T, B, -1)."""
        drop = Dropping.of(self.training, generator)
        outputs, dropped, after = self.outputs(tokens, hidden, drop)
        latent = drop.locked(self.latent(dropped).tanh(), self._rates.drop_latent)
        return Run(outputs, dropped, after, (self.prior(dropped).log_softmax(-1), latent))

    def cross_entropy(self, outputs: Any, targets: Tensor) -> Tensor:
        """The mean cross-entropy in nats of the words ``targets``, shape (T, B), under a pass's features."""
        shares, latent = outputs[0].flatten(0, 1), outputs[1].flatten(0, 1)
        words = targets.flatten()
        pieces = range(0, len(words), max(1, _ROWS // shares.shape[1]))
        step = pieces.step
        losses = [self._loss(shares[i : i + step], latent[i : i + step], words[i : i + step]) for i in pieces]
        return torch.stack(losses).sum() / len(words)

    def _loss(self, *piece: Tensor) -> Tensor:
        """The loss of some words; their logits are computed anew for the gradient, which keeps them out of memory."""
        given = (*piece, self.embedding, self.bias)
        if not torch.is_grad_enabled():
            return mixed(*given)
        loss: Tensor = checkpoint(mixed, *given, use_reentrant=False, preserve_rng_state=False)
        return loss


def mixed(shares: Tensor, latent: Tensor, words: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The sum of the cross-entropies of ``words``, shape (N,), in nats.

    Args:
        shares: logarithms of the softmaxes' weights, shape (N, experts).
        latent: what each of them reads, shape (N, experts * size).
        weight, bias: of all of them, shapes (vocabulary, size) and (vocabulary,).
    """
    experts = shares.shape[1]
    logits = F.linear(latent.view(-1, weight.shape[1]), weight, bias)
    chosen = logits.gather(1, words.repeat_interleave(experts)[:, None]).squeeze(1) - logits.logsumexp(1)
    return -(shares + chosen.view(-1, experts)).logsumexp(1).sum()

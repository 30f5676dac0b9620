"""AWD-LSTM (Merity et al., 2018), the row "LSTM + DropConnect" of Table 3.

Three layers of LSTM whose recurrent weights are dropped, with a tied embedding, trained by SGD until the validation
loss stalls, by averaged SGD from then on, and once more from the best weights on. Departures from the released code: a
window is at most 20 rows longer than it should be, and an epoch ends with the text's last row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from baselines.checks import at_least, rates
from baselines.language.dropping import Dropping
from baselines.language.lstm import Hidden, TiedLSTMs
from baselines.networks import network
from conas.cnn.operations import default_initialisation
from conas.rnn.language_model import Run
from conas.settings import setting

_CODE = "Merity et al. (2018), released code, its command for Penn Treebank"


@dataclass(frozen=True)
class AwdLstmSettings:
    """Its sizes, and its rates of dropout, those of AWD-LSTM's five kinds: each has one mask for a whole window.

    Attributes:
        layers: of LSTM; the last one is as wide as the embedding, which is the softmax's, too.
        drop_words: of whole words, wherever they stand.
        drop_input: of the units of embedded words.
        drop_layers: of the units between two layers.
        drop_weights: of the weights from a layer's output to its gates.
        drop_output: of the units before the softmax.
    """

    embedding: int = setting(400, _CODE)
    units: int = setting(1150, _CODE)
    layers: int = setting(3, _CODE)
    drop_words: float = setting(0.1, _CODE)
    drop_input: float = setting(0.4, _CODE)
    drop_layers: float = setting(0.25, _CODE)
    drop_weights: float = setting(0.5, _CODE)
    drop_output: float = setting(0.4, _CODE)

    def __post_init__(self) -> None:
        at_least(1, self, "embedding", "units", "layers")
        rates(self, "drop_words", "drop_input", "drop_layers", "drop_weights", "drop_output")


def recipe(**differing: Any) -> Mapping[str, Any]:
    """The training of AWD-LSTM, with what differs from it: each a value and its source."""
    values = {"epochs": 500, "batch_size": 20, "bptt": 70, "bptt_deviation": 5.0, "bptt_short": 0.05, "lr": 30.0}
    values |= {"weight_decay": 1.2e-6, "clip": 0.25, "activation": 2.0, "temporal": 1.0, "patience": 5}
    values |= {"valid_batch": 10, "test_batch": 1, "finetuning_lr": 30.0}
    return {"final": {name: {"value": value, "source": _CODE} for name, value in values.items()} | differing}


LAPTOP = {"drop_words": 0.0, "drop_input": 0.1, "drop_layers": 0.1, "drop_weights": 0.2, "drop_output": 0.2}
"""Rates of a narrow network: dropout shrinks with the width."""


@network(
    "awd_lstm",
    task="text",
    summary="AWD-LSTM: three layers of LSTM with dropped weights",
    settings=AwdLstmSettings,
    sizes={"smoke": {"embedding": 16, "units": 24}, "laptop": {"embedding": 100, "units": 150, **LAPTOP}},
    recipe=recipe(),
)
class AwdLstm(TiedLSTMs):
    """A tied embedding around layers of LSTM.

    Args:
        words: the vocabulary's size.
        seed: decides the initial weights: those of the embedding uniform in +-0.1.
    """

    def __init__(self, sizes: AwdLstmSettings, words: int, *, seed: int) -> None:
        with default_initialisation(seed):
            super().__init__(sizes, words, sizes.embedding)

    def forward(self, tokens: Tensor, hidden: Hidden, generator: torch.Generator | None = None) -> Run:
        """A pass over a window, tokens (T, B)."""
        return Run(*self.outputs(tokens, hidden, Dropping.of(self.training, generator)))

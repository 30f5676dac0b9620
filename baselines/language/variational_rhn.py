"""The variational recurrent highway network (Zilly et al., 2017), a row of Table 3.

One recurrent layer that moves its state ten times for every word, by weights of their own, under masks that stay for a
window. Departures from the released code, which adds up the losses of a window's words: learning rate, clipping and
weight decay are those of their mean; the weight decay is not clipped; the text's last window is shorter, not left out.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.checks import at_least, rates
from baselines.language.dropping import Dropping
from baselines.language.tied import Tied, uniform
from baselines.networks import network
from conas.cnn.operations import default_initialisation
from conas.rnn.language_model import Run
from conas.settings import setting

_CODE = "Zilly et al. (2017), released code, its setting ptb_sota"
_SUMMED = f"{_CODE}: {{}} for the sum over the 35 words of a window, here for their mean"
_SPREAD = 0.04
_STAYS = -2.0


@dataclass(frozen=True)
class HighwaySettings:
    """Its sizes, and its rates of dropout, each with one mask for every column of a window.

    Attributes:
        depth: highway layers in a step, each with weights of its own.
        drop_words: of whole words, wherever they stand in a column.
        drop_input: of the units of embedded words.
        drop_state: of the units of the state, before every layer's weights.
        drop_output: of the units before the softmax.
    """

    units: int = setting(830, _CODE)
    depth: int = setting(10, _CODE)
    drop_words: float = setting(0.25, _CODE)
    drop_input: float = setting(0.75, _CODE)
    drop_state: float = setting(0.25, _CODE)
    drop_output: float = setting(0.75, _CODE)

    def __post_init__(self) -> None:
        at_least(1, self, "units", "depth")
        rates(self, "drop_words", "drop_input", "drop_state", "drop_output")


@network(
    "variational_rhn",
    task="text",
    summary="Variational RHN: one recurrent layer, ten highway layers deep",
    settings=HighwaySettings,
    sizes={
        "smoke": {"units": 16, "depth": 3},
        "laptop": {"units": 100, "drop_words": 0.0, "drop_input": 0.2, "drop_state": 0.1, "drop_output": 0.2},
    },
    recipe={
        "final": {
            "epochs": {"value": 500, "source": _CODE},
            "batch_size": {"value": 20, "source": _CODE},
            "bptt": {"value": 35, "source": _CODE},
            "bptt_deviation": {"value": 0.0, "source": _CODE},
            "bptt_short": {"value": 0.0, "source": _CODE},
            "lr": {"value": 7.0, "source": _SUMMED.format(0.2)},
            "weight_decay": {"value": 1e-7 / 35, "source": _SUMMED.format("1e-7")},
            "clip": {"value": 10 / 35, "source": _SUMMED.format(10)},
            "activation": {"value": 0.0, "source": _CODE},
            "temporal": {"value": 0.0, "source": _CODE},
            "averaging": {"value": False, "source": _CODE},
            "steady": {"value": 20, "source": _CODE},
            "decay": {"value": 1 / 1.02, "source": _CODE},
            "valid_batch": {"value": 20, "source": _CODE},
            "test_batch": {"value": 1, "source": _CODE},
        }
    },
)
class VariationalRhn(Tied):
    """A tied embedding around one recurrent layer.

    A layer of a step moves the state ``s`` to ``s + t (h - s)``, ``[h, t] = [tanh, sigmoid](s W + b)``; the first one
    reads the word, too.

    Args:
        words: the vocabulary's size.
        seed: decides the initial weights, uniform in +-0.04; the biases of ``t`` are -2.
    """

    def __init__(self, sizes: HighwaySettings, words: int, *, seed: int) -> None:
        units = sizes.units
        with default_initialisation(seed):
            super().__init__(words, units, _SPREAD, _SPREAD)
            self.input = uniform(_SPREAD, units, 2 * units)
            self.weights = nn.ParameterList(uniform(_SPREAD, units, 2 * units) for _ in range(sizes.depth))
            self.biases = nn.ParameterList(uniform(_SPREAD, 2 * units) for _ in range(sizes.depth))
        for bias in self.biases:
            bias.data[units:] = _STAYS
        self._rates = sizes

    def initial_hidden(self, batch: int) -> Tensor:
        """Zeros, shape (batch, units)."""
        return self.embedding.new_zeros(batch, self._rates.units)

    def forward(self, tokens: Tensor, hidden: Tensor, generator: torch.Generator | None = None) -> Run:
        """A pass over a window, tokens (T, B)."""
        rates, drop = self._rates, Dropping.of(self.training, generator)
        x = drop.locked(drop.words(self.embedding, tokens, rates.drop_words, apart=True), rates.drop_input)
        keep, state, states = drop(torch.ones_like(hidden), rates.drop_state), hidden, []
        for word in x @ self.input:
            state = self._step(word, state, keep)
            states.append(state)
        outputs = torch.stack(states)
        return Run(outputs, drop.locked(outputs, rates.drop_output), state.detach())

    def _step(self, word: Tensor, state: Tensor, keep: Tensor) -> Tensor:
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            gates = torch.addmm(bias, state * keep, weight)
            moved, share = (gates if number else gates + word).chunk(2, dim=1)
            state = torch.lerp(state, moved.tanh(), share.sigmoid())
        return state

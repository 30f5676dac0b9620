"""The language models of Table 3 against plain references with copied weights, and their published sizes."""

from typing import Any

import pytest
import torch
from torch import Tensor

from baselines.networks import NETWORKS, Named, build
from baselines.registry import METHODS
from conas.cells import cell as fixed
from conas.counting import word_mult_adds
from conas.rnn.language_model import FinalRNN
from conas.torch_seeds import torch_generator

WORDS, ROWS, COLUMNS = 11, 6, 3
SMALL: dict[str, dict[str, Any]] = {
    "awd_lstm": {"embedding": 4, "units": 5},
    "mixture_of_softmaxes": {"embedding": 4, "units": 5, "last": 6, "experts": 3},
    "variational_rhn": {"units": 5, "depth": 3},
    "nas_cell": {"units": 5},
}
PARAMETERS = {
    "awd_lstm": 24_221_600,
    "mixture_of_softmaxes": 21_500_620,
    "variational_rhn": 23_482_400,
    "nas_cell": 24_990_592,
}
"""Of 10,000 words; Table 3 has 24, 22, 23 and 25 million."""
RECORDED = {
    "awd_lstm": (2.398441923348395, 0.28374757165663433),
    "mixture_of_softmaxes": (2.394384972952607, 0.2569155667350435),
    "variational_rhn": (2.3963029599314565, 0.251537174264465),
    "nas_cell": (2.3978952727983707, 0.25181718913773554),
}
"""Loss and norm of the gradient in the first window."""


def model(name: str, **sizes: Any) -> Any:
    """A small network in double precision."""
    return build(Named(name, SMALL[name] | sizes), WORDS, seed=3).double()


def window() -> tuple[Tensor, Tensor]:
    tokens = torch.randint(WORDS, (ROWS + 1, COLUMNS), generator=torch_generator(0, "text"))
    return tokens[:-1], tokens[1:]


class Masks:
    """Dropout factors, drawn as the models draw theirs."""

    def __init__(self) -> None:
        self.generator = torch_generator(0, "masks")

    def __call__(self, rate: float, *shape: int) -> Tensor:
        return torch.empty(shape).bernoulli_(1 - rate, generator=self.generator).double() / (1 - rate)


def lstm(x: Tensor, state: tuple[Tensor, Tensor], layer: Any, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A layer word by word, by the formulas of Hochreiter & Schmidhuber (1997) with forget gates."""
    h, c = state[0][0], state[1][0]
    outputs = []
    for word in x:
        gates = word @ layer.weight_ih_l0.T + layer.bias_ih_l0 + h @ (layer.weight_hh_l0 * mask).T + layer.bias_hh_l0
        i, f, g, o = gates.chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        outputs.append(h)
    return torch.stack(outputs), h, c


def three_layers(net: Any, tokens: Tensor, hidden: Any, masks: Masks) -> Tensor:
    """The LSTM layers of a model under the five kinds of dropout."""
    table, rates = net.embedding, net._rates
    x = table[tokens] * masks(rates.drop_words, WORDS, 1)[tokens]
    x = x * masks(rates.drop_input, 1, COLUMNS, table.shape[1])
    for number, layer in enumerate(net.lstms.layers):
        if number:
            x = x * masks(rates.drop_layers, 1, COLUMNS, x.shape[2])
        x, _, _ = lstm(x, hidden[number], layer, masks(rates.drop_weights, *layer.weight_hh_l0.shape))
    return x


def mean_loss(logits: Tensor, targets: Tensor) -> Tensor:
    probabilities = logits.softmax(-1).gather(-1, targets[..., None])
    return -probabilities.log().mean()


def awd_lstm(net: Any, tokens: Tensor, targets: Tensor, hidden: Any) -> Tensor:
    masks = Masks()
    x = three_layers(net, tokens, hidden, masks)
    x = x * masks(net._rates.drop_output, 1, COLUMNS, x.shape[2])
    return mean_loss(x @ net.embedding.T + net.bias, targets)


def mixture_of_softmaxes(net: Any, tokens: Tensor, targets: Tensor, hidden: Any) -> Tensor:
    """By probabilities, of all words at once."""
    masks, rates = Masks(), net._rates
    x = three_layers(net, tokens, hidden, masks)
    x = x * masks(rates.drop_output, 1, COLUMNS, x.shape[2])
    latent = torch.tanh(x @ net.latent.weight.T + net.latent.bias)
    latent = latent * masks(rates.drop_latent, 1, COLUMNS, latent.shape[2])
    shares = (x @ net.prior.weight.T).softmax(-1)
    probabilities = torch.zeros(ROWS, COLUMNS, WORDS, dtype=torch.double)
    for expert, vector in enumerate(latent.chunk(rates.experts, dim=2)):
        softmax = (vector @ net.embedding.T + net.bias).softmax(-1)
        probabilities = probabilities + shares[..., expert, None] * softmax
    return -probabilities.gather(-1, targets[..., None]).log().mean()


def variational_rhn(net: Any, tokens: Tensor, targets: Tensor, hidden: Any) -> Tensor:
    """By the formulas of Zilly et al. (2017), with the two gates of every layer apart."""
    masks, rates, units = Masks(), net._rates, net._rates.units
    x = net.embedding[tokens] * masks(rates.drop_words, WORDS, COLUMNS)[tokens, torch.arange(COLUMNS), None]
    x = x * masks(rates.drop_input, 1, COLUMNS, units)
    keep, s, outputs = masks(rates.drop_state, COLUMNS, units), hidden, []
    for word in x:
        for depth in range(rates.depth):
            of_word = word if depth == 0 else torch.zeros_like(word)
            parts = [(net.weights[depth][:, at], net.input[:, at], net.biases[depth][at]) for at in halves(units)]
            h, t = ((s * keep) @ r + of_word @ w + b for r, w, b in parts)
            s = h.tanh() * t.sigmoid() + s * (1 - t.sigmoid())
        outputs.append(s)
    x = torch.stack(outputs) * masks(rates.drop_output, 1, COLUMNS, units)
    return mean_loss(x @ net.embedding.T + net.bias, targets)


def halves(units: int) -> tuple[slice, slice]:
    return slice(0, units), slice(units, 2 * units)


def nas_cell(net: Any, tokens: Tensor, targets: Tensor, hidden: Any) -> Tensor:
    """By the tree of Zoph & Le (2017), leaf by leaf."""
    masks, rates, units = Masks(), net._rates, net._rates.units
    x = net.embedding[tokens] * masks(rates.drop_words, WORDS, 1)[tokens]
    x = x * masks(rates.drop_embedding, 1, COLUMNS, units)
    for reads, recurs, (m, c) in zip(net.inputs, net.recurrent, hidden, strict=True):
        x = x * masks(rates.drop_input, 1, COLUMNS, units)
        keep, outputs = masks(rates.drop_state, COLUMNS, units), []
        for word in x:
            m, c = nas_step(word, m * keep, c, reads.view(units, 8, units), recurs.view(units, 8, units))
            outputs.append(m)
        x = torch.stack(outputs)
    x = x * masks(rates.drop_output, 1, COLUMNS, units)
    return mean_loss(x @ net.embedding.T + net.bias, targets)


def nas_step(word: Tensor, m: Tensor, c: Tensor, reads: Tensor, recurs: Tensor) -> tuple[Tensor, Tensor]:
    w = [word @ reads[:, gate] for gate in range(8)]
    r = [m @ recurs[:, gate] for gate in range(8)]
    l0, l1 = torch.sigmoid(w[0] + r[0]), torch.relu(w[1] + r[1])
    l2, l3 = torch.sigmoid(w[2] + r[2]), torch.relu(w[3] * r[3])
    l4, l5 = torch.tanh(w[4] + r[4]), torch.sigmoid(w[5] + r[5])
    l6, l7 = torch.tanh(w[6] + r[6]), torch.sigmoid(w[7] + r[7])
    with_state = torch.tanh(torch.tanh(l0 * l1) + c)
    new = with_state * torch.tanh(l2 + l3)
    return torch.tanh(new * torch.tanh(torch.tanh(l4 * l5) + torch.sigmoid(l6 + l7))), new


REFERENCES = {
    "awd_lstm": awd_lstm,
    "mixture_of_softmaxes": mixture_of_softmaxes,
    "variational_rhn": variational_rhn,
    "nas_cell": nas_cell,
}


def gradients(loss: Tensor, net: Any) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(net.parameters())))


@pytest.mark.parametrize("name", REFERENCES)
def test_loss_and_gradients_are_those_of_a_plain_reference(name: str) -> None:
    net = model(name)
    (tokens, targets), hidden = window(), net.initial_hidden(COLUMNS)
    for _ in range(2):  # from a hidden state that is not zero, too
        run = net(tokens, hidden, torch_generator(0, "masks"))
        loss = net.cross_entropy(run.scored, targets)
        expected = REFERENCES[name](net, tokens, targets, hidden)
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(gradients(loss, net), gradients(expected, net))
        hidden = run.hidden


@pytest.mark.parametrize("name", REFERENCES)
def test_loss_and_gradients_are_those_recorded(name: str) -> None:
    net, (tokens, targets) = model(name), window()
    run = net(tokens, net.initial_hidden(COLUMNS), torch_generator(0, "masks"))
    loss = net.cross_entropy(run.scored, targets)
    norm = torch.stack([gradient.norm() for gradient in gradients(loss, net)]).norm()
    assert (loss.item(), norm.item()) == pytest.approx(RECORDED[name], rel=1e-9)


@pytest.mark.parametrize("name", REFERENCES)
def test_windows_that_follow_one_another_are_the_whole_text(name: str) -> None:
    net = model(name).eval()
    tokens, _ = window()
    whole, hidden, parts = net(tokens, net.initial_hidden(COLUMNS)), net.initial_hidden(COLUMNS), []
    for part in tokens.split(2):
        run = net(part, hidden)
        hidden = run.hidden
        parts.append(run.outputs)
    torch.testing.assert_close(torch.cat(parts), whole.outputs)
    assert whole.outputs is whole.dropped or torch.equal(whole.outputs, whole.dropped)


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_published_sizes_have_the_published_number_of_parameters(name: str, parameters: int) -> None:
    with torch.device("meta"):
        net = build(Named(name, METHODS[name].defaults("paper", "text")), 10_000, seed=0)
    assert sum(parameter.numel() for parameter in net.parameters()) == parameters


@pytest.mark.parametrize(
    ("cell", "units", "parameters"),
    [("enas_script_rnn", 748, 22_037_104), ("enas_lm_rnn", 850, 22_960_000), ("darts_v2_rnn", 850, 22_960_000)],
)
def test_published_cells_have_the_number_of_parameters_of_their_width(cell: str, units: int, parameters: int) -> None:
    net = FinalRNN(fixed(cell), 10_000, units, seed=0)
    assert sum(parameter.numel() for parameter in net.parameters()) == parameters


@pytest.mark.parametrize(
    ("name", "products"),
    [
        ("awd_lstm", 4 * 5 * (4 + 5) + 4 * 5 * (5 + 5) + 4 * 4 * (5 + 4) + WORDS * 4),
        (
            "mixture_of_softmaxes",
            4 * 5 * (4 + 5) + 4 * 5 * (5 + 5) + 4 * 6 * (5 + 6) + 6 * 3 + 6 * 3 * 4 + 3 * WORDS * 4,
        ),
        ("variational_rhn", (1 + 3) * 5 * 10 + WORDS * 5),
        ("nas_cell", 2 * 2 * 5 * 40 + WORDS * 5),
    ],
)
def test_multiply_adds_of_a_word_are_all_its_products(name: str, products: int) -> None:
    assert word_mult_adds(model(name).float()) == products


@pytest.mark.parametrize("name", REFERENCES)
def test_rates_of_one_and_missing_generators_are_refused(name: str) -> None:
    settings = NETWORKS[name].settings
    rates = [field for field in settings.__dataclass_fields__ if field.startswith("drop_")]
    for rate in rates:
        with pytest.raises(ValueError, match=rf"{rate} is 1.0 \(allowed: 0 up to, not including, 1\)"):
            settings(**{rate: 1.0})
    net = model(name)
    with pytest.raises(ValueError, match="needs a generator"):
        net(window()[0], net.initial_hidden(COLUMNS))

import numpy as np
import pytest
from scipy.linalg import expm

from conas.recovery.diffusion_process import TimesPosterior, Variables, slice_sample
from conas.recovery.fourier import hypercube
from conas.recovery.fourier_process import correlations
from conas.space import Bits, Space

EDGES = Space("edges", ("one", "two"), 1, 1, ("a", "b", "c"), "a", "first", exclusive=True)


def complete(k: int) -> np.ndarray:
    """The Laplacian of the graph of ``k`` vertices that are all joined."""
    return k * np.eye(k) - np.ones((k, k))


def diffused(sizes: list[int], times: np.ndarray) -> np.ndarray:
    """What heat is where on the product of complete graphs, the first changing slowest, over what is left at home."""
    laplacian = np.zeros((1, 1))
    for k, time in zip(sizes, times, strict=True):
        laplacian = np.kron(laplacian, np.eye(k)) + time * np.kron(np.eye(len(laplacian)), complete(k))
    heat = expm(-laplacian)
    return heat / heat[0, 0]


@pytest.mark.parametrize(
    ("encoding", "sizes", "strings"),
    [
        (Bits("abcd"), [2, 2, 2, 2], hypercube(4)),
        (EDGES, [3, 3], np.array([np.append(a, b) for a in 2 * np.eye(3) - 1 for b in 2 * np.eye(3) - 1])),
    ],
    ids=["bits", "edges"],
)
def test_the_kernel_is_what_diffuses_on_the_whole_graph(encoding, sizes, strings) -> None:
    times = np.random.default_rng(0).gamma(1.0, size=len(sizes))
    got = Variables(encoding).correlations(strings, strings, times)
    np.testing.assert_allclose(got, diffused(sizes, times), atol=1e-12)


def test_with_one_time_for_all_bits_it_is_the_kernel_of_the_fourier_process() -> None:
    strings = hypercube(5)
    rate = 0.3  # exp(-rate) = tanh(time)
    got = Variables(Bits("abcde")).correlations(strings, strings, np.full(5, np.arctanh(np.exp(-rate))))
    np.testing.assert_allclose(got, correlations(strings, strings, np.full(5, rate)), atol=1e-12)


def test_slices_leave_a_density_as_it_is() -> None:
    rng, value, draws = np.random.default_rng(0), 0.0, []
    for _ in range(8000):
        value = slice_sample(lambda x: 2 * x - np.exp(x), value, rng)  # the logarithm of a gamma variable of shape 2
        draws.append(np.exp(value))
    assert np.mean(draws) == pytest.approx(2, abs=0.1)
    assert np.var(draws) == pytest.approx(2, abs=0.25)


def test_what_does_not_matter_gets_a_longer_time() -> None:
    rng, bits = np.random.default_rng(1), Bits("abcdefgh")
    alphas = bits.sample(rng, 60)
    values = alphas[:, 2] + 0.7 * alphas[:, 2] * alphas[:, 5] + 0.01 * rng.standard_normal(60)
    posterior = TimesPosterior(Variables(bits))
    draws = []
    for _ in range(40):
        posterior.draw(alphas, values, rng)
        draws.append(posterior.logs[:-1].copy())
    means = np.mean(draws[20:], axis=0)
    assert means[[2, 5]].max() < np.delete(means, [2, 5]).min()

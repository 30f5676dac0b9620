"""What a training or an evaluation computes, in numbers that any machine can price."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """``steps`` steps of a network.

    Attributes:
        layers: kernels are launched once for each layer of a step; those of a language model are the rows of a window.
        mult_adds: of the forward pass of one step.
        steps: any number, not only whole ones.
        trains: the backward pass follows each forward pass.
    """

    layers: int
    mult_adds: float
    steps: float
    trains: bool = True

    def times(self, factor: float) -> "Work":
        """As much work ``factor`` times."""
        return Work(self.layers, self.mult_adds, factor * self.steps, self.trains)

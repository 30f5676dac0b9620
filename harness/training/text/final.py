"""The language model that is reported: trained on all text, tested by the weights of its best validation epoch."""

import copy
import math
from contextlib import nullcontext
from functools import partial
from typing import Any

from torch.optim import ASGD, SGD

from conas.architecture import Architecture
from conas.rnn.measuring import evaluate, perplexity
from conas.rnn.state import zero_
from conas.rnn.text_windows import averaged_weights, averaging_starts, batchify
from conas.seeds import derive
from harness.console.progress import Row
from harness.training.bptt import BpttTraining, of_network
from harness.training.loop import DivergedError
from harness.training.text.task import TextTask


class FinalTraining(BpttTraining):
    """The recipe of DARTS for the final network: SGD, then averaged SGD once the validation loss stops falling.

    A loss that is not finite takes weights and optimiser back to the best validation epoch; the row of the epoch counts
    such events as ``rolled_back``. While averaging (``averaged`` is 1) the averaged weights are validated. Training
    ends with the weights of the best validation epoch. Other recipes differ in the settings of `TextFinal`.
    """

    def __init__(self, task: TextTask, architecture: Architecture) -> None:
        settings, data = task.config.final, task.data
        network = task.network(architecture, settings, "final")
        super().__init__(
            network,
            settings,
            data.train,
            derive(task.config.seed, "training", "final"),
            of_network(network, settings.batch_size),
            dict,
            epochs=settings.passes * settings.epochs,
        )
        device = self._text.device
        self._network, self._final = network, settings
        self._valid = batchify(data.valid, settings.valid_batch).to(device)
        self._test = batchify(data.test, settings.test_batch).to(device)
        self._best: dict[str, Any] = {}
        self._losses: list[float] = []
        self._rolled_back = 0

    @property
    def _averaging(self) -> bool:
        return isinstance(self._optimizer, ASGD)

    def _whole_rate(self, epoch: int) -> float:
        final = self._final
        if final.finetuning_lr is not None and epoch >= final.epochs:
            return final.finetuning_lr
        return final.lr * final.decay ** max(0, epoch + 1 - final.steady)

    def recover(self) -> bool:
        """Go back to the best weights, if there are any yet."""
        if self._best:
            self._roll_back()
        return bool(self._best)

    def finish_epoch(self, epoch: int) -> dict[str, float]:
        """Validate, keep the best weights, and start averaging if it is time to.

        Raises:
            DivergedError: the validation loss is not finite, and no earlier one was.
        """
        averaged, loss = self._averaging, self._validate(epoch)
        stalls = averaging_starts(self._losses, loss, self._final.patience)
        self._losses.append(loss)
        if epoch >= self._final.epochs:
            self.epochs = epoch + 1 if stalls else self.epochs
        elif stalls and self._final.averaging and not averaged:
            self._optimize(averaging=True)
        if epoch + 1 == self._final.epochs < self.epochs:
            self._finetune()
        events, self._rolled_back = self._rolled_back, 0
        if epoch + 1 == self.epochs:
            self.model.load_state_dict(self._best["model"])
        figures = {"valid_loss": loss, "valid_perplexity": perplexity(loss)}
        return {**figures, "averaged": float(averaged), "rolled_back": float(events)}

    def _finetune(self) -> None:
        """Begin the second pass, from the best weights on."""
        self.model.load_state_dict(self._best["model"])
        self._optimize(averaging=True)
        self._best = copy.deepcopy({"loss": self._best["loss"], **self._snapshot()})
        self._losses = []

    def results(self, history: list[Row]) -> dict[str, dict[str, float]]:
        """The figures of the best validation epoch, whose weights training ended with, and their test perplexity."""
        best = min(history, key=lambda row: row["valid_loss"])
        figures = {name: best[name] for name in ("epoch", "train_loss", "valid_loss", "valid_perplexity")}
        figures |= self.tested()
        figures["rolled_back"] = sum(row["rolled_back"] for row in history)
        return {"last": figures, "best": figures}

    def tested(self) -> dict[str, float]:
        """Mean cross-entropy (nats) and perplexity on the test text at the present weights."""
        loss = evaluate(self._network, self._test, self._final.bptt)
        return {"test_loss": loss, "test_perplexity": perplexity(loss)}

    def _validate(self, epoch: int) -> float:
        """The validation loss. Weights that are the best yet are kept, those without a finite loss are given up."""
        with averaged_weights(self._optimizer) if isinstance(self._optimizer, ASGD) else nullcontext():
            loss = evaluate(self._network, self._valid, self._final.bptt)
            finite = math.isfinite(perplexity(loss))
            if finite and loss < self._best.get("loss", math.inf):
                self._best = copy.deepcopy({"loss": loss, **self._snapshot()})
        if finite:
            return loss
        if not self._best:
            raise DivergedError(f"final: validation loss {loss} after epoch {epoch + 1}")
        self._roll_back()
        return self._best["loss"]

    def _roll_back(self) -> None:
        """Go on from the best weights and the optimiser of that time, with a new hidden state."""
        best = copy.deepcopy(self._best)  # an optimiser changes the state that it loads
        self._optimize(best["averaging"])
        self._load_optimizer(best["optimizer"])
        self.model.load_state_dict(best["model"])
        zero_(self._hidden)
        self._rolled_back += 1

    def _optimize(self, averaging: bool) -> None:
        kind = partial(ASGD, t0=0, lambd=0) if averaging else SGD
        self._optimizer = kind(self._parameters, lr=self._final.lr, weight_decay=self._final.weight_decay)
        self._renew()

    def _snapshot(self) -> dict[str, Any]:
        return {**super().state_dict(), "averaging": self._averaging}

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimiser and hidden state, now and at the best epoch, and all validation losses."""
        memory = {"best": self._best, "losses": self._losses, "rolled_back": self._rolled_back}
        return {**self._snapshot(), **memory, "epochs": self.epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._optimize(state["averaging"])
        super().load_state_dict(state)
        self._best, self._losses, self._rolled_back = state["best"], state["losses"], state["rolled_back"]
        self.epochs = state.get("epochs", self.epochs)  # checkpoints of before there was a second pass have none

"""A small Sacred experiment that lives as a run of the harness does: claim, record, rows of metrics, record."""

import os
import sys
import time

from sacred import Experiment

from harness.console.progress import Reporter
from harness.mongo import mirror
from harness.records.heartbeat import beating
from harness.records.schema import Attempt, Record
from harness.records.store import RunFolder, Store, now

ex = Experiment("small", save_git_info=False)


@ex.config
def settings():
    store = "runs"  # noqa: F841
    seed = 0  # noqa: F841
    epochs = 10  # noqa: F841
    pace = 0.1  # noqa: F841
    end = "done"  # noqa: F841


def record_of(config) -> Record:
    plain = {name: config[name] for name in ("seed", "epochs", "end")}
    key = f"{config['seed']:012x}"
    told = {"dataset": "digits", "method": "small", "profile": "smoke", "seed": config["seed"], "key": key}
    return Record(**told, status="running", config={**told, **plain})


def folder_of(config) -> RunFolder:
    return Store(config["store"]).run(record_of(config).id)


@ex.main
def run(_config, _run):
    folder, record = folder_of(_config), record_of(_config)
    with folder.claim():
        earlier = folder.record()
        attempt = Attempt(started=now(), host="here", pid=os.getpid(), device="none")
        record.attempts = [*(earlier.attempts if earlier else []), attempt]
        folder.save(record)
        try:
            with beating(folder.path, Reporter(), seconds=0.2):
                work(folder, _config, _run)
            record.status = "done"
            record.metrics = {"last": {"test_error": 1.5}}
        except BaseException as error:
            record.status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            record.reason = f"{type(error).__name__}: {error}"
            raise
        finally:
            attempt.ended, attempt.status = now(), record.status
            folder.save(record)
    return {"test_error": 1.5}


def work(folder: RunFolder, config, observed) -> None:
    for epoch in range(1, config["epochs"] + 1):
        time.sleep(config["pace"])
        folder.metrics.append({"stage": "final", "epoch": epoch, "train_loss": 1 / epoch})
        observed.log_scalar("final.train_loss", 1 / epoch, epoch)
    if config["end"] == "fail":
        raise OSError("disk full")
    if config["end"] == "die":
        os._exit(9)


mirror.attach(ex, folder_of, interval=0.2, patience=float(os.environ.get("PATIENCE", "30")))

if __name__ == "__main__":
    ex.run_commandline(sys.argv)

"""What is installed: the library alone; and what other installed packages add to the replication."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conas import command
from conas.refusal import Refused

ROOT = Path(__file__).parents[2]
PLUGIN = Path(__file__).parent / "plugin"


def pip(*arguments: str | Path) -> None:
    quiet = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([sys.executable, "-m", "pip", *map(str, arguments), *quiet], check=True)


def copied(source: Path, target: Path, *names: str) -> Path:
    """A copy to build from, as a build leaves files behind."""
    target.mkdir()
    subprocess.run(["cp", "-r", *(source / name for name in names), target], check=True)
    return target


@pytest.mark.slow
def test_the_wheel_holds_the_library_alone(tmp_path: Path) -> None:
    source = copied(ROOT, tmp_path / "source", "pyproject.toml", "README.md", "LICENSE", "conas", "tables", "harness")
    pip("wheel", source, "--wheel-dir", tmp_path)
    (wheel,) = tmp_path.glob("conas-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"conas"}
    assert {"conas/py.typed", "conas/recovery/solve.py", "conas/command.py"} <= set(names)


@pytest.mark.slow
def test_an_installed_package_brings_a_method_and_a_data_set(tmp_path: Path) -> None:
    source = copied(PLUGIN, tmp_path / "source", *os.listdir(PLUGIN))
    pip("install", source, "--target", tmp_path / "site")
    path = os.pathsep.join(map(str, (ROOT, tmp_path / "site")))
    command = [sys.executable, ROOT / "harness/run.py", "with", "method=coin", "dataset=coin_images", "profile=smoke"]
    sizes = [
        "data.train_limit=200",
        "data.test_limit=50",
        "data.validation_limit=50",
        "final.epochs=1",
        "final.cutout=2",
    ]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([*command, *sizes, f"runs_dir={tmp_path}"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "coin on coin_images, seed 0, profile smoke: done" in done.stdout + done.stderr


def test_one_name_for_all_commands() -> None:
    assert command.arguments("/here", ["run", "with", "seed=1"]) == ["/here/harness/run.py", "with", "seed=1"]
    assert command.arguments("/here", ["tables", "tables"]) == ["-m", "tables", "tables"]
    assert command.arguments("/here", ["study", "ranking", "--help"]) == ["-m", "harness.studies.ranking", "--help"]
    for name in (*command.SCRIPTS, *command.MODULES.values()):
        path = ROOT / name.replace(".", "/") if "." in name or name == "tables" else ROOT / "harness" / name
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
        assert f"\n  {name.partition('.')[2] or name} " in command.HELP
    studies = {path.stem for path in (ROOT / "harness/studies").glob("*.py") if '"__main__"' in path.read_text()}
    assert set(command.STUDIES) == studies


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which command? conas run|sweep|"),
        (["rnu"], "unknown command 'rnu'; did you mean 'run'? (allowed: archive, "),
        (["study"], "which study? gpu, "),
        (["study", "recovry"], "unknown study 'recovry'; did you mean 'recovery'? (allowed: gpu, "),
        (["study", "race_boards"], "unknown study 'race_boards'; did you mean 'race'?"),
    ],
)
def test_a_command_that_there_is_not_is_named(words: list[str], said: str) -> None:
    with pytest.raises(Refused) as refused:
        command.arguments("/here", words)
    assert str(refused.value).startswith(said)


def test_it_finds_the_checkout_from_below_and_says_so_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT / "docs")
    assert command.checkout() == str(ROOT)
    monkeypatch.chdir(tmp_path)
    assert command.checkout() == str(ROOT)  # the library lies in it
    monkeypatch.setattr(command, "__file__", str(tmp_path / "site-packages/conas/command.py"))
    assert command.checkout() is None
    with pytest.raises(SystemExit, match="no checkout of the replication here"):
        command.main()

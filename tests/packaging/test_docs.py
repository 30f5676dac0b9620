"""The documentation's site is built without a warning, its links hold, and its notebook runs."""

import json
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_site_is_built_and_nothing_in_it_leads_nowhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(DOCS), str(tmp_path)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stderr) == (0, "")
    assert "Run Algorithm 1" in (tmp_path / "reference.html").read_text()


def test_the_programs_that_reckon_from_the_records_run() -> None:
    ran = 0
    for page in DOCS.rglob("*.md"):
        for program in re.findall(r"python - <<'END'[^\n]*\n(.*?)^ *END$", page.read_text(), re.DOTALL | re.MULTILINE):
            if "DATA/" not in program and "Store(" not in program:  # what needs data or runs of the reader's own
                subprocess.run([sys.executable, "-c", dedent(program)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
                ran += 1
    assert ran >= 3


def test_the_notebook_recovers_searches_and_draws(capsys: Any) -> None:
    cells = json.loads((DOCS / "first-steps.ipynb").read_text())["cells"]
    names: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    printed = capsys.readouterr().out
    assert "1.999 + 0.9991·[rain]" in printed
    assert "cell_normal.svg" in printed
    assert names["model"].score(names["x"][200:], names["y"][200:]) > 0.99


def test_the_notebook_carries_no_results_of_other_machines() -> None:
    cells = json.loads((DOCS / "first-steps.ipynb").read_text())["cells"]
    assert not any(cell.get("outputs") for cell in cells)

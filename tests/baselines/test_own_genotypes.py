"""A genotype that a person has, in whatever form, is one text; a wrong one is refused with the place of the error."""

import json
from pathlib import Path

import pytest

from baselines.fixed import FixedSettings, check
from conas import cells
from conas.space import space

DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))"
)
DARTS_RNN = (
    "Genotype(recurrent=[('sigmoid', 0), ('relu', 1), ('relu', 1), ('identity', 1), ('tanh', 2), ('sigmoid', 5), "
    "('tanh', 3), ('relu', 5)], concat=range(1, 9))"
)


@pytest.mark.parametrize(("text", "name"), [(DARTS_V2, "darts_v2"), (DARTS_RNN, "darts_v2_rnn")])
def test_every_form_of_a_genotype_is_the_same(text: str, name: str, tmp_path: Path) -> None:
    expected = cells.cell(name)
    stored = {"genotype.json": json.dumps(expected.to_json(), indent=2), "genotype.txt": f"\ufeffMINE = {text}\n"}
    for file, content in stored.items():
        (tmp_path / file).write_text(content, encoding="utf-8")
    said = [
        text,
        f"{name.upper()} = {text}",
        str(expected),
        expected.to_json(),
        *(str(tmp_path / file) for file in stored),
    ]
    kept = {str(FixedSettings(form).genotype) for form in said}
    assert len(kept) == 1
    assert FixedSettings(kept.pop()).cells == expected
    assert FixedSettings(name.upper()).genotype == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("of no form " * 30, "unknown genotype"),
        ("Genotype(recurrent=[{[]: 1}], concat=[1])", "[{[]: 1}] is neither a list nor a number"),
        (DARTS_V2[:-1], "genotype, line 1, column 9: '(' was never closed"),
        (DARTS_V2.replace("('skip_connect', 0), (", "(", 1), "genotype, normal: 7 edges (expected: 2 for each node)"),
        (DARTS_V2.replace("'sep_conv_3x3', 0", "'sep_conv_3x3'", 1), "genotype, normal, edge 0: "),
        (DARTS_V2.replace("'sep_conv_3x3', 0", "'sep_conv_3x3', 9", 1), "normal cell: node 2 reads node 9"),
        (DARTS_V2.replace("[2, 3, 4, 5]", "[2, 9]"), "normal cell: concat [2, 9] (allowed: some of 0 to 5, once)"),
        (DARTS_V2.replace("[2, 3, 4, 5]", "exit()"), "genotype, normal, column "),
        (DARTS_V2.replace("range(2, 6)", "range(9**9)"), "genotype, reduce, column "),
        (DARTS_V2.replace("reduce_concat", "concat"), "genotype has the fields normal, normal_concat, reduce, concat"),
        ("Genotype()", "genotype has the fields none"),
        ("__import__('os')", "unknown genotype"),
        ("darts2", "unknown genotype 'darts2'; did you mean 'darts_v2'?"),
        ("nowhere.json", "genotype file nowhere.json: No such file"),
        ('{"inputs": 2, "cells"', "genotype, line 1, column 22"),
        ('{"inputs": 2, "cells": {"normal": {"concat": [2]}}}', "not a genotype: 'nodes' is missing"),
        ('{"inputs": 2, "cells": {"normal": {"nodes": [["x"]], "concat": [2]}}}', "normal cell, node 2: 'x' is not an"),
        ('{"inputs": 2, "cells": {"normal": {"nodes": [["a@²"]], "concat": [2]}}}', "node 2: 'a@²' is not an edge"),
        ('{"inputs": "two", "cells": {}}', "genotype: inputs 'two' is not a whole number"),
        ('{"inputs": 2.9, "cells": {}}', "genotype: inputs 2.9 is not a whole number"),
        ('{"inputs": -1, "cells": {}}', "genotype of -1 input nodes (allowed: at least 1)"),
        ('{"inputs": 1, "cells": {"normal": {"nodes": [], "concat": ["x"]}}}', "normal cell: concat 'x' is not a"),
        ('{"inputs": 1, "cells": {"normal": {"nodes": [], "concat": [0, 0]}}}', "normal cell: concat [0, 0] (allowed"),
    ],
)
def test_a_wrong_genotype_is_refused_with_the_place(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"genotype|cell") as refused:
        FixedSettings(text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "task", "said"),
    [
        (DARTS_V2, "rnn", "has the cells normal, reduce with 2 inputs; space 'rnn' has recurrent with 1"),
        (DARTS_RNN, "cnn", "has the cells recurrent with 1 inputs; space 'cnn' has normal, reduce with 2"),
        (
            DARTS_V2.replace("dil_conv_3x3", "dil_conv_9x9"),
            "cnn",
            "normal cell, node 5: unknown operation 'dil_conv_9x9'",
        ),
    ],
)
def test_a_genotype_of_another_task_is_refused(text: str, task: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"genotype|cell") as refused:
        check(space(task), FixedSettings(text))
    assert said in str(refused.value)

"""The pages of styles: their code runs, and the check says what they say that it says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

PAGES = sorted((Path(__file__).parents[2] / "docs" / "styles").glob("*.md"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_code_of_a_page_runs_and_the_check_says_what_the_page_says(path, capsys):
    pieces = re.split(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(pieces) > 2
    space = {"__name__": "page"}
    np.random.seed(0)
    for i in range(1, len(pieces), 2):
        exec(compile(pieces[i], f"{path.name}, block {i // 2 + 1}", "exec"), space)
        printed = capsys.readouterr().out
        told = re.match(r"\s*It says (.*?)(?:\.\s|:\s|\Z)", pieces[i + 1], re.DOTALL)
        for kind in re.findall(r"\*\*([a-z-]+)\*\*", told[1]) if told else ():
            assert re.search(rf"\b{kind}\b", printed), f"{kind} is not in\n{printed}"

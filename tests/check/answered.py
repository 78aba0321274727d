"""What the command answers for files, as its JSON has it."""

import json
import tempfile
from pathlib import Path
from typing import Any

from modnet.__main__ import main


def hand_ins(*paths: Path, options: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The hand-ins that `check` finds at these paths."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        main(["check", *map(str, paths), *options, "--json", str(out)])
        found: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))
    return found


def classes(*paths: Path, options: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """The records of all classes and functions in them, by name."""
    return {c["name"]: c for hand_in in hand_ins(*paths, options=options) for c in hand_in["classes"]}

"""Pictures of the documentation: those of the examples, and one for each function that draws."""

from __future__ import annotations

import inspect
import shutil
import textwrap
from pathlib import Path
from typing import Any

from _tools import pictures


class Scraper:
    """What sphinx-gallery asks after each block of an example: the pictures that it saved to the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: dict[Path, int] = {}

    def __repr__(self) -> str:
        return "Scraper"  # it becomes part of the key of what must be built anew

    def __call__(self, block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
        from sphinx_gallery.scrapers import figure_rst

        number = Path(block_vars["src_file"]).name[:2]
        found = []
        for path in sorted(self.folder.glob(f"{number}_*"), key=lambda path: path.stat().st_mtime_ns):
            stamp = path.stat().st_mtime_ns
            if self.seen.get(path) != stamp and stamp > block_vars.get("started", 0):
                self.seen[path] = stamp
                target = Path(next(block_vars["image_path_iterator"])).with_suffix(path.suffix)
                shutil.copyfile(path, target)
                found.append(str(target))
        return figure_rst(found, gallery_conf["src_dir"])


def into_examples(gallery_conf: dict[str, Any], name: str) -> None:
    """Before each example: no pictures of an earlier run."""
    folder = Path(gallery_conf["examples_dirs"][0]) / "out"
    for path in folder.glob(f"{Path(name).name[:2]}_*"):
        path.unlink()


def draw(folder: Path) -> None:
    """Draw the picture of every function, and write the page that shows them with the lines that drew them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["Pictures", "========", "", *inspect.cleandoc(PREFACE).split("\n"), ""]
    for function in pictures.ALL:
        name = function.__name__
        target = folder / f"{name}.png"
        if not target.is_file() or target.stat().st_mtime < _newest():
            function(target)
        _, _, body = textwrap.dedent(inspect.getsource(function)).partition('"""\n')
        title = name.replace("_", " ")
        said, code = (function.__doc__ or "").strip(), textwrap.dedent(body).replace("  # noqa: E731", "")
        lines += [title, "-" * len(title), "", said, "", f".. image:: {name}.png", f"   :alt: {said}",
                  "   :class: dark-light", "", ".. code-block:: python", "", textwrap.indent(code, "   "), ""]  # fmt: skip
    text = "\n".join(lines)
    page = folder / "index.rst"
    if not page.is_file() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def _newest() -> float:
    """When what draws was last changed."""
    import modnet.plotting

    files = [Path(pictures.__file__), *Path(modnet.plotting.__path__[0]).glob("*.py")]
    return max(path.stat().st_mtime for path in files)


PREFACE = """
One picture for each function of ``modnet.plotting``, with the lines that drew it. All take a file as the first argument
after the data (``path``), axes of yours (``ax=``) and a title (``title=``), and return matplotlib's figure. Colours can be
told apart with any colour vision, and marks or dashes differ as well. Films: ``animate_frontier`` trains a network and
saves its frontier as a moving GIF, ``Film`` makes one of any figure that you redraw; see the gallery of examples.
"""

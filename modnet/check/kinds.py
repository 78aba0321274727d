"""What each kind of finding means: the entries of docs/gradient_check.md, which is the only place where they are written."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
# An installed wheel has the page in the package, a checkout in its folder of documents.
_PLACES = (_PACKAGE / "_docs" / "gradient_check.md", _PACKAGE.parent / "docs" / "gradient_check.md")


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes
    ----------
    name : such as "diagonal". title : what is wrong, in a sentence. parts : what follows, as ("text" or "code", words).
    weight : "wrong", "in part" or "form", as the page says under "How much a kind weighs".
    """

    name: str
    title: str
    parts: tuple[tuple[str, str], ...]
    weight: str = "wrong"

    def as_html(self) -> str:
        """The explanation, for a page or a notebook."""
        shown = "".join(
            f"<pre style='white-space:pre-wrap'>{html.escape(words)}</pre>" if what == "code" else f"<p>{_prose(words)}</p>"
            for what, words in self.parts
        )
        return f"<p>{_prose(self.title)}</p>{shown}"


def _prose(words: str) -> str:
    """Text with `code` and *emphasis*, as on the page it comes from."""
    shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(words))
    return re.sub(r"\*([^*<>]+)\*", r"<em>\1</em>", shown)


@cache
def kinds() -> dict[str, Kind]:
    """All kinds that the page explains, by name; none if it was not installed."""
    page = next((p.read_text(encoding="utf-8") for p in _PLACES if p.is_file()), "")
    entries = re.split(r"^(?=\*\*[a-z-]+\*\*(?:, \*\*[a-z-]+\*\*)* — |#)", page, flags=re.MULTILINE)
    found: dict[str, Kind] = {}
    rows = re.findall(r"^\| (in part|form) \|.*\| (.*) \|$", page, re.MULTILINE)
    weights = {name: weight for weight, names in rows for name in names.split(", ")}
    for entry in entries:
        head = re.match(r"((?:\*\*[a-z-]+\*\*(?:, )?)+) — ", entry)
        if head is None:
            continue
        pieces = re.split(r"^```python\n(.*?)^```\n?", entry[head.end() :], flags=re.MULTILINE | re.DOTALL)
        title = " ".join(pieces[0].split())
        parts = tuple(
            ("code" if i % 2 else "text", piece if i % 2 else " ".join(piece.split()))
            for i, piece in enumerate(pieces)
            if i and piece.strip()
        )
        for name in re.findall(r"[a-z-]+", head[1]):
            found[name] = Kind(name, title, parts, weights.get(name, "wrong"))
    return found

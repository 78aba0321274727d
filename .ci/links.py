"""Follow every link inside the built documentation: files that are there, and places in them.

    python .ci/links.py docs/_build/html
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag


class _Page(HTMLParser):
    """The links and the places of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def dead(root: Path) -> list[str]:
    """Links that lead nowhere, and what a page would fetch from elsewhere when it is read."""
    files = [path.resolve() for path in root.rglob("*.html") if "_static" not in path.parts]
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in files}
    found = []
    for path, page in pages.items():
        for link in page.links:
            if link.startswith(("http:", "https:", "mailto:", "data:", "javascript:")):
                continue
            file, place = urldefrag(unquote(link))
            target = (path.parent / file.split("?")[0]).resolve() if file else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists() or (place and target in pages and place not in pages[target].places):
                found.append(f"{path.relative_to(root.resolve())}: {link}")
    return found


if __name__ == "__main__":
    wrong = dead(Path(sys.argv[1]))
    print("\n".join(wrong) or "every link inside leads somewhere")
    sys.exit(bool(wrong))

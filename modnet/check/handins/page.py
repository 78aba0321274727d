"""The results as one HTML page that needs nothing else: what was found most, the table, each student, what each kind means.

It follows the reader's light or dark theme, scrolls a wide table by itself on a narrow screen, and prints in black on white,
no finding cut by the end of a sheet.
"""

from __future__ import annotations

import html

from modnet.check.handins.results import HandIn, Record, Table, kinds_in, said_of_rest
from modnet.check.kinds import kinds

_STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --page: #ffffff; --line: #d0d7de; --soft: #f6f8fa; --muted: #59636e;
  --right: #1a7f37; --wrong: #b42318; --link: #0550ae }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --page: #0d1117; --line: #3d444d; --soft: #161b22; --muted: #9198a1; --right: #56d364;
    --wrong: #ff8f85; --link: #79b8ff }
}
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1.5em; max-width: 80em; color: var(--text);
  background: var(--page) }
h1 { font-size: 1.5em; margin: 0 0 .5em } h2 { font-size: 1.25em; margin: 2em 0 .5em; border-bottom: 1px solid var(--line) }
h3 { font-size: 1em; margin: 1.2em 0 .3em } p { margin: .3em 0 } h1, h2, h3, p, li { overflow-wrap: anywhere }
a { color: var(--link) } .right { color: var(--right) } .wrong { color: var(--wrong) } .muted { color: var(--muted) }
.wide { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse; font-size: .92em }
td, th { border: 1px solid var(--line); padding: .2em .55em; text-align: left; vertical-align: top }
thead th, tfoot th, tfoot td { background: var(--soft) }
tbody th { position: sticky; left: 0; background: var(--page); font-weight: 600; min-width: 8em; max-width: 40vw;
  overflow-wrap: break-word }
pre, code { font: .92em/1.45 ui-monospace, Consolas, monospace }
pre { background: var(--soft); border: 1px solid var(--line); padding: .6em .8em; margin: .4em 0; white-space: pre-wrap;
  overflow-wrap: anywhere }
.finding { border-left: 3px solid var(--wrong); padding: .1em 0 .1em .8em; margin: .7em 0; overflow-wrap: anywhere }
ul { margin: .3em 0; padding-left: 1.4em }
@media print {
  :root { --text: #000; --page: #fff; --line: #999; --soft: #fff; --muted: #444; --right: #000; --wrong: #000; --link: #000 }
  body { font-size: 10pt; max-width: none; padding: 0 } .wide { overflow: visible }
  table { font-size: 7pt; width: 100% } td, th { padding: .15em .3em } tbody th { position: static }
  thead th { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap }
  thead { display: table-header-group } tfoot { display: table-row-group }
  tr, .finding, pre { break-inside: avoid }
  h2, h3 { break-after: avoid } a { text-decoration: none }
  @page { size: A4 landscape; margin: 12mm }
}
"""


def as_html(handins: list[HandIn]) -> str:
    """The page."""
    one = len(handins) == 1
    found = sorted({f["kind"] for h in handins for r in h.wrong for f in r["report"]["findings"]})
    explained = [kinds()[name] for name in found if name in kinds()]
    table = Table(handins)
    parts = [] if one else [_often(table), _table(table)]
    parts += [_student(i, handin, missing) for i, (handin, missing) in enumerate(zip(handins, table.missing, strict=True))]
    if explained:
        parts.append("<h2>What each kind means</h2>")
        parts.append("".join(f"<h3 id='kind-{kind.name}'>{kind.name}</h3>{kind.as_html()}" for kind in explained))
    title = f"modnet check: {_text(handins[0].name)}" if one else f"modnet check: {len(handins)} hand-ins"
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n{''.join(parts)}</body></html>\n"
    )


def _text(words: object) -> str:
    return html.escape(str(words))


def _often(table: Table) -> str:
    rows, whole = table.frequent[:12], sum(h.ok for h in table.handins)
    lines = "".join(f"<li>{n} of {of}: {_text(name)}, {_link(kind)}</li>" for n, of, name, kind in rows)
    most = f"<p>Found most:</p><ul>{lines}</ul>" if rows else ""
    return f"<p>{whole} of {len(table.handins)} hand-ins are right in every class.</p>{most}"


def _link(kind: str) -> str:
    return f"<a href='#kind-{_text(kind)}'>{_text(kind)}</a>" if kind in kinds() else _text(kind)


def _cell(verdict: str | None) -> str:
    """A verdict with a mark: colour is not all that tells right from wrong, on paper neither."""
    if verdict is None:
        return "<td></td>"
    if verdict == "ok":
        return "<td class='right'>✓</td>"
    if not kinds_in(verdict) or verdict.endswith(" ok"):
        return f"<td class='muted'>{_text(verdict)}</td>"
    return "<td class='wrong'>✗ " + ", ".join(map(_text, kinds_in(verdict))) + "</td>"


def _table(table: Table) -> str:
    head = "".join(f"<th scope='col'>{_text(name)}</th>" for name in table.columns)
    rows = [
        f"<tr><th scope='row'><a href='#student-{i}'>{_text(handin.name)}</a></th>{''.join(map(_cell, row))}</tr>"
        for i, (handin, row) in enumerate(zip(table.handins, table.rows, strict=True))
    ]
    most: dict[str, str] = {}
    for n, of, name, kind in table.frequent:
        most.setdefault(name, f"{n} of {of}: {_text(kind)}")
    right = "".join(f"<td>{'' if c == 'others' else table.right(i)}</td>" for i, c in enumerate(table.columns))
    often = "".join(f"<td>{most.get(name, '')}</td>" for name in table.columns)
    return (
        "<h2>Students by classes</h2><div class='wide'><table>"
        f"<thead><tr><th></th>{head}</tr></thead>\n<tbody>{''.join(rows)}</tbody>\n"
        f"<tfoot><tr><th scope='row'>right</th>{right}</tr>\n"
        f"<tr><th scope='row'>most often</th>{often}</tr></tfoot></table></div>\n"
    )


def _student(number: int, handin: HandIn, missing: list[str]) -> str:
    parts = [f"<h2 id='student-{number}'>{_text(handin.name)}</h2>"]
    right = [r["name"] for r in handin.records if r["checked"] and not r["report"]["findings"]]
    if handin.records or handin.lost:
        count = f"{len(right)} of {len(handin.records) + len(handin.lost)} classes right"
        names = f": {', '.join(right)}" if right else ""
        said = f"<span class='right'>✓ {count}</span>" if right else count
        parts.append(f"<p>{said}{_text(names)}</p>")
    weights = list(handin.weights().values())
    counts = [f"{weights.count(word)} {word}" for word in ("wrong", "in part", "form") if word in weights]
    if counts:
        parts.append(f"<p>{', '.join(counts)}</p>")
    if missing:
        parts.append(f"<p class='wrong'>not there, and most others have it: {_text(', '.join(missing))}</p>")
    if not handin.records and not handin.lost:
        parts.append("<p class='wrong'>No module or loss was found.</p>")
    parts += [f"<p class='muted'>? {_text(line)}</p>" for line in said_of_rest(handin)]
    before = handin.as_before()
    parts += [_class(handin, record, before) for record in handin.wrong]
    return "".join(parts) + "\n"


def _operation(row: dict[str, str]) -> str:
    """An operation and its verdict, for whoever gives marks by operation."""
    mark = {"right": "<span class='right'>✓", "wrong": "<span class='wrong'>✗"}.get(row["verdict"], "<span class='muted'>?")
    return f"{mark} {_text(row['operation'])}</span>"


def _class(handin: HandIn, record: Record, before: dict[tuple[str, str, str], str]) -> str:
    where = f"{handin.place(record)}, line {record['line']}"
    parts = [f"<h3>{_text(record['name'])} <span class='muted'>{_text(where)}</span></h3>"]
    parts.append(f"<p>{' &nbsp; '.join(map(_operation, record['report']['verdicts']))}</p>")
    for finding in record["report"]["findings"]:
        weight = f" <span class='muted'>{finding['weight']}</span>" if finding["weight"] != "wrong" else ""
        same = before.get((record["id"], finding["where"], finding["kind"]))
        weight += f" <span class='muted'>the same line as in {_text(same)}</span>" if same else ""
        parts.append(f"<div class='finding'><b>{_text(finding['where'])}: {_link(finding['kind'])}</b>{weight}")
        parts.append(f"<p>{_text(finding['message'])}</p>")
        if finding["figures"]:
            parts.append(f"<p class='muted'>{_text(finding['figures'])}</p>")
        if finding["line"]:
            file = f"{_text(handin.place(finding))}, " if finding["file"] else ""
            parts.append(f"<pre>{file}{_text(finding['line'])}</pre>")
        if finding["hint"]:
            parts.append(f"<p>Look at: {_text(finding['hint'])}</p>")
        parts.append("</div>")
    return "".join(parts)

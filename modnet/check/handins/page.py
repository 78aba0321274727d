"""The results as one HTML page that needs nothing else: what was found most, the table, each student, what each kind means.

It follows the reader's light or dark theme, scrolls a wide table by itself on a narrow screen, and prints in black on white:
the table on a wide sheet, then each student on sheets of their own, no finding cut by the end of one.
"""

from __future__ import annotations

import html

from modnet.check.handins.results import (
    HandIn,
    Record,
    Table,
    by_weight,
    kinds_in,
    needs_method,
    said_of_rest,
    said_weight,
    weight_of,
)
from modnet.check.kinds import kinds
from modnet.check.report import MARKS, MEANINGS, WEIGHTS, row_weights

_STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --page: #ffffff; --line: #d0d7de; --soft: #f6f8fa; --muted: #59636e;
  --right: #1a7f37; --wrong: #b42318; --part: #8a5a00; --link: #0550ae }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --page: #0d1117; --line: #3d444d; --soft: #161b22; --muted: #9198a1; --right: #56d364;
    --wrong: #ff8f85; --part: #e3b341; --link: #79b8ff }
}
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1.5em; max-width: 80em; color: var(--text);
  background: var(--page) }
h1 { font-size: 1.5em; margin: 0 0 .5em } h2 { font-size: 1.25em; margin: 2em 0 .5em; border-bottom: 1px solid var(--line) }
h3 { font-size: 1em; margin: 1.2em 0 .3em } p { margin: .3em 0 } h1, h2, h3, p, li { overflow-wrap: anywhere }
a { color: var(--link) } .right { color: var(--right) } .wrong { color: var(--wrong) }
.part { color: var(--part) } .muted { color: var(--muted) }
.wide { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse; font-size: .85em }
td, th { border: 1px solid var(--line); padding: .2em .45em; text-align: left; vertical-align: top }
thead th, tfoot th, tfoot td { background: var(--soft) }
tbody th { position: sticky; left: 0; background: var(--page); font-weight: 600; min-width: 8em; max-width: min(16em, 40vw);
  overflow-wrap: break-word }
pre, code { font: .92em/1.45 ui-monospace, Consolas, monospace }
pre { background: var(--soft); border: 1px solid var(--line); padding: .6em .8em; margin: .4em 0; white-space: pre-wrap;
  overflow-wrap: anywhere }
div.finding { border-left: 3px solid var(--line); padding: .1em 0 .1em .8em; margin: .7em 0; overflow-wrap: anywhere }
div.finding { color: inherit } .finding.wrong { border-color: var(--wrong) } .finding.part { border-color: var(--part) }
ul { margin: .3em 0; padding-left: 1.4em } td span { white-space: nowrap } thead th { vertical-align: bottom }
details pre { white-space: pre; overflow-x: auto } summary { color: var(--muted); cursor: pointer }
mark { background: none; font-weight: 700; color: inherit } .sheet { display: none }
@media print {
  :root { --text: #000; --page: #fff; --line: #999; --soft: #fff; --muted: #444; --right: #000; --wrong: #000; --part: #000;
    --link: #000 }
  body { font-size: 9pt; max-width: none; padding: 0 } .wide { overflow: visible }
  table { font-size: 7pt; width: 100% } td, th { padding: .15em .3em } tbody th { position: static }
  thead th span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap }
  thead { display: table-header-group } tfoot { display: table-row-group }
  details pre { white-space: pre-wrap } tr, .finding, pre { break-inside: avoid }
  h2, h3, h3 + p { break-after: avoid } a { text-decoration: none } details:not([open]) { display: none }
  .sheet { display: block } .wide + p { break-before: avoid }
  section { break-before: page } section > h2 { margin-top: 0 } .one section:first-of-type { break-before: auto }
  @page { size: A4 landscape; margin: 12mm }
}
"""


def as_html(handins: list[HandIn]) -> str:
    """The page."""
    alone = len(handins) == 1
    found = sorted({f["kind"] for h in handins for r in h.wrong for f in r["report"]["findings"]})
    explained = [kinds()[name] for name in found if name in kinds()]
    table = Table(handins)
    parts = [] if alone else [_often(table), _table(table)]
    parts += [_student(i, handin, missing) for i, (handin, missing) in enumerate(zip(handins, table.missing, strict=True))]
    if explained:
        heads = (f"<h3 id='kind-{kind.name}'>{kind.name}{_weight(kind.weight)}</h3>" for kind in explained)
        meanings = "".join(head + kind.as_html() for head, kind in zip(heads, explained, strict=True))
        parts.append(f"<section class='kinds'><h2>What each kind means</h2>{_LEGEND}{meanings}</section>")
    sheets = _sheet("kinds", "modnet check") + "".join(_sheet(f"student-{i}", handin.name) for i, handin in enumerate(handins))
    title = f"modnet check: {_text(handins[0].name)}" if alone else f"modnet check: {len(handins)} hand-ins"
    one = " class='one student-0'" if alone else ""
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><style>{_STYLE}@media print {{\n{sheets}}}</style></head>\n"
        f"<body{one}><h1>{title}</h1>\n{''.join(parts)}</body></html>\n"
    )


def _sheet(name: str, title: str) -> str:
    """A style for what is printed on sheets with a title and a number at their foot; old browsers print them without."""
    escaped = "".join(c if c.isalnum() and c.isascii() else f"\\{ord(c):x} " for c in title)
    feet = f"@bottom-left {{ content: '{escaped}' }} @bottom-right {{ content: counter(page) }}"
    return f"@page {name} {{ size: A4 portrait; margin: 15mm; font: 8pt sans-serif; {feet} }} .{name} {{ page: {name} }}\n"


def _text(words: object) -> str:
    return html.escape(str(words))


def _weight(weight: str) -> str:
    return f"<span class='muted'>{said_weight(weight)}</span>" if said_weight(weight) else ""


#: The class in the style sheet of what weighs so.
_CLASSES = {"right": "right", "wrong": "wrong", "in part": "part", "form": "muted", "not checked": "muted"}
_LEGEND = "<p class='muted'>" + " &nbsp; ".join(
    f"<span class='{_CLASSES[weight]}'>{mark}</span> {weight}{f': {MEANINGS[weight]}' if weight in MEANINGS else ''}"
    for weight, mark in MARKS.items()
) + " &nbsp; – not there</p>"


def _often(table: Table) -> str:
    rows, whole = table.often()[:12], sum(h.ok for h in table.handins)
    lines = (f"<li>{n} of {of}: {_text(name)}, {_link(kind)}{_weight(weight)}</li>" for n, of, name, kind, weight in rows)
    most = f"<p>Found most:</p><ul>{''.join(lines)}</ul>" if rows else ""
    return f"<p>{whole} of {len(table.handins)} hand-ins are right in every class.</p>{most}"


def _link(kind: str) -> str:
    return f"<a href='#kind-{_text(kind)}'>{_text(kind)}</a>" if kind in kinds() else _text(kind)


def _cell(verdict: str | None) -> str:
    """A verdict with a mark: colour is not all that tells right from wrong, on paper neither."""
    if verdict is None:
        return "<td class='muted'>–</td>"
    if verdict == "ok":
        return "<td class='right'>✓</td>"
    if not kinds_in(verdict) or verdict.endswith(" ok"):
        return f"<td class='muted'><span>{_text(verdict)}</span></td>"
    groups = []
    for weight, named in by_weight(kinds_in(verdict)).items():
        groups.append(f"<div class='{_CLASSES[weight]}'>{MARKS[weight]}&nbsp;{_text(', '.join(named))}</div>")
    return f"<td>{''.join(groups)}</td>"


def _table(table: Table) -> str:
    head = "".join(f"<th scope='col'><span>{_text(name)}</span></th>" for name in table.columns)
    rows = [
        f"<tr><th scope='row'><a href='#student-{i}'>{_text(handin.name)}</a></th>{''.join(map(_cell, row))}</tr>"
        for i, (handin, row) in enumerate(zip(table.handins, table.rows, strict=True))
    ]
    most: dict[str, str] = {}
    for n, of, name, kind, weight in table.frequent:
        most.setdefault(name, f"<span>{n} of {of}:</span> {_text(kind)}{said_weight(weight)}")
    right = "".join(f"<td><span>{'' if c == 'others' else table.right(i)}</span></td>" for i, c in enumerate(table.columns))
    often = "".join(f"<td>{most.get(name, '')}</td>" for name in table.columns)
    return (
        "<h2>Students by classes</h2><div class='wide'><table>"
        f"<thead><tr><th></th>{head}</tr></thead>\n<tbody>{''.join(rows)}</tbody>\n"
        f"<tfoot><tr><th scope='row'>right</th>{right}</tr>\n"
        f"<tr><th scope='row'>most often</th>{often}</tr></tfoot></table></div>{_LEGEND}\n"
    )


def _student(number: int, handin: HandIn, missing: list[str]) -> str:
    parts = [f"<section class='student-{number}'><h2 id='student-{number}'>{_text(handin.name)}</h2>"]
    right = [r["name"] for r in handin.records if r["checked"] and not r["report"]["findings"]]
    if handin.records or handin.lost:
        count = f"{len(right)} of {len(handin.records) + len(handin.lost)} classes right"
        names = f": {', '.join(right)}" if right else ""
        said = f"<span class='right'>✓ {count}</span>" if right else count
        parts.append(f"<p>{said}{_text(names)}</p>")
    named = {id(record): f"class-{number}-{i}" for i, record in enumerate(handin.wrong)}
    for weight in WEIGHTS[:3]:
        links = [f"<a href='#{named[id(r)]}'>{_text(r['name'])}</a>" for r in handin.wrong if weight_of(r) == weight]
        if links:
            count = f"<span class='{_CLASSES[weight]}'>{MARKS[weight]} {len(links)} {weight}</span>"
            parts.append(f"<p>{count}: {', '.join(links)}</p>")
    if missing:
        parts.append(f"<p class='wrong'>not there, and most others have it: {_text(', '.join(missing))}</p>")
    if not handin.records and not handin.lost:
        parts.append("<p class='wrong'>No module or loss was found.</p>")
    parts += [f"<p class='muted'>{'? ' * line.startswith('not ')}{_text(line)}</p>" for line in said_of_rest(handin)]
    parts += [f"<div class='sheet'>{_LEGEND}</div>"] if handin.wrong else []  # which is handed back without the table
    before = handin.as_before()
    parts += [_class(handin, record, before, named[id(record)]) for record in handin.wrong]
    return "".join(parts) + "</section>\n"


def _operations(report: Record) -> str:
    """The operations and how each was judged, for whoever gives marks by operation; without those that are not needed."""
    said = [
        f"<span class='{_CLASSES[word]}'>{MARKS[word]}&nbsp;{_text(row['operation'])}</span>"
        for row, word in zip(report["verdicts"], row_weights(report), strict=True)
        if row["remark"] != "no parameters"
    ]
    return f"<p>{' &nbsp; '.join(said)}</p>"


def _class(handin: HandIn, record: Record, before: dict[tuple[str, str, str], str], anchor: str) -> str:
    where, weight = f"{handin.place(record)}, line {record['line']}", weight_of(record)
    mark = f"<span class='{_CLASSES[weight]}'>{MARKS[weight]}</span>"
    parts = [f"<h3 id='{anchor}'>{mark} {_text(record['name'])} <span class='muted'>{_text(where)}</span></h3>"]
    parts.append(_operations(record["report"]))
    shown: set[str] = set()
    for finding in record["report"]["findings"]:
        same = before.get((record["id"], finding["where"], finding["kind"]), "")
        more = _weight(finding["weight"]) + (f"<span class='muted'>, {_text(same)}</span>" if same else "")
        parts.append(f"<div class='finding {_CLASSES[finding['weight']]}'>")
        parts.append(f"<b>{_text(finding['where'])}: {_link(finding['kind'])}</b>{more}")
        if not same:
            parts.append(f"<p>{_text(finding['message'])}</p>")
        if finding["figures"]:
            parts.append(f"<p class='muted'>{_text(finding['figures'])}</p>")
        quoted, method = _lines(handin, finding)
        parts.append(quoted + (method if method not in shown else ""))
        shown.add(method)
        if finding["hint"] and not same:
            parts.append(f"<p>Hint: {_text(finding['hint'])}</p>")
        parts.append("</div>")
    return "".join(parts)


def _lines(handin: HandIn, finding: Record) -> tuple[str, str]:
    """The line to look at, and its method to be opened; the method alone, open, where that line says too little."""
    first, lines = handin.method(finding)
    place, numbers = _text(handin.place(finding)) if finding["file"] else "", range(first, first + len(lines))
    pairs = zip(numbers, map(_text, lines), strict=True)
    alone = needs_method(finding, lines)
    marked = finding["line_number"] if alone else 0
    shown = (f"<mark>{n:4}  {line}</mark>" if n == marked else f"{n:4}  {line}" for n, line in pairs)
    method = f"lines {first} to {numbers[-1] if lines else 0}</summary><pre>{chr(10).join(shown)}</pre></details>"
    if alone:
        return f"<details open><summary>{place}, {method}", ""
    quoted = f"<pre>{place}{', ' if place else ''}{_text(finding['line'])}</pre>" if finding["line"] else ""
    return quoted, f"<details><summary>{method}" if len(lines) > 2 else ""  # a line and its def say no more than the line

# SPDX-License-Identifier: GPL-2.0-only
"""What tools/bench/run makes of its figures: a text, pictures, and a page of documentation.

Nothing here knows what was measured: tables and curves are as sections/__init__.py says.
Figures are printed as they were taken; only a quotient is rounded, and a row in which stock is
better says so, however small the difference.
"""

import re
import shutil

import sections
from common import BASE, SUFFIX, spaced

PAGE = f"benchmarks{SUFFIX}.rst"
SPDX = "SPDX-License-Identifier: GPL-2.0-only"
STOCK_BETTER = "stock is better"
UNEXPLAINED = "Not explained"


def show(value):
    if value is None:
        return "-"
    if isinstance(value, int):
        return spaced(value)
    if abs(value) >= 1000:
        return spaced(value)
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 10 else f"{value:.1f}"


def quotient(table, row):
    """New against stock, as text."""
    new, stock = row["values"].get("new"), row["values"].get("stock")
    if not table["better"] or not new or not stock:
        return ""
    return f"{stock / new:.2f}" if table["better"] == "lower" else f"{new / stock:.2f}"


def quotient_name(table):
    return "stock/new" if table["better"] == "lower" else "new/stock"


def stock_wins(table, row):
    new, stock = row["values"].get("new"), row["values"].get("stock")
    if new is None or stock is None or not table["better"]:
        return False
    return new > stock if table["better"] == "lower" else new < stock


def rows_of(table):
    """The table's lines as lists of text, the head first."""
    head = [table["unit"]] + table["columns"]
    ratio = table["better"] and {"new", "stock"} <= set(table["columns"])
    if ratio:
        head.append(quotient_name(table))
    yield head + [""]
    for row in table["rows"]:
        notes = [row["note"]] if row["note"] else []
        if stock_wins(table, row):
            notes.insert(0, STOCK_BETTER)
        yield ([row["what"]] + [show(row["values"].get(c)) for c in table["columns"]] +
               ([quotient(table, row)] if ratio else []) + ["; ".join(notes)])


def lost(data):
    """(section's name, table, row) of each row in which stock is better."""
    for name in sections.NAMES:
        for table in data["sections"].get(name, {}).get("tables", []):
            for row in table["rows"]:
                if stock_wins(table, row):
                    yield name, table, row


def reason(name, table, row):
    """Why stock is better in a row, as its section says; None where it does not."""
    what = f"{table['title']}: {row['what']}"
    for pattern, why in getattr(sections.section(name), "WHY", ()):
        if re.search(pattern, what):
            return " ".join(why.split())
    return None


def by_reason(losses):
    """{reason: [(table, row), ...]}, what has none last."""
    found = {}
    for name, table, row in losses:
        found.setdefault(reason(name, table, row), []).append((table, row))
    rest = found.pop(None, None)
    if rest:
        found[UNEXPLAINED] = rest
    return found


# How, when and with what

def taken(take):
    return (f"{take['taken']} ({', '.join(take['arches'])}) in {take['seconds']} s, with a load of "
            f"{take['load']} on the machine before it")


def by_versions(taken_sections):
    """{((what, version), ...): [whose figures]}"""
    found = {}
    for section in taken_sections:
        for take in section["takes"]:
            key = tuple((what, version) for what, version in take["versions"].items()
                        if version and what != "commit")
            found.setdefault(key, []).append(f"{section['title']} ({', '.join(take['arches'])})")
    return found


# The text

def aligned(rows):
    rows = list(rows)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1])]
        yield "  ".join(cells + [row[-1]]).rstrip()


def text(data):
    lines = []
    for name in sections.NAMES:
        section = data["sections"].get(name)
        if not section:
            continue
        lines += ["", section["title"].upper(), f"({section['command']})"]
        lines += [f"({taken(take)})" for take in section["takes"]]
        for table in (t for t in section["tables"] if t["rows"]):
            lines += ["", table["title"]] + list(aligned(rows_of(table)))
    return "\n".join(lines).lstrip() + "\n"


# The page, with pictures for the first base

def shown(curve):
    return curve["shown"] and curve["series"] and not SUFFIX


def heading(title, under):
    return [title, under * len(title), ""]


def escaped(cell):
    return cell.replace("*", "\\*").replace("_", "\\_").replace("|", "\\|")


def rst_table(table):
    """A literal block: some hundred rows stay readable, in the source as well."""
    lines = [f"{escaped(table['title'])}::", ""]
    return lines + [f"    {line}" for line in aligned(rows_of(table))] + [""]


def lost_rows(those):
    """Rows of several tables as lists of text, the head first."""
    yield ["", "new", "stock", quotient_name(those[0][0]), ""]
    title = None
    for table, row in those:
        if table["title"] != title:
            title = table["title"]
            yield [title, "", "", "", ""]
        values = row["values"]
        yield [f"  {row['what']}", show(values["new"]), show(values["stock"]),
               quotient(table, row), ""]


def wrapped(words, width=78, indent=""):
    lines, line = [], ""
    for word in words.split():
        if line and len(indent) + len(line) + 1 + len(word) > width:
            lines.append(indent + line)
            line = ""
        line += (" " if line else "") + word
    return lines + [indent + line] if line else lines


def bullet(words):
    lines = wrapped(words, 76)
    return ["- " + lines[0]] + ["  " + line for line in lines[1:]]


def page(data):
    taken_sections = [s for s in (data["sections"].get(n) for n in sections.NAMES) if s]
    lines = [f".. {SPDX}", "",
             "..  Written by tools/bench/run --page from what it measured: do not edit.", ""]
    lines += heading("New against stock: figures" + (f" on {BASE}" if SUFFIX else ""), "=")
    lines += wrapped(f"``make {f'BASE={BASE} ' if SUFFIX else ''}bench`` measures all of this: the new allocator, mapping layer and "
                     "page tables against those of the base kernel, both built with the same "
                     "configuration and compiler, and run one after the other. Each table says in "
                     "which rows stock is better. A quotient above 1 is in favour of the new "
                     "code. Figures are as they were taken; nothing is left out.")
    missing = [sections.section(n).TITLE for n in sections.NAMES if n not in data["sections"]]
    if missing:
        lines += [""] + wrapped(f"Not taken in the last run: {'; '.join(missing)}.")
    lines += ["", ".. contents::", "   :local:", "   :depth: 1", ""]
    losses = list(lost(data))
    rows = sum(len(t["rows"]) for s in taken_sections for t in s["tables"] if t["better"])
    lines += heading("Where stock is better", "-")
    if losses:
        lines += wrapped(f"In {len(losses)} of {rows} rows that can be compared, by cause.") + [""]
        for why, those in by_reason(losses).items():
            lines += wrapped(f"{escaped(why)} ({len(those)} "
                             f"row{'s' if len(those) > 1 else ''})::") + [""]
            lines += [f"    {line}" for line in aligned(lost_rows(those))] + [""]
    else:
        lines += [f"In none of the {rows} rows that can be compared.", ""]
    for section in taken_sections:
        lines += heading(section["title"], "-")
        lines += wrapped(section["text"]) + [""]
        lines += [f"Command: ``{section['command']}``", ""]
        for take in section["takes"]:
            lines += wrapped(f"Taken {taken(take)}.") + [""]
        lines += ["What the figures do not show:", ""]
        for sentence in section["not_shown"]:
            lines += bullet(sentence)
        lines.append("")
        for curve in (c for c in section["curves"] if shown(c)):
            lines += [f".. figure:: bench-{curve['name']}.svg",
                      f"   :alt: {curve['title']}", "", f"   {curve['title']}", ""]
        for table in (t for t in section["tables"] if t["rows"]):
            lines += rst_table(table)
    lines += heading("Versions", "-")
    for versions, who in by_versions(taken_sections).items():
        lines += wrapped(f"{'; '.join(who)}:") + [""]
        for what, version in versions:
            lines += bullet(f"{what}: {version}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


# The pictures

COLOURS = {"new": "#0b5394", "stock": "#b45f06", "passthrough": "#666666"}
STYLES = ("-", "--", ":", "-.")


def label_places(ends, low, high, log):
    """Where the labels of lines that end at ENDS go, none upon another."""
    import math
    scale = math.log10 if log else float
    span = scale(high) - scale(low) or 1
    step = span * 0.055
    order = sorted(range(len(ends)), key=lambda i: ends[i])
    places, last = {}, None
    for i in order:
        at = scale(ends[i])
        if last is not None and at < last + step:
            at = last + step
        places[i] = last = at
    return [10 ** places[i] if log else places[i] for i in range(len(ends))]


def draw(curve, stem):
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none",
                                "font.size": 9, "font.family": "DejaVu Sans"})
    from matplotlib import pyplot
    from matplotlib.ticker import NullFormatter

    figure, axes = pyplot.subplots(figsize=(7.2, 4.2))
    seen = {}
    ends, lines = [], []
    for series in curve["series"]:
        stack = series["stack"]
        style = STYLES[seen.setdefault(stack, 0) % len(STYLES)]
        seen[stack] += 1
        xs, ys = zip(*((x, max(y, 1) if curve["log"] else y) for x, y in series["points"]))
        axes.plot(xs, ys, style, color=COLOURS.get(stack, "black"), marker="o", markersize=3,
                  linewidth=1.4)
        ends.append(ys[-1])
        lines.append((series["label"], xs[-1], COLOURS.get(stack, "black")))
    if curve["log"]:
        axes.set_xscale("log", base=2 if curve["x"] in ("bytes", "entries") else 10)
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    low, high = axes.get_ylim()
    for (label, x, colour), y in zip(lines, label_places(ends, low, high, curve["log"])):
        axes.annotate(label, (x, y), xytext=(6, 0), textcoords="offset points", va="center",
                      color=colour, fontsize=8, annotation_clip=False)
    axes.set_title(curve["title"], fontsize=10, loc="left")
    axes.set_xlabel(curve["x"])
    axes.set_ylabel(curve["y"])
    axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
    axes.xaxis.set_minor_formatter(NullFormatter())
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.subplots_adjust(right=0.80, left=0.11, bottom=0.12, top=0.92)
    figure.savefig(f"{stem}.png", dpi=120)
    figure.savefig(f"{stem}.svg", metadata={"Date": None})
    pyplot.close(figure)
    with open(f"{stem}.svg", encoding="utf-8") as f:
        first, rest = f.read().split("\n", 1)
    with open(f"{stem}.svg", "w", encoding="utf-8") as f:
        body = "\n".join(line.rstrip() for line in rest.splitlines())
        f.write(f"{first}\n<!-- {SPDX} -->\n{body}\n")


def write(data, out):
    (out / "bench.txt").write_text(text(data))
    (out / PAGE).write_text(page(data))
    for name in sections.NAMES:
        for curve in data["sections"].get(name, {}).get("curves", []):
            if curve["series"]:
                draw(curve, out / f"bench-{curve['name']}")


def publish(out, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for old in () if SUFFIX else folder.glob("bench-*.svg"):
        old.unlink()
    wanted = (out / PAGE).read_text()
    for path in out.glob("bench-*.svg"):
        if path.name in wanted:
            shutil.copy(path, folder / path.name)
    shutil.copy(out / PAGE, folder / PAGE)

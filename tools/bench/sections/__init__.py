# SPDX-License-Identifier: GPL-2.0-only
"""What tools/bench/run measures, a module for each section, and what all of them make.

A module has TITLE, TEXT (what is measured, a paragraph), NOT_SHOWN (what its figures do not
show, a list), COMMAND (how to take it alone), perhaps WHY, (pattern of "table: row", why stock is
better there), perhaps ARCHES, if it knows not all, and measure(context), which returns a list of
tables and a list of curves:

table  {"title", "unit", "columns", "better", "rows": [{"what", "values", "note"}]}
       "values" has a number, or nothing, for each of "columns"; the first is the new code.
       "better" is "lower" or "higher", or "" where neither is.
curve  {"name", "title", "x", "y", "log", "shown", "series": [{"label", "stack", "points":
       [[x, y]]}]}
       "name" is that of the picture's file, "log" says whether both axes are logarithmic,
       "shown" whether the page has the picture, and not only build/bench.
"""

import importlib
import importlib.machinery
import importlib.util
import pathlib

HERE = pathlib.Path(__file__).absolute().parent

# In the order of the page
NAMES = ("allocator", "mapping", "debugging", "wallclock", "memory", "walks", "devices",
         "fieldbench", "growth")


def section(name):
    return importlib.import_module(f"sections.{name}")


def tool(name):
    """A benchmark of tools/bench that is a command, as a module."""
    path = str(HERE.parent / name)
    loader = importlib.machinery.SourceFileLoader(f"bench_{name}", path)
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def table(title, unit, rows, columns=("new", "stock"), better="lower"):
    """A table of ROWS, (what, value, value...[, note])."""
    made = []
    for what, *rest in rows:
        note = rest.pop() if len(rest) > len(columns) else ""
        if all(value is None for value in rest):
            continue
        made.append({"what": what, "values": dict(zip(columns, rest)), "note": note})
    return {"title": title, "unit": unit, "columns": list(columns), "better": better,
            "rows": made}


def curve(name, title, x, y, series, log=True, shown=True):
    """A curve of SERIES, (label, stack, [(x, y)...])."""
    made = [{"label": label, "stack": stack,
             "points": [[a, b] for a, b in points if b is not None]}
            for label, stack, points in series]
    return {"name": name, "title": title, "x": x, "y": y, "log": log, "shown": shown,
            "series": [s for s in made if s["points"]]}

# SPDX-License-Identifier: GPL-2.0-only
"""How each curve of the sections before this one grows."""

import math

from sections import NAMES, table

TITLE = "Growth"
TEXT = """The tables have the exponent b of y = a * x^b, fitted by least squares to the logarithms of
each curve of this page. 0 means flat, 1 means proportional. Logarithmic growth has a small exponent that
falls from decade to decade. So the tables also have the exponents of the first and of the last step of
each curve, and the growth of y when x doubles, over the whole curve."""
NOT_SHOWN = [
    "Growth beyond the last point of a curve.",
    "Causes: the mean of the fast API grows on both sides because caches serve a smaller "
    "share of requests. The curves of the tree API have the cost of the search itself.",
    "Good fits: four points are few, and each point of a curve of worst operations is one "
    "operation.",
    "Curves that could be flat over sizes (bytes, entries): these must grow, because each "
    "page has an entry.",
]
COMMAND = "tools/bench/run growth"


def exponent(points):
    """Slope of the line through the logarithms."""
    logs = [(math.log(x), math.log(max(y, 1))) for x, y in points]
    n = len(logs)
    mean_x, mean_y = (sum(v[i] for v in logs) / n for i in (0, 1))
    below = sum((x - mean_x) ** 2 for x, y in logs)
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / below if below else 0.0


def per_doubling(points):
    (x0, y0), (x1, y1) = points[0], points[-1]
    return (y1 - y0) / math.log2(x1 / x0)


def pairs(curve):
    """Series of the same name, those of new and of stock side by side."""
    kinds = {}
    for series in curve["series"]:
        if len(series["points"]) >= 3:
            kind = series["label"].partition(", ")[2]
            kinds.setdefault(kind, {})[series["stack"]] = series["points"]
    return kinds.items()


def measure(context):
    tables = []
    for name in NAMES:
        rows, steps = [], []
        for curve in context.data["sections"].get(name, {}).get("curves", []):
            if not curve["log"]:
                continue
            for kind, stacks in pairs(curve):
                what = f"{curve['title']}{': ' if kind else ''}{kind}"
                found = [stacks.get(stack) for stack in ("new", "stock")]
                rows.append((what, *(round(exponent(p), 3) if p else None for p in found)))
                steps.append((what, *(value for p in found for value in (
                    (round(exponent(p[:2]), 3), round(exponent(p[-2:]), 3),
                     round(per_doubling(p), 1)) if p else (None, None, None)))))
        if rows:
            title = context.data["sections"][name]["title"]
            tables.append(table(f"{title}: exponent over all points", "exponent", rows,
                                better=""))
            tables.append(table(f"{title}: first step, last step, per doubling", "",
                                steps, columns=("new, first", "new, last", "new, doubling",
                                                "stock, first", "stock, last",
                                                "stock, doubling"), better=""))
    return tables, []

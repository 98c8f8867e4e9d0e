# SPDX-License-Identifier: GPL-2.0-only
"""How each curve of the sections before this one grows."""

import math

from sections import NAMES, table

TITLE = "Growth"
TEXT = """The exponent b of y = a * x^b, fitted by least squares to the logarithms of each curve of
this page: 0 is flat, 1 is proportional. What grows with the logarithm has a small one that
falls from decade to decade; so beside it stand the exponents of the first and of the last step
of the curve, and by how many units y grows when x doubles, over the whole of it."""
NOT_SHOWN = [
    "What happens beyond the last point of a curve.",
    "Why: the mean of the fast API grows because the share of requests that caches answer falls, "
    "on either side; what the search itself costs is in the curves of the tree API.",
    "Four points are few: the exponent of a curve of worst operations hangs on one operation each.",
    "The curves over sizes (bytes, entries) must grow: each page has to be entered.",
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

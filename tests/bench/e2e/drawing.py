"""Charts as SVG, without scripts and without anything from elsewhere. The same figures give the same text."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pygal
from pygal.style import Style

# It finds plug-ins that nobody has, in a way that Python warns of at every later import of what is not there.
sys.meta_path = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

Series = Mapping[str, Sequence[float]]
"""Values by what they are, one for each label."""

_STYLE = Style(font_family="Helvetica, Arial, sans-serif", background="white", plot_background="white")
_LOOK = {
    "js": (),
    "style": _STYLE,
    "width": 900,
    "height": 420,
    "explicit_size": True,
    "truncate_legend": -1,
    "truncate_label": -1,
}


def bars(name: str, title: str, labels: Sequence[str], series: Series, *, logarithmic: bool = True) -> str:
    """Groups of bars."""
    chart = pygal.Bar(title=title, logarithmic=logarithmic, show_legend=len(series) > 1, **_LOOK)
    if logarithmic:  # Else the axis begins at the smallest value, whose bar then has no height.
        every = [value for values in series.values() for value in values]
        chart.zero = min(every) / 2
        chart.range = chart.zero, max(every)
    return _drawn(name, chart, labels, series)


def lines(name: str, title: str, labels: Sequence[str], series: Series) -> str:
    """Lines on a logarithmic axis."""
    return _drawn(name, pygal.Line(title=title, logarithmic=True, **_LOOK), labels, series)


def _drawn(name: str, chart: Any, labels: Sequence[str], series: Series) -> str:
    chart.x_labels = labels
    for what, values in series.items():
        chart.add(what, values)
    text = chart.render(is_unicode=True, disable_xml_declaration=True)
    text = re.sub(r"<script.*?</script>|<!--.*?-->", "", text, flags=re.DOTALL)
    return str(text.replace(str(chart.uuid), name)) + "\n"

"""The grid of a chart says what its lines stand for."""

import re

import pytest

from eggapi import charts

LINE = re.compile(r'<line class="grid"[^>]* y1="([\d.]+)" y2="\1"/><text[^>]*>(\d+)</text>')


@pytest.mark.parametrize(
    ("highest", "grid"),
    [
        (2, [("180.0", "0"), ("94.0", "1"), ("8.0", "2")]),
        (7, [("180.0", "0"), ("94.0", "5"), ("8.0", "10")]),
        (0, [("180.0", "0"), ("8.0", "1")]),
        (4, [("180.0", "0"), ("8.0", "5")]),
    ],
)
def test_it_has_no_middle_line_where_the_middle_is_no_whole_number(highest: int, grid: list[tuple[str, str]]) -> None:
    assert LINE.findall(charts.columns("Tasks", ["1 May"], {"all": [highest]})) == grid

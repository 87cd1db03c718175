"""Whether code may change a value, under any of its names."""

from __future__ import annotations

import ast

import pytest

from runtime.static_analysis.changes import may_change


@pytest.mark.parametrize(
    "code",
    [
        "rows[0] = 1",
        "rows.append(1)",
        "rows += [1]",
        "del rows[0]",
        "enrich(rows)",
        "enrich(*rows)",
        "enrich(each=rows)",
        "enrich([1, rows])",
        "enrich(rows if x else [])",
        "other = rows; enrich(other)",
        "other = more = rows or []; enrich(more)",
        "if other := rows: enrich(other)",
        "for each in rows: enrich(each)",
        "made = [enrich(each) for each in rows]",
        "each = next(r for r in rows); enrich(each)",
        "enrich(sorted(rows)[0])",
        "enrich(data.rows)",
        "a, b = rows; enrich(b)",
        "enrich(make())",
        "made = await make(); enrich(made)",
    ],
)
def test_a_change_is_seen(code: str) -> None:
    nodes = list(ast.walk(ast.parse(code)))
    assert may_change(nodes, "rows", "make")


@pytest.mark.parametrize(
    "code",
    [
        "first = rows[0]['name']; show(first)",
        "show(f'{rows}', len(rows), str(rows))",
        "names = sorted(r['name'] for r in rows)",
        "found = [r for r in rows if r['km'] > 3]",
        "other = [1]; enrich(other)",
        "text = dumps(rows); show(text)",
    ],
)
def test_reading_is_no_change(code: str) -> None:
    assert not may_change(list(ast.walk(ast.parse(code))), "rows", "make")

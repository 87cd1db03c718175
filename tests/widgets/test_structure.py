"""What a `.widget` file's text is for certain, whatever is filled in, and what is left open."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment

from runtime.widgets.component_checks import is_template
from runtime.widgets.structure import read_structure

ROOT = Path(__file__).parents[2]


def tree(text: str) -> Any:
    structure = read_structure(text)
    if structure is None:
        return None
    assert len(structure.places.text) == len(text)
    return structure.tree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":{{ b }}}', {"a": "{{ b }}"}),
        ('{"a":"x {{ b | d("n") }}"}', {"a": 'x {{ b | d("n") }}'}),
        ('{"a":"x{% if b %}y{% endif %}"}', {"a": "x{% if b %}y{% endif %}"}),
        ('{"a":{% if b %}1{% else %}2{% endif %}}', {"a": "{% if b %}1{% else %}2{% endif %}"}),
        ("[1,{% if b %}2,{% endif %}3]", [1, "{% if b %}2,{% endif %}", 3]),
        ('[1{% if b %},{"c":[2]}{% endif %},3]', [1, '{% if b %},{"c":[2]}{% endif %}', 3]),
        (
            "[{% for b in c %}{}{% if d %},{% endif %}{% endfor %}]",
            ["{% for b in c %}{}{% if d %},{% endif %}{% endfor %}"],
        ),
        ('{"a":{% set b = 1 %}{# why #}{{ b }}}', {"a": "{{ b }}"}),
        ('{"a":{"b":1{% if c %},"d":2{% endif %}},"e":3}', {"a": "{{ }}", "e": 3}),
        ('{"a":{ {% if c %}"d":2,{% endif %}"b":1},"e":3}', {"a": "{{ }}", "e": 3}),
        ('{"a":{"{{ b }}":1},"e":3}', {"a": "{{ }}", "e": 3}),
    ],
)
def test_a_template_stands_for_what_it_makes_and_all_around_it_is_known(text: str, expected: Any) -> None:
    assert tree(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{",
        "{% if a %}[{% endif %}]",
        '[{% if a %}{"b":[{% else %}{"b":[1,{% endif %}2]}]',
        '{"a":"{% if a %}x"{% else %}y"{% endif %}}',
        '{"a" {{ b }}}',
        '{"a":{% raw %}1{% endraw %}}',
        '{"a":"x{# why #}"}',
        "{% endif %}",
    ],
)
def test_a_text_whose_structure_its_templates_make_has_no_structure(text: str) -> None:
    assert tree(text) is None


def make(choices: random.Random, depth: int = 0) -> str:
    """Make up a text: JSON with conditions and loops around values, items and properties."""
    kind = choices.choice(("item", "list", "object", "choice") if depth < 4 else ("item",))
    if kind == "item":
        return choices.choice(('"x"', "7", "null", "{{ a | tojson }}", '"x{{ a }}"', '"{% if b %}x{% endif %}"'))
    if kind == "choice":
        return f"{{% if b %}}{make(choices, depth + 1)}{{% else %}}{make(choices, depth + 1)}{{% endif %}}"
    parts = [make(choices, depth + 1) for _ in range(choices.randrange(1, 4))]
    if kind == "object":
        parts = [f'"k{index}":{part}' for index, part in enumerate(parts)]
    for index, part in enumerate(parts[:-1]):
        parts[index] = choices.choice((f"{part},", f"{{% if b %}}{part},{{% endif %}}"))
    parts += choices.choice(([], ["{% for c in cs %},{% endfor %}"]))
    return f"[{''.join(parts)}]" if kind == "list" else f"{{ {''.join(parts)}}}"


def agrees(known: Any, shown: Any) -> bool:
    """Return whether the parts that are called certain are in the result."""
    if is_template(known):
        return True
    if isinstance(known, dict):
        return (
            isinstance(shown, dict)
            and known.keys() == shown.keys()
            and all(agrees(value, shown[key]) for key, value in known.items())
        )
    if isinstance(known, list) and not any(is_template(item) for item in known):
        return isinstance(shown, list) and len(known) == len(shown) and all(map(agrees, known, shown))
    if isinstance(known, list):
        return isinstance(shown, list) and all(
            is_template(item) or any(agrees(item, other) for other in shown) for item in known
        )
    return bool(known == shown)


def test_the_structure_holds_for_all_data() -> None:
    choices, rendered = random.Random(7), 0
    for _ in range(400):
        text = make(choices)
        known = tree(text)
        for b in (True, False):
            shown = Environment().from_string(text).render(a="y", b=b, cs=[])
            try:
                made = json.loads(shown)
            except ValueError:
                continue
            if known is not None:
                rendered += 1
                assert agrees(known, made), (text, known, made)
    assert rendered > 300


def test_every_export_of_the_examples_has_a_structure() -> None:
    files = [*ROOT.glob("widgets/*.widget"), *ROOT.glob("examples/*/widgets/*.widget")]
    assert len(files) > 3
    assert all(read_structure(json.loads(file.read_text(encoding="utf-8"))["template"]) for file in files)

"""Shape errors: the diagnostics of data that the schema rejects, in the terms of the language.

The models validate, because they are fast. The JSON Schema explains, and only the entries that the models reject. A
value whose type comes from YAML or from a variable (`1.10` for a string, `"${PORT}"` for a number) is repaired.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from runtime.config.model import Config
from runtime.config.model.root import NAMED_SECTIONS
from runtime.config.schema import config_schema
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath, value_at
from runtime.documents.parser import parse_bool, parse_number
from runtime.documents.variables import Interpolation, rename_key

_MAX_ROUNDS = 8
_PARSED: dict[str, Callable[[str], Any]] = {
    "int_type": parse_number,
    "float_type": parse_number,
    "bool_type": parse_bool,
}


class BuiltConfig(NamedTuple):
    """A `config`, or None and the `diagnostics` that explain why the models reject the data.

    In `mended`, each misspelt key has the name that it probably means, for checks of the rest of the file.
    """

    config: Config | None
    diagnostics: list[Diagnostic]
    mended: Interpolation


def build_config(filled: Interpolation) -> BuiltConfig:
    """Return the Config of a file's data, or the diagnostics of all mistakes of its shape."""
    data = filled.source.data
    diagnostics: list[Diagnostic] = []
    for _ in range(_MAX_ROUNDS):
        try:
            config = Config.model_validate(data)
        except ValidationError as error:
            if repairs := _plain_repairs(filled, data, error):
                data = _repaired(data, repairs)
                continue
            # Imported here: a correct file needs no explanation.
            from runtime.config.shape_explainer import Explainer

            explainer = Explainer(filled, data, config_validator())
            explainer.explain((), explainer.validator.iter_errors(_only(data, error)))
            diagnostics += [each for each in explainer.diagnostics if not _is_known(each, diagnostics)]
            if not explainer.repairs and not explainer.renames:
                return BuiltConfig(None, diagnostics or _unexplained(filled, error), filled)
            data = _repaired(data, explainer.repairs)
            for path, name in sorted(explainer.renames.items(), key=lambda rename: -len(rename[0])):
                filled, data = filled.renamed(path, name), rename_key(data, path, name)
        else:
            return BuiltConfig(None if diagnostics else config, diagnostics, filled)
    return BuiltConfig(None, diagnostics or [_unvalidated(filled)], filled)


def _is_known(diagnostic: Diagnostic, known: Iterable[Diagnostic]) -> bool:
    """Return whether a mistake was reported already, perhaps with the path of a misspelt key."""
    return any(
        (each.code, each.place, each.message) == (diagnostic.code, diagnostic.place, diagnostic.message)
        for each in known
    )


def _unvalidated(filled: Interpolation) -> Diagnostic:
    return filled.source.places.diagnostic("A199", (), "the file can't be validated")


@functools.cache
def config_validator() -> Any:
    """Return the validator of the JSON Schema of agents.yaml, which agrees with the models."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError as SchemaError
    from jsonschema.validators import extend

    def pattern(_: Any, wanted: str, instance: Any, __: Any) -> Iterator[SchemaError]:
        # As in editors, `$` matches only at the end of the text, not before a final line break.
        if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", wanted), instance, re.ASCII):
            yield SchemaError("does not match")

    whole = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    # The stubs of jsonschema know neither `extend` nor `descend`.
    strict: Any = extend
    return strict(Draft202012Validator, {"pattern": pattern}, type_checker=whole)(config_schema())


def _only(data: Any, error: ValidationError) -> Any:
    """Return the data with only the entries that the models reject: the JSON Schema is a hundred times slower."""
    if not isinstance(data, dict):
        return data
    rejected = {problem["loc"][:2] for problem in error.errors(include_url=False, include_context=False)}
    rest: dict[str, Any] = {}
    for key, section in data.items():
        if key in NAMED_SECTIONS and isinstance(section, dict) and (key,) not in rejected:
            rest[key] = {name: entry for name, entry in section.items() if (key, name) in rejected} or {
                name: section[name] for name in list(section)[:1]
            }
        else:
            rest[key] = section
    return rest


def _unexplained(filled: Interpolation, error: ValidationError) -> list[Diagnostic]:
    return [
        filled.source.places.diagnostic("A199", tuple(problem["loc"]), problem["msg"][:1].lower() + problem["msg"][1:])
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _plain_repairs(filled: Interpolation, data: Any, error: ValidationError) -> dict[KeyPath, Any]:
    """Return the numbers and booleans of variables, if nothing else is wrong: these repairs need no JSON Schema."""
    repairs: dict[KeyPath, Any] = {}
    for problem in error.errors(include_url=False, include_context=False):
        parse = _PARSED.get(problem["type"])
        # Pydantic inserts the tags of unions between the steps of a path.
        paths = [
            path for path in filled.strings if _leads_to(path, problem["loc"]) and isinstance(value_at(data, path), str)
        ]
        if parse is None or len(paths) != 1 or not filled.strings[paths[0]].resolved:
            return {}
        value = parse(value_at(data, paths[0]))
        if value is None:
            return {}
        repairs[paths[0]] = value
    return repairs


def _leads_to(path: KeyPath, location: tuple[str | int, ...]) -> bool:
    steps = iter(location)
    return bool(path) and path[-1] == location[-1] and all(step in steps for step in path)


def _repaired(data: Any, repairs: Mapping[KeyPath, Any]) -> Any:
    for path, value in repairs.items():
        data = _replace(data, path, value)
    return data


def _replace(data: Any, path: KeyPath, value: Any) -> Any:
    # Aliases share their values: copy every container on the path.
    if not path:
        return value
    copy: Any = list(data) if isinstance(data, list) else dict(data)
    copy[path[0]] = _replace(data[path[0]], path[1:], value)
    return copy

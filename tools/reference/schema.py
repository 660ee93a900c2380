"""From a JSON schema to tables of fields: type, range, default, meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tools.reference.markdown import code, table

Schema = dict[str, Any]
HEAD = ("field", "type", "range", "default", "meaning")
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "{} characters or more",
    "maxLength": "at most {} characters",
    "minItems": "{} items or more",
    "maxItems": "at most {} items",
    "pattern": "`{}`",
}


class Sections:
    """The objects of one schema as sections of a page, each with a heading that links can name.

    Args:
        schema: of the outermost object, with the others in its ``$defs``.
        links: objects that another page describes, as links.
    """

    def __init__(self, schema: Schema, links: Mapping[str, str] | None = None) -> None:
        self._links = links or {}
        self._definitions: dict[str, Schema] = schema.get("$defs", {})
        own = {key: found for key, found in self._definitions.items() if key not in self._links}
        self._names = _names(schema, own)

    def text(self, schema: Schema, level: int = 3) -> str:
        """The fields of ``schema``, then a section for each object that they lead to."""
        return self.fields(schema) + self.objects(schema, level)

    def objects(self, schema: Schema, level: int = 3) -> str:
        """A section for each object that the fields of ``schema`` lead to."""
        keys = _reached(schema, self._definitions, self._links)
        return "".join(self._object(key, level) for key in keys if "properties" in self._definitions[key])

    def _object(self, key: str, level: int) -> str:
        definition = self._definitions[key]
        return f"{'#' * level} {self._names[key]}\n\n{_meaning(definition)}{self.fields(definition)}"

    def fields(self, schema: Schema) -> str:
        """A row for each field of an object."""
        required = set(schema.get("required", ()))
        return table(
            HEAD,
            (
                (
                    code(name),
                    self.type_of(field),
                    self.range_of(field),
                    "required" if name in required else code(field["default"]) if "default" in field else "",
                    field.get("description", "").replace("``", "`"),
                )
                for name, field in schema.get("properties", {}).items()
            ),
        )

    def type_of(self, field: Schema) -> str:
        """The type in words; an object links to its section."""
        if "$ref" in field:
            key = _key(field)
            if key in self._links:
                return self._links[key]
            definition = self._definitions[key]
            if "properties" not in definition:
                return self.type_of(definition)
            return f"[{self._names[key]}](#{anchor(self._names[key])})"
        for word in ("anyOf", "oneOf", "allOf"):
            if word in field:
                return " or ".join(dict.fromkeys(self.type_of(part) for part in field[word]))
        if "const" in field:
            return code(field["const"])
        if "enum" in field:
            return ", ".join(code(value) for value in field["enum"])
        match field.get("type"):
            case "array" if "prefixItems" in field:
                return f"array of {', '.join(self.type_of(part) for part in field['prefixItems'])}"
            case "array":
                return f"array of {self.type_of(field.get('items', {}))}"
            case "object" if isinstance(field.get("additionalProperties"), dict):
                return f"object of {self.type_of(field['additionalProperties'])}"
            case str(name):
                return name
            case _:
                return "any"

    def range_of(self, field: Schema) -> str:
        """The bounds in words, those of the items of an array as well."""
        said = [words.format(_plain(field[name])) for name, words in BOUNDS.items() if name in field]
        alternatives = (*field.get("anyOf", ()), *field.get("oneOf", ()))
        said += [inner for part in alternatives if "$ref" not in part and (inner := self.range_of(part))]
        if "items" in field and (inner := self.range_of(field["items"])):
            said.append(f"each {inner}")
        return ", ".join(dict.fromkeys(said))


def anchor(heading: str) -> str:
    """How a heading is named in a link."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _names(schema: Schema, definitions: dict[str, Schema]) -> dict[str, str]:
    """A heading for each definition; two of one title are told apart by where they are first used."""
    titles = {key: re.sub(r"^.*__|__\d+$", "", found.get("title", key)) for key, found in definitions.items()}
    places = dict(_places(schema, definitions, {}))
    shared = {title for title in titles.values() if list(titles.values()).count(title) > 1}
    return {
        key: f"{title} ({places.get(key, key)})" if title in shared else title
        for key, title in titles.items()
    }


def _places(
    schema: Schema, definitions: dict[str, Schema], without: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Where each definition is first used, as a dotted path of fields; ``without`` are not followed."""
    seen = set(without)
    waiting = [(schema, "")]
    while waiting:
        found, where = waiting.pop(0)
        for name, field in found.get("properties", {}).items():
            for key in _keys(field):
                if key not in seen and key in definitions:
                    seen.add(key)
                    yield key, f"{where}{name}"
                    waiting.append((definitions[key], f"{where}{name}."))


def _reached(schema: Schema, definitions: dict[str, Schema], without: Mapping[str, str]) -> Iterator[str]:
    """Definitions that a schema leads to, in the order of their first use."""
    return (key for key, _ in _places(schema, definitions, without))


def _keys(field: Any) -> Iterator[str]:
    """The definitions that a field names, however deep."""
    match field:
        case {"$ref": str()}:
            yield _key(field)
        case dict():
            for name, part in field.items():
                if name not in ("properties", "discriminator"):
                    yield from _keys(part)
        case list():
            for part in field:
                yield from _keys(part)


def _key(field: Schema) -> str:
    return str(field["$ref"]).rpartition("/")[2]


def _meaning(schema: Schema) -> str:
    description = schema.get("description", "").replace("``", "`")
    return f"{description}\n\n" if description else ""


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value

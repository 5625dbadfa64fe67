"""Reading a query: parse it, validate it against the real schema, say what is wrong in the vendor's words."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    Node,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_operation_ast,
    parse,
    validate,
    visit,
)

from weathervane.shopify.sandbox._admin_schema import admin_schema

__all__ = ["Prepared", "error_dict", "prepare"]

MAX_TOKENS = 20_000


@dataclass(frozen=True)
class Prepared:
    """A query text that was parsed and validated for one version.

    Attributes:
        document: the parsed query; None when it does not parse.
        errors: what is wrong with it, as the `errors` of an answer.
        deprecated: whether it uses a deprecated field.
    """

    document: DocumentNode | None
    errors: tuple[dict[str, Any], ...]
    deprecated: bool = False

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """Return the operation to run, or None when the name leaves none or several."""
        return None if self.document is None else get_operation_ast(self.document, name)


@functools.lru_cache(maxsize=256)
def prepare(version: str, text: str) -> Prepared:
    """Parse and validate a query against a version's schema."""
    schema = admin_schema(version).schema
    try:
        document = parse(text, max_tokens=MAX_TOKENS)
        found = validate(schema, document, max_errors=20)
    except GraphQLSyntaxError as error:
        return Prepared(None, (error_dict(error),))
    except RecursionError:
        return Prepared(
            None, ({"message": "Query is nested too deeply", "extensions": {"code": "BAD_REQUEST"}},)
        )
    if found:
        return Prepared(document, tuple(_in_their_words(error, document) for error in found))
    return Prepared(document, (), _uses_deprecated(schema, document))


def error_dict(error: GraphQLError) -> dict[str, Any]:
    """Return an error in the shape of an answer's `errors`."""
    return dict(error.formatted)


def _uses_deprecated(schema: GraphQLSchema, document: DocumentNode) -> bool:
    info = TypeInfo(schema)
    used = False

    class Finder(Visitor):
        def enter_field(self, *_: Any) -> None:
            nonlocal used
            field = info.get_field_def()
            used = used or bool(field and field.deprecation_reason)

    visit(document, TypeInfoVisitor(info, Finder()))
    return used


# graphql-core's sentence -> the vendor's, which the vendor's own engine words (sheet §3: `undefinedField` …).
_Words = Callable[[re.Match[str]], tuple[str, dict[str, Any]]]
_WORDS: tuple[tuple[re.Pattern[str], _Words], ...] = (
    (
        re.compile(r"Cannot query field '(\w+)' on type '(\w+)'"),
        lambda m: (
            f"Field '{m[1]}' doesn't exist on type '{m[2]}'",
            {"code": "undefinedField", "typeName": m[2], "fieldName": m[1]},
        ),
    ),
    (
        re.compile(r"Unknown argument '(\w+)' on field '(\w+)\.(\w+)'"),
        lambda m: (
            f"Field '{m[3]}' doesn't accept argument '{m[1]}'",
            {"code": "argumentNotAccepted", "name": m[3], "typeName": "Field", "argumentName": m[1]},
        ),
    ),
    (
        re.compile(r"Field '(\w+)' of type '([^']+)' must have a selection of subfields"),
        lambda m: (
            f"Field must have selections (field '{m[1]}' returns {m[2].strip('[]!')} but has no selections. "
            f"Did you mean '{m[1]} {{ ... }}'?)",
            {"code": "selectionMismatch", "nodeName": f"field '{m[1]}'", "typeName": m[2].strip("[]!")},
        ),
    ),
    (
        re.compile(r"Argument '\w+\.(\w+)\((\w+):\)' of type .* is required"),
        lambda m: (
            f"Field '{m[1]}' is missing required arguments: {m[2]}",
            {"code": "missingRequiredArguments", "className": "Field", "name": m[1], "arguments": m[2]},
        ),
    ),
    (
        re.compile(r"Variable '\$(\w+)' is not defined"),
        lambda m: (
            f"Variable ${m[1]} is used but not declared",
            {"code": "variableNotDefined", "variableName": m[1]},
        ),
    ),
    (
        re.compile(r"Variable '\$(\w+)' is never used"),
        lambda m: (
            f"Variable ${m[1]} is declared but not used",
            {"code": "variableNotUsed", "variableName": m[1]},
        ),
    ),
)


def _in_their_words(error: GraphQLError, document: DocumentNode) -> dict[str, Any]:
    shown = error_dict(error)
    for pattern, words in _WORDS:
        match = pattern.search(error.message)
        if match:
            shown["message"], shown["extensions"] = words(match)
            break
    if error.nodes:
        path = next(_paths_to(error.nodes[0], document), None)
        if path:
            shown["path"] = path
    return shown


def _paths_to(wanted: Node, document: DocumentNode) -> Iterator[list[str]]:
    def within(node: Any, path: list[str]) -> Iterator[list[str]]:
        if isinstance(node, FieldNode):
            path = [*path, node.alias.value if node.alias else node.name.value]
        if node is wanted:
            yield path
        for selection in node.selection_set.selections if getattr(node, "selection_set", None) else ():
            yield from within(selection, path)

    for definition in document.definitions:
        kind = getattr(definition, "operation", None)
        name = getattr(definition, "name", None)
        head = kind.value if kind is not None else "fragment"
        yield from within(definition, [f"{head} {name.value}" if name else head])

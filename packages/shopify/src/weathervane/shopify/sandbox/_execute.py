"""From a GraphQL request to its answer: validation, cost, throttle, execution, faults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    StringValueNode,
    VariableNode,
    execute_sync,
    get_variable_values,
)

from weathervane.shopify.sandbox._admin_schema import admin_schema, granted_scopes
from weathervane.shopify.sandbox._bulk import BulkOperations
from weathervane.shopify.sandbox._context import View, access_denied
from weathervane.shopify.sandbox._cost import MAX_COST, field_costs, requested_cost, sized_fields
from weathervane.shopify.sandbox._documents import Prepared, error_dict, prepare
from weathervane.shopify.sandbox._options import ShopOptions
from weathervane.shopify.sandbox._paging import read_cursor
from weathervane.shopify.sandbox._refusals import (
    Answer,
    cost_report,
    failed,
    field_report,
    make_partial,
    max_cost,
    merge,
    size_problems,
    throttled,
    variable_error,
)
from weathervane.shopify.sandbox._resolve import resolve_field, resolve_type
from weathervane.shopify.sandbox._throttle import Bucket
from weathervane.shopify.sandbox._world import World
from weathervane.source.sandbox import Faults

__all__ = ["Answer", "Asked", "answer", "facts_of", "handles_of"]


@dataclass(frozen=True)
class Asked:
    """A GraphQL request, read.

    Attributes:
        version: the API version that answers.
        query: the query text.
        variables: the variables as sent.
        operation_name: which operation to run, when the text holds several.
        request_id: the request's id, for the vendor's error texts.
        debug_search: whether the request asks for reports on its search strings.
        debug_cost: whether it asks for the cost of each field.
    """

    version: str
    query: str
    variables: Mapping[str, Any]
    operation_name: str | None
    request_id: str
    debug_search: bool = False
    debug_cost: bool = False

    @property
    def prepared(self) -> Prepared:
        """The query, parsed and validated."""
        return prepare(self.version, self.query)


def facts_of(asked: Asked) -> dict[str, Any]:
    """Return what a fault can be aimed at: the operation's name, its root fields, the page it asks for."""
    operation = asked.prepared.operation(asked.operation_name)
    if operation is None:
        return {"operation": asked.operation_name, "field": (), "page": 1}
    roots = [one for one in operation.selection_set.selections if isinstance(one, FieldNode)]
    name = operation.name.value if operation.name else None
    return {
        "operation": name,
        "field": tuple(one.name.value for one in roots),
        "page": max((_page(one, asked.variables) for one in roots), default=1),
    }


def handles_of(options: ShopOptions, faults: Faults) -> tuple[str, ...]:
    """Return the scopes that the app has now: those granted, without those that a fault has taken away."""
    lost = {str(one) for fault in faults.standing("scope_loss") for one in fault.args.get("scopes", ())}
    return tuple(scope for scope in options.scopes if scope not in lost)


def answer(
    asked: Asked,
    *,
    world: World,
    faults: Faults,
    bulk: BulkOperations,
    bucket: Bucket,
    now: datetime,
) -> Answer:
    """Answer a GraphQL request."""
    facts = facts_of(asked)
    note: dict[str, Any] = {**facts, "field": list(facts["field"]), "version": asked.version}
    result = _answer(asked, facts, note, world=world, faults=faults, bulk=bulk, bucket=bucket, now=now)
    errors = result.body.get("errors") or ()
    note["errors"] = [(one.get("extensions") or {}).get("code", one["message"]) for one in errors]
    merged = faults.take("merged", **facts)
    if merged is not None:
        merge(result.body, merged.args.get("members") or {})
    result.note = note
    return result


def _answer(
    asked: Asked,
    facts: Mapping[str, Any],
    note: dict[str, Any],
    *,
    world: World,
    faults: Faults,
    bulk: BulkOperations,
    bucket: Bucket,
    now: datetime,
) -> Answer:
    if faults.take("shop_inactive", **facts):
        return failed("Shop inactive", "SHOP_INACTIVE")
    if faults.take("internal_error", **facts):
        text = "Internal error. Looks like something went wrong on our end.\nRequest ID: "
        return failed(
            f"{text}{asked.request_id} (include this in support requests).",
            "INTERNAL_SERVER_ERROR",
            requestId=asked.request_id,
        )
    denied = faults.take("access_denied", **facts)
    if denied is not None and "field" not in denied.args:
        name = (facts["field"] or ("orders",))[0]
        error = access_denied(name, str(denied.args.get("required", f"`read_{name}` access scope.")))
        return Answer({"errors": [{**error_dict(error), "path": [name]}], "data": None})
    prepared = asked.prepared
    if prepared.errors:
        return Answer({"errors": list(prepared.errors)})
    operation, document = prepared.operation(asked.operation_name), prepared.document
    if operation is None or document is None:
        return failed("An operation name is required", "BAD_REQUEST")
    schema = admin_schema(asked.version).schema
    values = get_variable_values(schema, operation.variable_definitions or (), dict(asked.variables))
    if isinstance(values, list):
        return Answer({"errors": [variable_error(error) for error in values]})
    # graphql-core 3.3 wraps the values, 3.2 returns them bare.
    bare: Any = values
    variables: Mapping[str, Any] = getattr(bare, "coerced", bare)
    fragments = {
        one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
    }
    sizes = [
        problem
        for node, first, last in sized_fields(schema, operation, fragments, variables)
        for problem in size_problems(node, first, last)
    ]
    if sizes:
        return Answer({"errors": sizes})
    factor = world.options.cost_factor
    requested = math.ceil(requested_cost(schema, operation, fragments, variables) * factor)
    note["requested_cost"] = requested
    too_dear = faults.take("max_cost", **facts)
    if requested > MAX_COST or too_dear is not None:
        return max_cost(requested if too_dear is None else max(requested, MAX_COST + 1))
    if faults.take("throttled", **facts) or not bucket.take(requested):
        return throttled(requested, bucket)
    handles = handles_of(world.options, faults)
    view = View(
        world=world,
        faults=faults,
        bulk=bulk,
        version=asked.version,
        handles=handles,
        scopes=granted_scopes(handles),
        now=now,
        deny=frozenset() if denied is None else frozenset({str(denied.args["field"])}),
        page=facts["page"],
        debug_search=asked.debug_search,
    )
    with world.lock:
        body = _execute(view, document, operation, asked)
        for record_id in view.to_touch:
            record = world.find(record_id)
            if record is not None:
                world.touch(record, now)
    actual = requested if operation.operation.value == "mutation" else min(view.actual, requested)
    bucket.give_back(requested - actual)
    note["actual_cost"] = actual
    if faults.take("partial", **facts):
        make_partial(body)
    body["extensions"] = {"cost": cost_report(requested, actual, bucket)}
    if asked.debug_cost:
        costs = field_costs(schema, operation, fragments, variables)
        body["extensions"]["cost"]["fields"] = [field_report(*cost, factor) for cost in costs]
    if view.searches:
        body["extensions"]["search"] = view.searches
    return Answer(body, prepared.deprecated)


def _execute(
    view: View, document: DocumentNode, operation: OperationDefinitionNode, asked: Asked
) -> dict[str, Any]:
    result = execute_sync(
        admin_schema(view.version).schema,
        document,
        root_value={},
        context_value=view,
        variable_values=dict(asked.variables),
        operation_name=operation.name.value if operation.name else None,
        field_resolver=resolve_field,
        type_resolver=resolve_type,
    )
    body: dict[str, Any] = {}
    if result.errors:
        body["errors"] = [error_dict(error) for error in result.errors]
    body["data"] = result.data
    return body


def _page(node: FieldNode, variables: Mapping[str, Any]) -> int:
    for argument in node.arguments or ():
        if argument.name.value == "after":
            given = argument.value
            text = variables.get(given.name.value) if isinstance(given, VariableNode) else None
            text = given.value if isinstance(given, StringValueNode) else text
            try:
                return read_cursor(text).page + 1 if isinstance(text, str) else 1
            except GraphQLError:
                return 1
    return 1

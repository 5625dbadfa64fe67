"""Resolvers: how each field of a record, a connection or the query root gets its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo

from weathervane.shopify.sandbox._context import View
from weathervane.shopify.sandbox._cost import CONNECTION_COST, FREE_TYPES, times_charged
from weathervane.shopify.sandbox._defaults import missing_value
from weathervane.shopify.sandbox._derived import DERIVED
from weathervane.shopify.sandbox._paging import (
    Cursor,
    Edge,
    Page,
    binding_of,
    children_page,
    cut,
    read_cursor,
)
from weathervane.shopify.sandbox._plans import FieldPlan, field_plan
from weathervane.shopify.sandbox._roots import ROOTS, Listed, not_served
from weathervane.shopify.sandbox._world import type_of

__all__ = ["resolve_field", "resolve_type"]

LIVE_TYPES = ("Product", "ProductVariant", "Customer", "Location", "Order", "LineItem", "OrderTransaction")
"""Types that records refer to by `{"id": …}`: the answer shows the live record, or null once deleted."""

_MISSING: Any = object()


def resolve_field(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    """Resolve any field of any type: graphql-core's default field resolver for the sandbox."""
    view: View = info.context
    if isinstance(source, Page):
        return _of_page(source, info.field_name)
    if isinstance(source, Edge):
        return source.row[1] if info.field_name == "node" else source.page.cursor(source.row)
    plan = field_plan(view.version, info.parent_type.name, info.field_name)
    view.check(plan)
    if plan.parent in ("QueryRoot", "Mutation"):
        value = _of_root(view, plan, arguments)
    else:
        value = _of_record(view, plan, source, arguments)
    return _counted(view, plan, value)


def resolve_type(value: Any, info: GraphQLResolveInfo[Any], abstract: Any) -> str:
    """Name the object type of a record that stands for an interface or union.

    Where the record does not say, it is the type that has most of its members.
    """
    kinds = info.schema.get_possible_types(abstract)
    named = value.get("__typename") or type_of(value.get("id") or "")
    if any(kind.name == named for kind in kinds):
        return str(named)
    return max(kinds, key=lambda kind: len(kind.fields.keys() & value.keys())).name


def _of_root(view: View, plan: FieldPlan, arguments: Mapping[str, Any]) -> Any:
    resolver = ROOTS.get(plan.name)
    if resolver is None:
        raise GraphQLError(not_served(plan.parent, plan.name), extensions={"code": "SANDBOX_NOT_SERVED"})
    value = resolver(view, arguments)
    return _root_page(view, plan, arguments, value) if isinstance(value, Listed) else value


def _root_page(view: View, plan: FieldPlan, arguments: Mapping[str, Any], listed: Listed) -> Page:
    rows, binding = view.rows(listed.kind, plan.name, arguments, listed.sort_key)
    reverse = bool(arguments.get("reverse"))
    if view.window is not None:  # a bulk read: the whole list, slice by slice, whatever `first` says
        part = rows[::-1][view.window] if reverse else rows[view.window]
        return Page(part, False, False, lambda _: "")
    page = cut(rows, arguments, binding, reverse=reverse)
    facts = {"field": plan.name, "page": view.page}
    if view.faults.take("cursor_loop", **facts):
        return Page(page.rows, True, page.has_previous, page.cursor, arguments.get("after") or _end(page))
    if (page.rows or arguments.get("after")) and view.faults.take("empty_page", **facts):
        # The next page begins where this one should have: a client that goes on loses nothing.
        # Its cursor has another text than the one before, or no client could tell it from a loop.
        after = arguments.get("after")
        start = (
            replace(read_cursor(after), page=view.page).text() if after else _before(page, binding, reverse)
        )
        return Page([], True, page.has_previous, page.cursor, start)
    touch = view.faults.take("touch_after_page", **facts) if page.rows else None
    if touch is not None:
        view.to_touch.append(str(touch.args.get("id") or page.rows[0][1]["id"]))
    return page


def _end(page: Page) -> str | None:
    return page.cursor(page.rows[-1]) if page.rows else None


def _before(page: Page, binding: str, reverse: bool) -> str:
    """Return a cursor that stands just before a page."""
    (value, number), _ = page.rows[0]
    return Cursor(number + 1 if reverse else number - 1, value, binding, 1).text()


def _of_record(view: View, plan: FieldPlan, source: Any, arguments: Mapping[str, Any]) -> Any:
    if view.hides(plan):
        return None
    value = source.get(plan.name, _MISSING)
    derive = DERIVED.get((plan.parent, plan.name))
    if derive is not None:
        value = derive(view, source, None if value is _MISSING else value, arguments)
    if value is _MISSING or (value is None and not plan.nullable):
        value = missing_value(view, plan, source)
    if plan.is_connection and not isinstance(value, Page):
        return _nested_page(view, plan, source, value, arguments)
    if plan.of in LIVE_TYPES:
        value = _live_list(view, value) if plan.is_list else view.live(value)
    if plan.is_list and isinstance(value, list) and arguments.get("first") is not None:
        value = value[: arguments["first"]]
    return value


def _nested_page(view: View, plan: FieldPlan, source: Any, value: Any, arguments: Mapping[str, Any]) -> Any:
    if value is None and plan.nullable:
        return None
    children = value or []
    if plan.of in LIVE_TYPES:
        children = _live_list(view, children)
    if view.window is not None:
        return Page([((place, 0), child) for place, child in enumerate(children)], False, False, lambda _: "")
    binding = binding_of(plan.name, source.get("id"), bool(arguments.get("reverse")))
    page = children_page(children, arguments, binding)
    short = view.faults.take("nested_short", field=plan.name, page=view.page) if page.rows else None
    if short is not None:
        keep = int(short.args.get("keep", len(page.rows) // 2))
        return Page(page.rows[:keep], False, page.has_previous, page.cursor)
    return page


def _live_list(view: View, children: Any) -> list[Any]:
    found = (view.live(child) for child in children or ())
    return [child for child in found if child is not None]


def _of_page(page: Page, name: str) -> Any:
    if name == "nodes":
        return [record for _, record in page.rows]
    if name == "edges":
        return [Edge(page, row) for row in page.rows]
    return page.info()


def _counted(view: View, plan: FieldPlan, value: Any) -> Any:
    """Add to the request's actual cost what was really returned."""
    if value is None or not plan.is_object or plan.type in FREE_TYPES:
        return value
    if isinstance(value, Page):
        view.actual += CONNECTION_COST + times_charged(len(value.rows))
    elif not plan.is_list or value:
        view.actual += 1
    return value

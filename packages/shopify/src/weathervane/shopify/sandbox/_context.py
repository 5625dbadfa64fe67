"""One request's view of the shop: its scopes, its faults, and the records that it may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from graphql import GraphQLError

from weathervane.shopify.sandbox._filters import documented_fields, search_fields, sort_value
from weathervane.shopify.sandbox._paging import Row, binding_of
from weathervane.shopify.sandbox._plans import FieldPlan
from weathervane.shopify.sandbox._search import Found, epoch, search
from weathervane.shopify.sandbox._search_terms import SearchError
from weathervane.shopify.sandbox._world import Record, World, number_of, stamp, type_of
from weathervane.source.sandbox import Faults

__all__ = ["View", "access_denied"]

WINDOW = timedelta(days=60)
"""How far back orders reach without `read_all_orders` (Shopify docs, access scopes)."""

PROTECTED_TYPES = ("Order", "Customer", "Refund", "OrderTransaction")
PROTECTED_HELP = "See https://shopify.dev/docs/apps/launch/protected-customer-data for more details."
EVENTS_KEPT = timedelta(days=365)
"""How long events are kept (Shopify docs, `events`)."""

EVENT_SCOPES = {"PRODUCT": "read_products", "PRODUCT_VARIANT": "read_products", "ORDER": "read_orders"}
CACHED_LISTS = 16


class Operations(Protocol):
    """The app's bulk operations, which themselves read by a view; `BulkOperations` says what each does."""

    def run(self, view: View, text: str, group: bool) -> dict[str, Any]:
        """Start one."""

    def cancel(self, operation_id: str, now: datetime) -> dict[str, Any]:
        """Cancel one."""

    def find(self, operation_id: str) -> Record | None:
        """Poll one."""

    def rows(self) -> list[Record]:
        """Poll all."""

    def newest(self, kind: str) -> Record | None:
        """Poll the one that was started last."""


@dataclass
class View:
    """What one request sees.

    Attributes:
        world: the shop's records.
        faults: the armed faults.
        bulk: the app's bulk operations.
        version: the API version that answers.
        handles: the granted scopes as the app installation lists them.
        scopes: the scopes in effect, read scopes of write scopes included.
        now: the shop's present.
        deny: fields that this request is denied by a fault.
        window: for a bulk read, the slice of the root list to read; None = an ordinary request.
        actual: points used so far.
        searches: reports on search strings, for `extensions.search`.
        page: number of the page that the request asks for.
        debug_search: whether every search string is reported on.
        to_touch: ids of records to update once the answer is made.
    """

    world: World
    faults: Faults
    bulk: Operations
    version: str
    handles: tuple[str, ...]
    scopes: frozenset[str]
    now: datetime
    deny: frozenset[str] = frozenset()
    window: slice | None = None
    actual: int = 0
    searches: list[dict[str, Any]] = field(default_factory=list)
    page: int = 1
    debug_search: bool = False
    to_touch: list[str] = field(default_factory=list)

    def check(self, plan: FieldPlan) -> None:
        """Raise ACCESS_DENIED when the app may not see a field."""
        for rule in plan.rules:
            if not rule.allows(self.scopes):
                raise access_denied(plan.name, rule.text)
        if plan.name in self.deny:
            raise access_denied(plan.name, f"`read_{plan.of.lower()}s` access scope.")
        self.approve(plan.of)
        if self.world.options.protected_data != "full" and plan.protected and not plan.nullable:
            raise GraphQLError(
                f"This app is not approved to use the {plan.name} field. {PROTECTED_HELP}",
                extensions={"code": "ACCESS_DENIED"},
            )

    def approve(self, kind: str) -> None:
        """Raise ACCESS_DENIED when the app is not approved for a type that holds protected customer data."""
        if self.world.options.protected_data == "none" and kind in PROTECTED_TYPES:
            raise GraphQLError(
                f"This app is not approved to access the {kind} object. {PROTECTED_HELP}",
                extensions={"code": "ACCESS_DENIED"},
            )

    def hides(self, plan: FieldPlan) -> bool:
        """Say whether a protected field comes back null."""
        return plan.protected and self.world.options.protected_data != "full"

    def find(self, record_id: str, kind: str | None = None) -> Record | None:
        """Return a record that the app may see, by global id; None = there is none.

        Raises:
            GraphQLError: the text is no global id, or names another type.
        """
        named = type_of(record_id)
        if not named:
            raise GraphQLError(f"Invalid global id '{record_id[:100]}'", extensions={"code": "BAD_REQUEST"})
        if kind is not None and named != kind:
            raise GraphQLError(f"Invalid id: {record_id}", extensions={"code": "RESOURCE_NOT_FOUND"})
        if named == "BulkOperation":
            return self.bulk.find(record_id)
        found: Record | None = self._shown(self.world.find(record_id))
        return found

    def live(self, reference: Any) -> Any:
        """Resolve `{"id": …}` as `World.live` does; None for what the app may not see."""
        return self._shown(self.world.live(reference))

    def matching(
        self, kind: str, root_field: str, query: str | None, *, counting: bool = False
    ) -> list[Record]:
        """Return the records of a list that the app may see and the search string fits, unsorted.

        Args:
            kind: the listed type.
            root_field: the field that lists it, for warnings and documented search fields.
            query: the search string.
            counting: whether this is for a count, which a hidden record does not escape.
        """
        return [record for record, _ in self._matching(kind, root_field, query, counting)]

    def rows(
        self, kind: str, root_field: str, arguments: Mapping[str, Any], sort_key: str
    ) -> tuple[list[Row], str]:
        """Return a list's rows in ascending order of the sort key, and the mark of the list."""
        query = arguments.get("query") or ""
        value = sort_value(sort_key)
        if value is None:
            raise GraphQLError(f"The sandbox does not sort {root_field} by {sort_key}.")
        binding = binding_of(root_field, query, sort_key, bool(arguments.get("reverse")))
        reports = len(self.searches)
        key = (kind, binding, self.scopes, self.now, self._faults_key())
        cache = self.world.lists
        # Bulk operations move on with every poll, so they are never cached.
        kept = None if kind == "BulkOperation" else cache.get(key)
        if kept is None or kept[0] != self.world.revision:
            found = self._matching(kind, root_field, query, counting=False)
            rows: list[Row] = [((value(seen), number_of(record["id"])), record) for record, seen in found]
            rows.sort(key=lambda row: row[0])
            while len(cache) >= CACHED_LISTS:
                cache.pop(next(iter(cache)))
            cache[key] = kept = (self.world.revision, rows, self.searches[reports:])
        else:
            self.searches += kept[2]
        return kept[1], binding

    def _faults_key(self) -> str:
        """Return a mark of the standing faults that change what a list holds."""
        names = ("hidden", "search_lag", "loose_comparators")
        return repr([(fault.id, fault.args) for name in names for fault in self.faults.standing(name)])

    def _matching(
        self, kind: str, root_field: str, query: str | None, counting: bool
    ) -> list[tuple[Record, Mapping[str, Any]]]:
        found = self._search(kind, root_field, query) if query else None
        hidden = set() if counting else {one.args.get("id") for one in self.faults.standing("hidden")}
        lag = max(
            (float(one.args.get("seconds", 60)) for one in self.faults.standing("search_lag")), default=0.0
        )
        result = []
        for record in self.bulk.rows() if kind == "BulkOperation" else self.world.rows(kind):
            if record["id"] in hidden or not self._visible(kind, record):
                continue
            seen = self._as_indexed(record, lag)
            if seen is not None and (found is None or found.test(seen)):
                result.append((record, seen))
        return result

    def _search(self, kind: str, root_field: str, query: str) -> Found:
        try:
            found = search(
                query,
                search_fields(kind, self.world),
                now=self.now,
                documented=documented_fields(root_field),
                loose=bool(self.faults.standing("loose_comparators")),
            )
        except SearchError as error:
            raise GraphQLError(str(error), extensions={"code": "BAD_REQUEST"}) from None
        if found.warnings or self.debug_search:
            report = {"path": [root_field], "query": query, "parsed": found.parsed}
            self.searches.append({**report, "warnings": found.warnings} if found.warnings else report)
        return found

    def _visible(self, kind: str, record: Record) -> bool:
        if kind == "BasicEvent":
            needed = EVENT_SCOPES.get(record["subjectType"])
            kept = (epoch(record["createdAt"]) or 0) >= int((self.now - EVENTS_KEPT).timestamp())
            return kept and (needed is None or needed in self.scopes)
        return kind != "Order" or self._within_window(record)

    def _shown(self, record: Any) -> Any:
        """Return a record unless it is, or belongs to, an order that the app may not see.

        Whatever door it comes by: as a node, as a refund, or as the parent of something else.
        """
        if "read_all_orders" in self.scopes and self.world.options.protected_data != "none":
            return record
        order = record
        while isinstance(order, dict) and type_of(order.get("id") or "") != "Order":
            order = self.world.parent(order)
        if not isinstance(order, dict):
            return record
        self.approve("Order")
        return record if self._within_window(order) else None

    def _within_window(self, order: Mapping[str, Any]) -> bool:
        if "read_all_orders" in self.scopes:
            return True
        created = epoch(order.get("createdAt"))
        return created is None or created >= int((self.now - WINDOW).timestamp())

    def _as_indexed(self, record: Record, lag: float) -> Mapping[str, Any] | None:
        """Return a record as a search index that lags behind knows it; None = not yet at all."""
        if not lag:
            return record
        until = stamp(self.now - timedelta(seconds=lag))
        known = [moment for moment in self.world.indexed.get(record["id"], ()) if moment <= until]
        return {**record, "updatedAt": known[-1]} if known else None


def access_denied(name: str, required: str) -> GraphQLError:
    """Return the vendor's ACCESS_DENIED error for a field."""
    return GraphQLError(
        f"Access denied for {name} field. Required access: {required}",
        extensions={
            "code": "ACCESS_DENIED",
            "documentation": "https://shopify.dev/api/usage/access-scopes",
            "requiredAccess": required,
        },
    )

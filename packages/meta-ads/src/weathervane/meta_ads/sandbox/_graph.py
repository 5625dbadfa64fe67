"""The Graph API as a function: one call in, a status, headers and a JSON body out. Paths, versions, nodes and edges."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from weathervane.meta_ads.sandbox._calls import Call, Reply, split_path, usage_headers
from weathervane.meta_ads.sandbox._errors import ERROR_FAULTS, GraphError, error_of
from weathervane.meta_ads.sandbox._expansion import picked
from weathervane.meta_ads.sandbox._fields import DEFAULT_FIELDS, LEVELS
from weathervane.meta_ads.sandbox._filters import keeps_thing, parse_object_filters
from weathervane.meta_ads.sandbox._insights import Page, cursor_of, position_of
from weathervane.meta_ads.sandbox._meta import PretendMeta
from weathervane.meta_ads.sandbox._nodes import EDGES, REPORT_DEFAULT
from weathervane.meta_ads.sandbox._oauth import SCOPES, debug_token, grant
from weathervane.meta_ads.sandbox._query import Query, parse_limit, parse_query, parse_summary
from weathervane.meta_ads.sandbox._reports import Run
from weathervane.meta_ads.sandbox._values import bad, listed
from weathervane.meta_ads.sandbox._world import Account, Thing

__all__ = ["MAX_BATCH", "VERSIONS", "Graph"]

VERSIONS = ("v25.0", "v26.0")
"""Marketing API versions that are alive in November 2026; a call without one is answered by the oldest."""
MAX_BATCH = 50
_REMOVED = ("pretty", "debug", "date_format")
_REMOVED_FROM = datetime(2026, 10, 27, tzinfo=UTC)
"""v26.0 came without them; from this day on no version has them."""
_ME = "100011"
"""The id of the system user whose tokens these are."""
_ACCOUNT_DEFAULT = ("account_id", "id")
_FINGERPRINT = (
    "level",
    "fields",
    "time_range",
    "time_ranges",
    "time_increment",
    "date_preset",
    "breakdowns",
    "filtering",
    "sort",
)


class Graph:
    """Answers calls. Thread-safe as far as its state is."""

    def __init__(self, meta: PretendMeta) -> None:
        self._meta = meta
        self._traces = itertools.count(1)
        self._picked = partial(picked, nested=self._nested)

    def facts(self, call: Call) -> dict[str, Any]:
        """What faults can aim at: method, kind, account, level, after, version, token's mark."""
        version, parts = split_path(call.path)
        facts: dict[str, Any] = {
            "host": "graph",
            "path": f"/{call.path}",
            "method": call.method,
            "version": version,
        }
        facts["level"] = call.params.get("level")
        facts["first_page"] = not call.params.get("after")
        facts["kind"] = "batch" if not parts else "edge" if len(parts) > 1 else "node"
        if parts[:1] == ["oauth"] or parts[:1] == ["debug_token"]:
            facts["kind"] = "oauth"
        if parts:
            thing = self._meta.world.things.get(parts[0])
            account = (
                parts[0].removeprefix("act_") if parts[0].startswith("act_") else thing and thing.account_id
            )
            try:
                run = self._meta.runs.find(parts[0], self._meta.now())
            except GraphError:
                run = None
            if run is not None:
                account, facts["level"] = run.query.account.id, run.query.level
                facts["kind"] = "results" if len(parts) > 1 else "poll"
            elif parts[1:] == ["insights"]:
                facts["kind"] = "report" if call.method == "POST" else "insights"
            facts["account"] = account
        return facts

    def answer(self, call: Call) -> Reply:
        """The answer to one call that is no batch."""
        facts = self.facts(call)
        kind, account = facts["kind"], facts.get("account")
        if account not in self._meta.world.accounts:
            account = None
        insights = kind in ("insights", "report", "poll", "results")
        error: GraphError | None = None
        headers = {"facebook-api-version": facts["version"] or VERSIONS[0]}
        note = {key: facts[key] for key in ("kind", "account", "level") if facts.get(key)}
        try:
            for name in ERROR_FAULTS:
                fault = self._meta.faults.take(name, **facts)
                if fault is not None:
                    raise error_of(name, fault.args)
            body: Any = self._answer(call, facts)
            status = 200
        except GraphError as raised:
            error, status = raised, raised.status
            note["error"] = [raised.code, raised.subcode]
            body = raised.body(next(self._traces))
            if kind == "results" or (error.code == 190):
                headers["www-authenticate"] = 'OAuth "Facebook Platform" "invalid_token"'
        if self._meta.faults.take("version_warning", **facts) is not None:
            headers["x-ad-api-version-warning"] = "The call has been auto-upgraded to v26.0"
        if isinstance(body, dict) and isinstance(body.get("data"), list):
            note["rows"] = len(body["data"])
        headers |= self._meta.limits.headers(account, error, insights=insights)
        if (usage := self._meta.faults.take("usage", **facts)) is not None:
            headers |= usage_headers(account or "0", usage.args)
        if error is not None and error.reset is not None:
            headers["x-ad-account-usage"] = json.dumps(
                {"acc_id_util_pct": 100, "reset_time_duration": error.reset}
            )
        headers["x-fb-trace-id"] = f"trace{next(self._traces)}"
        return Reply(status, body, headers, note)

    def _answer(self, call: Call, facts: Mapping[str, Any]) -> Any:
        version, parts = split_path(call.path)
        if version is not None and version not in VERSIONS:
            raise GraphError(
                2635,
                "(#2635) You are calling a deprecated version of the Ads API. Please update to the latest: v26.0.",
            )
        if parts == ["oauth", "access_token"]:
            return grant(self._meta, call.params)
        if parts == ["debug_token"]:
            return debug_token(self._meta, call.params)
        accounts = self._meta.let_in(call.params.get("access_token"), call.params.get("appsecret_proof"))
        now = self._meta.now()
        removed = _REMOVED if version == "v26.0" or now >= _REMOVED_FROM else ()
        if gone := [name for name in removed if name in call.params]:
            raise bad(f"The parameter {gone[0]} is not supported any more")
        account = facts.get("account")
        known = account in self._meta.world.accounts
        insights = facts["kind"] in ("insights", "report", "poll", "results")
        self._meta.limits.check(account if known else None, writes=call.method == "POST", insights=insights)
        if account is not None and known and account not in accounts:
            raise GraphError(
                200,
                "(#200) Ad account owner has NOT grant ads_management or ads_read permission",
                status=403,
            )
        if not parts or len(parts) > 2:
            raise GraphError(2500, f"Unknown path components: /{'/'.join(parts[1:])}")
        return self._of(call, parts, accounts, now)

    def _of(self, call: Call, parts: list[str], accounts: set[str], now: datetime) -> Any:
        if parts[0] in ("me", _ME):
            return self._user(call, parts[1:], accounts, now)
        return self._node_or_edge(call, parts, now)

    def _nested(self, call: Call) -> Any:
        """What an expanded field holds; it is part of its call, and costs nothing of its own."""
        accounts = self._meta.let_in(call.params.get("access_token"), call.params.get("appsecret_proof"))
        return self._of(call, split_path(call.path)[1], accounts, self._meta.now())

    def _user(self, call: Call, edge: list[str], accounts: set[str], now: datetime) -> Any:
        if not edge:
            node = {"id": _ME, "name": "Sandbox system user"}
            return self._picked(call, node, "user", default=("name", "id"))
        if edge[0] not in EDGES["user"]:
            raise GraphError(2500, f"Unknown path components: /{edge[0]}")
        if edge[0] in ("adaccounts", "assigned_ad_accounts"):
            found = [one.node(now) for one in self._meta.world.accounts.values() if one.id in accounts]
            return self._edge(call, found, "account")
        if edge[0] == "permissions":
            return {"data": [{"permission": name, "status": "granted"} for name in SCOPES]}
        return {"data": []}

    def _node_or_edge(self, call: Call, parts: list[str], now: datetime) -> Any:
        world = self._meta.world
        run = self._meta.runs.find(parts[0], now)
        if run is not None:
            if parts[1:] == ["insights"]:
                return self._results(call, run, now)
            return self._picked(call, self._meta.runs.look(run, now), "report", default=REPORT_DEFAULT)
        account = world.accounts.get(parts[0].removeprefix("act_")) if parts[0].startswith("act_") else None
        thing = world.things.get(parts[0])
        if thing is not None and thing.created > now:
            thing = None
        if account is None and thing is None:
            raise GraphError(
                100,
                f"Unsupported {call.method.lower()} request. Object with ID '{parts[0]}' does not exist, cannot be"
                " loaded due to missing permissions, or does not support this operation.",
                subcode=33,
                kind="GraphMethodException",
            )
        if len(parts) == 1:
            if account is not None:
                return self._picked(call, account.node(now), "account", default=_ACCOUNT_DEFAULT)
            assert thing is not None
            return self._picked(call, thing.node(now), thing.level, default=("id",))
        if parts[1] == "insights":
            return self._insights(call, account or world.accounts[thing.account_id], thing, now)  # type: ignore[union-attr]
        if parts[1] not in EDGES[thing.level if thing else "account"]:
            raise GraphError(2500, f"Unknown path components: /{parts[1]}")
        level = parts[1].removesuffix("s")
        if level not in LEVELS:
            return {"data": []}
        return self._objects(call, level, account.id if account else thing.account_id, thing, now)  # type: ignore[union-attr]

    def _objects(self, call: Call, level: str, account: str, under: Thing | None, now: datetime) -> Any:
        filters = parse_object_filters(call.params, level)
        statuses = listed(call.params, "effective_status")
        found = []
        for one in self._meta.world.of(account, level, now):
            status = one.effective_status(now)
            asked = statuses is not None or any(each.of_status for each in filters)
            if (under is not None and under not in one.line) or (status == "DELETED" and not asked):
                continue
            if (statuses is None or status in statuses) and keeps_thing(filters, one, now):
                found.append(one.node(now))
        return self._edge(call, found, level)

    def _edge(self, call: Call, nodes: list[dict[str, Any]], kind: str) -> dict[str, Any]:
        limit = parse_limit(call.params)
        scope = f"{call.path} {kind}"
        _, offset = position_of(call.params.get("after"), scope)
        default = _ACCOUNT_DEFAULT if kind == "account" else ("id",)
        rows = [self._picked(call, node, kind, default=default) for node in nodes[offset : offset + limit]]
        more = offset + limit < len(nodes)
        page = Page(rows, cursor_of(0, offset, scope), cursor_of(0, offset + len(rows), scope), more)
        body = self._paged(call, page, scope)
        if call.params.get("summary") not in (None, "false"):
            body["summary"] = {"total_count": len(nodes)}
        return body

    def _insights(self, call: Call, account: Account, thing: Thing | None, now: datetime) -> Any:
        level = thing.level if thing is not None else "account"
        query = parse_query(
            call.params,
            account,
            thing.id if thing else account.id,
            level,
            account.today(now),
            split_path(call.path)[0],
        )
        entities = len(self._meta.world.of(account.id, query.level, now)) if query.level != "account" else 1
        if call.method == "POST":
            facts = {"account": account.id, "level": query.level, "days": query.days}
            facts["filtered"] = bool([one for one in query.filters if one.name == "id"])
            run = self._meta.runs.create(query, dict(call.params), now, entities, facts)
            # Printed as a number in one place of the docs, as a string in captures: clients must take both.
            return {"report_run_id": run.id}
        if entities * query.days > self._meta.options.max_sync_rows:
            raise bad("Too much data was requested", subcode=1487534)
        return self._page(call, query, now)

    def _results(self, call: Call, run: Run, now: datetime) -> Any:
        if run.as_of is None or run.status != "Job Completed":
            # No error: what is there so far, which looks like a whole answer.
            limit = max(1, parse_limit(call.params) // 2)
            page = self._meta.insights.page(run.query, now, limit, None, run.id)
            return self._paged(call, Page(page.rows, page.before, page.after, False), run.id)
        query = run.query
        summary = parse_summary(call.params, query.fields, split_path(call.path)[0])
        if summary is not None:
            if strange := [name for name in summary if name not in (query.fields or DEFAULT_FIELDS)]:
                raise bad(
                    f"Cannot include {', '.join(strange)} in summary param because they weren't there while creating"
                    " the report run"
                )
            query = replace(query, summary=summary)
        return self._page(call, query, run.as_of, scope=run.id)

    def _page(self, call: Call, query: Query, now: datetime, scope: str | None = None) -> Any:
        limit = parse_limit(call.params)
        scope = scope or " ".join(
            [call.path.split("/", 1)[-1], *(call.params.get(name, "") for name in _FINGERPRINT)]
        )
        page = self._meta.insights.page(query, now, limit, call.params.get("after"), scope)
        if len(page.rows) > self._meta.options.max_page_rows:
            raise GraphError(
                1, "Please reduce the amount of data you're asking for, then retry your request", status=500
            )
        body = self._paged(call, page, scope)
        if query.summary is not None:
            body["summary"] = self._meta.insights.totals(query, now)
        return body

    def _paged(self, call: Call, page: Page, scope: str) -> dict[str, Any]:
        facts, faults = self.facts(call), self._meta.faults
        rows, after, more = page.rows, page.after, page.more
        if (missing := faults.take("missing_rows", **facts)) is not None:
            rows = rows[: max(0, len(rows) - int(missing.args.get("drop", 1)))]
        if rows and faults.take("empty_page", **facts) is not None:
            position = position_of(page.before, scope)
            rows, after, more = [], cursor_of(*position, scope, salt=next(self._traces)), True
        if faults.take("cursor_loop", **facts) is not None:
            after, more = page.before, True
        if faults.take("no_next", **facts) is not None:
            more = False
        if not rows and not more:
            return {"data": []}
        paging: dict[str, Any] = {"cursors": {"before": page.before, "after": after}}
        if more:
            params = {**call.params, "after": after}
            paging["next"] = f"{call.base}/{call.path}?{urlencode(params)}"
        return {"data": rows, "paging": paging}

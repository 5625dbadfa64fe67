"""Which accounts a tenant has, and which of those that fail are its own."""

from __future__ import annotations

import json

import pytest

from weathervane.google_ads._accounts import _TREE, find_accounts
from weathervane.source import ConfigurationError, CredentialsError, FatalError, IncompleteError


def test_configured_accounts_are_read_alone_and_a_manager_stands_for_its_clients(begin):
    """One that is not reached is a mistake, and said."""
    bench = begin(clients=3, days=2)
    world = bench.vendor.world
    branch = next(
        one for one, account in world.accounts.items() if account.manager and one not in world.accessible
    )
    (far,) = world.accounts[branch].clients
    with bench.client(customer_ids=branch) as client:
        assert [one.id for one in find_accounts(client).customers] == [far]
    with bench.client(customer_ids=bench.clients()[0]) as client:
        assert [one.id for one in find_accounts(client).customers] == [bench.clients()[0]]
    with (
        bench.client(customer_ids="999-999-9999") as client,
        pytest.raises(CredentialsError, match="9999999999 is not among"),
    ):
        find_accounts(client)


@pytest.mark.parametrize("chosen", [False, True])
def test_an_account_that_does_not_list_itself_lists_not_all(begin, chosen):
    """An empty answer would leave its accounts unread, and the run would say that all is well."""
    bench = begin(clients=4, days=2)
    with bench.client() as client:
        everyone = find_accounts(client)
    skip = len(bench.vendor.world.accessible) if chosen else 0
    (root,) = [one for one in bench.vendor.world.accessible if bench.vendor.world.accounts[one].manager][:1]
    bench.vendor.faults.add("missing_rows", skip=skip, match={"resource": "customer_client"}, rows=99)
    with bench.client(**({"customer_ids": root} if chosen else {})) as client:
        with pytest.raises(IncompleteError, match=r"customer_client of \d{10}: 0 accounts"):
            find_accounts(client)
        assert find_accounts(client).customers
    with bench.client() as client:
        assert find_accounts(client) == everyone


@pytest.mark.parametrize(
    ("code", "told"), [("CUSTOMER_NOT_ENABLED", "skipped"), ("USER_PERMISSION_DENIED", "denied")]
)
def test_a_configured_manager_that_cannot_be_listed_stops_no_other(begin, code, told):
    """The accounts that were configured beside it are read."""
    bench = begin(clients=4, days=2)
    world = bench.vendor.world
    (root,) = [one for one in world.accessible if world.accounts[one].manager][:1]
    client_of_its_own = next(one for one in bench.clients() if one in world.accessible)
    skip = len(world.accessible)
    facts = {"resource": "customer_client"}
    bench.vendor.faults.add("error", skip=skip, match=facts, code=f"authorizationError.{code}")
    with bench.client(customer_ids=f"{root},{client_of_its_own}") as client:
        found = find_accounts(client)
    assert [one.id for one in found.customers] == [client_of_its_own]
    assert root in ({one.id for one in found.skipped} if told == "skipped" else found.denied)


def test_a_tenant_without_enabled_accounts_is_told_so(begin):
    """Instead of an empty success."""
    bench = begin(days=2)
    bench.vendor.change("set_status", customer=bench.clients()[0], status="SUSPENDED")
    with pytest.raises(
        ConfigurationError, match=r"none of the .* accounts that are reached is an enabled client"
    ):
        bench.run()


def test_an_account_that_nobody_configured_fails_no_run(begin):
    """A root that denies access is not this tenant's, be it a manager or an account with direct access."""
    bench = begin(clients=4, days=2)
    world = bench.vendor.world
    first, *others = world.accessible
    own = next(one for one in world.accounts[first].clients if one in bench.clients())
    for root in others:
        bench.vendor.faults.add(
            "error", None, code="authorizationError.USER_PERMISSION_DENIED", match={"customer": root}
        )
    bench.run(credentials={"customer_ids": own})
    assert bench.reader.failed == {}
    assert {row["customer_id"] for row in bench.rows()} == {own}


def test_a_configured_account_that_is_not_reached_fails_the_run_after_the_others(begin):
    """A wrong number is said at the end: it stops nobody whose number is right."""
    bench = begin(clients=2, days=2)
    own = bench.clients()[0]
    with pytest.raises(CredentialsError, match=r"not 9999999999: .*9999999999 is not among") as caught:
        bench.run(credentials={"customer_ids": f"9999999999,{own}"})
    assert caught.value.reason == "ACCOUNTS_DENIED"
    assert bench.reader.failed["9999999999"].reason == "CUSTOMER_NOT_REACHED"
    assert {row["customer_id"] for row in bench.rows()} == {own}


def test_a_configured_account_that_may_be_below_a_denied_manager_names_it(begin):
    """Who is denied the manager cannot know whether the account is there: both are said."""
    bench = begin(clients=4, days=2)
    world = bench.vendor.world
    first, second = world.accessible[:2]
    below = next(one for one in world.accounts[first].clients if one not in world.accounts[second].clients)
    direct = next(one for one in bench.clients() if one in world.accessible)
    bench.vendor.faults.add(
        "error", None, code="authorizationError.USER_PERMISSION_DENIED", match={"customer": first}
    )
    with bench.client(customer_ids=f"{direct},{below}") as client:
        found = find_accounts(client)
    assert [one.id for one in found.customers] == [direct]
    assert list(found.denied) == [first, below]
    with (
        bench.client(customer_ids=below) as client,
        pytest.raises(CredentialsError, match="USER_PERMISSION_DENIED"),
    ):
        find_accounts(client)


def test_a_closed_account_is_skipped_and_said(begin):
    """It is not asked, the others are read, and the run lists it."""
    bench = begin(clients=3)
    bench.run()
    world = bench.vendor.world
    closed = {one for one, account in world.accounts.items() if account.status != "ENABLED"}
    assert {one.id for one in bench.reader.skipped} == closed
    assert {one.reason for one in bench.reader.skipped} == {"CANCELED", "SUSPENDED"}
    assert not any(one in request["path"] for one in closed for request in bench.queries())
    bench.assert_true()


def test_an_account_that_closes_between_list_and_report_is_skipped(begin):
    """CUSTOMER_NOT_ENABLED concerns that account alone."""
    bench = begin(clients=2)
    closed, open_ = bench.clients()
    bench.vendor.faults.add(
        "error", None, code="authorizationError.CUSTOMER_NOT_ENABLED", match={"customer": closed}
    )
    bench.run()
    assert [one.id for one in bench.reader.skipped if one.reason == "CUSTOMER_NOT_ENABLED"] == [closed]
    assert {row["customer_id"] for row in bench.rows()} == {open_}


def test_an_account_that_is_denied_fails_the_run_after_the_others(begin):
    """USER_PERMISSION_DENIED is somebody's mistake: the others are read, and the run says which was not."""
    bench = begin(clients=2)
    denied, open_ = bench.clients()
    bench.vendor.faults.add(
        "error", None, code="authorizationError.USER_PERMISSION_DENIED", match={"customer": denied}
    )
    with pytest.raises(CredentialsError, match=rf"not {denied}: .*USER_PERMISSION_DENIED.*request id"):
        bench.run()
    assert {row["customer_id"] for row in bench.rows()} == {open_}


def test_a_manager_that_is_denied_fails_the_run_after_the_others(begin):
    """One of the roots may not be listed: what the other one reaches is read all the same."""
    bench = begin(clients=3, days=5)
    denied = bench.vendor.world.accessible[1]
    bench.vendor.faults.add(
        "error", None, code="authorizationError.USER_PERMISSION_DENIED", match={"customer": denied}
    )
    with pytest.raises(CredentialsError, match=rf"not {denied}: .*USER_PERMISSION_DENIED"):
        bench.run()
    bench.assert_true()


def test_managers_are_never_asked_for_figures_and_shared_clients_once(begin):
    """Two managers share a client; Google answers metrics of a manager with an error."""
    bench = begin(clients=3)
    bench.run()
    managers = {one for one, account in bench.vendor.world.accounts.items() if account.manager}
    reports = [one for one in bench.queries() if "metrics." in one["body"]]
    assert not any(f"/customers/{one}/" in request["path"] for one in managers for request in reports)
    asked = [(request["path"], request["body"]) for request in reports]
    assert len(asked) == len(set(asked))
    assert {path.split("/")[3] for path, _ in asked} == set(bench.clients())


@pytest.mark.parametrize("zone", ["America/Newzone", "America", "../etc/passwd", "x" * 5_000, "\x00"])
@pytest.mark.parametrize("configured", [False, True])
def test_an_account_of_an_unknown_time_zone_fails_by_itself(begin, zone, configured):
    """Its days are not known; those of the others are, and they are read."""
    bench = begin(clients=3, days=2)
    odd, *others = bench.clients()
    bench.vendor.change("update", customer=odd, level="customer", key=odd, set={"customer.time_zone": zone})
    credentials = {"customer_ids": bench.vendor.world.accessible[0]} if configured else {}
    reached = {one for one, _ in bench.vendor.world.below(bench.vendor.world.accessible[0])}
    with bench.client(**credentials) as client:
        found = find_accounts(client)
    expected = {one for one in others if one in reached or not configured}
    assert {one.id for one in found.customers} == expected
    assert odd in reached
    assert [(number, error.reason) for number, error in found.denied.items()] == [(odd, "UNKNOWN_TIME_ZONE")]
    with pytest.raises(
        FatalError, match=f"all other accounts were read, but not {odd}: account {odd}: its time"
    ):
        bench.run(credentials=credentials)
    assert {row["customer_id"] for row in bench.rows()} == expected


ODD_ROWS = {
    "no object": (lambda row: 5, False),
    "nothing": (lambda row: None, False),
    "another member": (lambda row: {"customer": {}}, False),
    "no id": (lambda row: {"customerClient": {**row["customerClient"], "id": None}}, False),
    "an id that is no number": (
        lambda row: {"customerClient": {**row["customerClient"], "id": "x/y"}},
        False,
    ),
    "an id as a number": (
        lambda row: {"customerClient": {**row["customerClient"], "id": int(row["customerClient"]["id"])}},
        True,
    ),
    **{
        f"{name} {value!r}": (
            lambda row, name=name, value=value: {"customerClient": {**row["customerClient"], name: value}},
            True,
        )
        for name, value in (("manager", "x"), ("status", 5), ("timeZone", []), ("timeZone", "Mars/Base"))
    },
}


def test_an_odd_row_of_the_list_of_accounts_costs_that_account(begin):
    """The others are read, and then the run fails with its number and what to do; an odd name costs nothing."""
    bench = begin(clients=4, days=2)
    with bench.client() as client:
        everyone = find_accounts(client)
        tree = {one: json.loads(client.stream(one, _TREE)) for one in bench.vendor.world.accessible}
    root = next(one for one in tree if len(tree[one][0]["results"]) > 2)
    lost = next(one.id for one in everyone.customers if one.login == root)

    def found(change, **credentials):
        chunks = json.loads(json.dumps(tree[root]))
        rows = chunks[0]["results"]
        number = [row["customerClient"]["id"] for row in rows].index(lost)
        rows[number] = change(rows[number])
        bench.vendor.faults.clear()
        skip = list(bench.vendor.world.accessible).index(root)
        facts = {"resource": "customer_client"}
        bench.vendor.faults.add("wrong_content", 1, match=facts, skip=skip, body=json.dumps(chunks))
        with bench.client(**credentials) as client:
            return find_accounts(client)

    others = [one for one in everyone.customers if one.id != lost]
    for way, (change, named) in ODD_ROWS.items():
        accounts = found(change)
        assert [one for one in accounts.customers if one.id != lost] == others, way
        assert [*accounts.denied] == [lost if named else f"an account below {root}"], way
        (error,) = accounts.denied.values()
        assert "time zone" in error.message or "naming the others in customer_ids" in error.message
    accounts = found(ODD_ROWS["no object"][0], customer_ids=others[0].id)
    assert ([one.id for one in accounts.customers], accounts.denied) == ([others[0].id], {})
    for name in ("descriptiveName", "currencyCode"):
        accounts = found(lambda row, name=name: {"customerClient": {**row["customerClient"], name: 5}})
        assert (len(accounts.customers), accounts.denied) == (len(everyone.customers), {})


def test_a_run_reads_the_accounts_beside_an_odd_row_and_then_fails(begin):
    """Whichever row it is, the account's own among them."""
    bench = begin(clients=3, days=2)
    with bench.client() as client:
        tree = {one: json.loads(client.stream(one, _TREE)) for one in bench.vendor.world.accessible}
        root = next(one for one in tree if len(tree[one][0]["results"]) > 2)
    own = [row for row in tree[root][0]["results"] if row["customerClient"]["id"] == root]
    own[0]["customerClient"]["manager"] = "x"
    skip = list(bench.vendor.world.accessible).index(root)
    facts = {"resource": "customer_client"}
    bench.vendor.faults.add("wrong_content", 1, match=facts, skip=skip, body=json.dumps(tree[root]))
    with pytest.raises(
        FatalError, match=rf"all other accounts were read, but not {root}: its row of .*customer_ids"
    ):
        bench.run()
    bench.assert_true()

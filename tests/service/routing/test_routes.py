"""The table of routes: set as a whole, followed by all processes, and applied at accept and at each try."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from dispatcher.bootstrap import open_context
from dispatcher.domain.campaigns.campaign import CampaignPlan
from dispatcher.domain.delivery.provider import Deferred, Outcome, Outgoing, Unsent
from dispatcher.domain.errors import Invalid, InvalidRoutes, Misconfigured
from dispatcher.domain.routing.provider_state import BreakerPhase, Override, ProviderState
from dispatcher.domain.tier import Tier
from dispatcher.service.campaigns import campaigns
from dispatcher.service.campaigns.launch import launch
from dispatcher.service.context import Context
from dispatcher.service.messages import search
from dispatcher.service.messages.explain import explain
from dispatcher.service.route_cache import RouteCache
from dispatcher.service.routing import routes
from dispatcher.service.routing.routes import RouteQuestion
from dispatcher.settings import ProviderSettings
from tests.audience import audience
from tests.world import NUMBER, ScriptedProvider, World

FRENCH = "+33612345678"


@pytest.fixture
def three(world: World) -> World:
    """Return a world with the providers alpha, beta and gamma."""
    world.providers = {name: ScriptedProvider() for name in ("alpha", "beta", "gamma")}
    return world


async def put(world: World, *rules: dict[str, object], **senders: object) -> None:
    await routes.set_table(world.ctx, {"rules": list(rules), "senders": senders}, by="ann")


def to(*names: str, **conditions: object) -> dict[str, object]:
    return {"ways": [[name] for name in names], **conditions}


def anew(ctx: Context) -> Context:
    """Return the context of another process, which has not read a table yet."""
    return replace(ctx, routes=RouteCache())


def went_to(world: World) -> list[str]:
    return [name for name, provider in world.providers.items() if provider.seen]


async def sent(world: World, number: str = NUMBER, **more: Any) -> tuple[int, list[str]]:
    """Send a message and return its status, and the providers that were called."""
    for provider in world.providers.values():
        provider.seen.clear()
    [message] = (await world.submit(number, **more)).messages
    await world.deliver()
    return int((await world.row(message.id)).status), went_to(world)


def test_messages_follow_the_table_and_without_one_the_order_of_the_settings(three: World) -> None:
    async def story() -> None:
        assert await sent(three) == (12, ["alpha"])
        await put(
            three,
            to("gamma", countries=["FR"]),
            to("beta", tiers=["critical"], senders=["SHOP"], accounts=["shop"]),
            to("alpha"),
        )
        assert await sent(three, FRENCH) == (12, ["gamma"])
        assert await sent(three, tier=Tier.CRITICAL) == (12, ["beta"])
        assert await sent(three) == (12, ["alpha"])
        other = await three.another_account("bank")
        assert await sent(three, tier=Tier.CRITICAL, caller=other) == (12, ["alpha"])
        await routes.set_table(three.ctx, {}, by="ann")
        assert await sent(three, FRENCH) == (12, ["alpha"])

    three.run(story)


def test_each_table_is_kept_and_the_newest_is_in_force(three: World) -> None:
    async def story() -> None:
        assert (await routes.table_in_force(three.ctx)).set_by is None
        await put(three, to("alpha"))
        await put(three, to("beta"))
        found = await routes.table_in_force(three.ctx)
        assert (found.document, found.set_by) == ({"rules": [to("beta")], "senders": {}}, "ann")
        assert found.set_at is not None
        rows = await three.all("SELECT document FROM routes ORDER BY id")
        assert [row.document["rules"] for row in rows] == [[to("alpha")], [to("beta")]]

    three.run(story)


def test_a_table_with_faults_changes_nothing_and_all_faults_are_reported(three: World) -> None:
    async def story() -> None:
        await put(three, to("beta"))
        wrong = {
            "rules": [to("alpha", "zeta", accounts=["nobody"]), {"ways": [{"alpha": 0}], "tiers": ["x"]}]
        }
        with pytest.raises(InvalidRoutes) as caught:
            await routes.set_table(three.ctx, wrong, by="ann")
        assert [fault.field for fault in caught.value.faults] == [
            "rule 2, tiers",
            "rule 2, group 1, 'alpha'",
            "rule 1, ways",
            "rule 1, accounts",
        ]
        with pytest.raises(InvalidRoutes, match="must be an object"):
            await routes.set_table(three.ctx, [], by="ann")
        assert len(await three.all("SELECT 1 FROM routes")) == 1
        assert await sent(three) == (12, ["beta"])

    three.run(story)


def test_a_check_warns_and_changes_nothing(three: World) -> None:
    async def story() -> None:
        warnings = await routes.check(three.ctx, {"rules": [to("alpha"), to("beta", countries=["FR"])]})
        assert list(warnings) == ["rule 2 is never reached: rule 1 matches all its messages"]
        assert await three.all("SELECT 1 FROM routes") == []

    three.run(story)


def test_another_process_loads_a_new_table_when_it_refreshes(three: World) -> None:
    async def story() -> None:
        elsewhere = anew(three.ctx)
        await routes.ensure_table(elsewhere)
        await put(three, to("beta", accounts=["shop"]))
        assert elsewhere.routes.version == 0
        await routes.refresh(elsewhere)
        assert elsewhere.routes.table == three.ctx.routes.table
        assert elsewhere.routes.accounts == {three.caller.account.id: "shop"}
        before = elsewhere.routes.table
        await routes.refresh(elsewhere)
        assert elsewhere.routes.table is before

    three.run(story)


def test_an_open_context_follows_the_table(three: World) -> None:
    """Its providers are those of the settings: none here, which a table need not name."""

    async def story() -> None:
        async with open_context(three.settings, name="test") as elsewhere:
            assert elsewhere.routes.version == 0
            await put(three, to("beta"))
            async with asyncio.timeout(10):
                while elsewhere.routes.version == 0:  # noqa: ASYNC110 - no event to wait for
                    await asyncio.sleep(0.05)
            assert elsewhere.routes.table == three.ctx.routes.table

    three.run(story)


def test_a_process_reads_the_table_before_its_first_message(three: World) -> None:
    async def story() -> None:
        await put(three, to("beta"))
        three.ctx = anew(three.ctx)
        assert await sent(three) == (12, ["beta"])
        three.ctx = anew(three.ctx)
        [message] = (await three.submit()).messages
        three.ctx = anew(three.ctx)
        three.providers["beta"].seen.clear()
        await three.deliver([message.id])
        assert went_to(three) == ["beta"]

    three.run(story)


def test_a_table_that_this_version_cannot_read_leaves_the_old_one_in_force(three: World) -> None:
    async def story() -> None:
        await put(three, to("beta"))
        await three.all("INSERT INTO routes (document, set_by) VALUES ('{\"rules\": 1}', 'a newer version')")
        with pytest.raises(Misconfigured, match="cannot read the routes set by a newer version"):
            await routes.refresh(three.ctx)
        assert await sent(three) == (12, ["beta"])
        three.ctx = anew(three.ctx)
        with pytest.raises(Misconfigured, match="rules: must be a list"):
            await three.submit()
        await put(three, to("gamma"))
        assert await sent(three) == (12, ["gamma"])

    three.run(story)


def test_a_message_without_a_route_is_refused_as_28_and_costs_nothing(three: World) -> None:
    async def story() -> None:
        await put(three, {"countries": ["KE"], "ways": []}, to("alpha"))
        [message] = (await three.submit()).messages
        assert await three.events(message.id) == [(28, "rule 1 sends nothing to KE")]
        assert await three.balance() == 10_000

    three.run(story)


def test_a_message_that_loses_its_route_while_it_waits_ends_as_28_with_a_refund(three: World) -> None:
    async def story() -> None:
        [message] = (await three.submit()).messages
        await put(three, {"countries": ["KE"], "ways": []}, to("alpha"))
        await three.deliver()
        assert (await three.events(message.id))[-1] == (28, "rule 1 sends nothing to KE")
        assert (went_to(three), await three.balance()) == ([], 10_000)

    three.run(story)


def test_a_sender_that_may_not_be_used_there_is_24_at_accept_and_while_it_waits(
    three: World,
) -> None:
    async def story() -> None:
        [waiting] = (await three.submit()).messages
        await put(three, to("alpha"), KE={"alphanumeric": "registered", "registered": ["BANK"]})
        [message] = (await three.submit()).messages
        await three.deliver()
        reason = "sender SHOP may not be used in KE"
        assert await three.events(message.id) == [(24, reason)]
        assert (await three.events(waiting.id))[-1] == (24, reason)
        assert (went_to(three), await three.balance()) == ([], 10_000)

    three.run(story)


def test_a_sender_is_replaced_for_the_provider_and_the_message_says_so(three: World) -> None:
    async def story() -> None:
        await put(three, to("alpha"), KE={"alphanumeric": "forbidden", "replace_with": "20880"})
        [message] = (await three.submit()).messages
        assert (await three.events(message.id))[0] == (
            11,
            "accepted; the sender is shown as 20880, because SHOP may not be used there",
        )
        await three.deliver()
        assert [outgoing.sender for outgoing in three.providers["alpha"].seen] == ["20880"]
        await sent(three, FRENCH)
        assert [outgoing.sender for outgoing in three.providers["alpha"].seen] == ["SHOP"]

    three.run(story)


def test_messages_are_shared_by_weight_and_a_retry_has_the_same_order(three: World) -> None:
    async def story() -> None:
        await put(three, {"ways": [{"alpha": 1, "beta": 1, "gamma": 1}]})
        calls: dict[str, list[str]] = {}
        for name, provider in three.providers.items():

            async def answer(outgoing: Outgoing, name: str = name) -> Outcome:
                calls.setdefault(outgoing.reference, []).append(name)
                return Unsent("no connection")

            provider.answer = answer
        batch = await three.submit([f"+2547123456{n:02}" for n in range(60)])
        await three.deliver()
        first = {reference: list(names) for reference, names in calls.items()}
        calls.clear()
        await three.all("UPDATE messages SET place = 'lane'")
        await three.deliver([message.id for message in batch.messages])
        assert calls == first
        assert len(first) == 60
        assert {names[0] for names in first.values()} == set(three.providers)

    three.run(story)


def test_a_message_that_one_provider_of_a_group_does_not_take_goes_to_the_others(three: World) -> None:
    async def story() -> None:
        await put(three, {"ways": [{"alpha": 1000000, "beta": 1}]})
        three.providers["alpha"].always(Deferred("busy"))
        assert await sent(three) == (12, ["alpha", "beta"])

    three.run(story)


def test_the_cheapest_provider_of_the_country_is_tried_first(three: World) -> None:
    for name, prices in (("alpha", {"KE": 3}), ("beta", {"KE": 2, "FR": 4}), ("gamma", {"*": "3.5"})):
        settings = {"name": name, "plugin": "test", "tps": 1000, "prices": prices}
        three.configs[name] = ProviderSettings.model_validate(settings).config()

    async def story() -> None:
        await put(three, {"ways": [["alpha", "beta", "gamma"]], "order": "cheapest"})
        assert await sent(three) == (12, ["beta"])
        assert await sent(three, FRENCH) == (12, ["gamma"])

    three.run(story)


def test_provider_states_are_applied_at_each_try(three: World) -> None:
    async def story() -> None:
        states: dict[str, ProviderState] = {}
        three.ctx = replace(three.ctx, provider_states=states)
        await put(three, to("alpha", "beta"))
        states["alpha"] = ProviderState(BreakerPhase.OPEN)
        assert await sent(three) == (12, ["beta"])
        states["alpha"] = ProviderState(BreakerPhase.OPEN, Override.PINNED)
        assert await sent(three) == (12, ["alpha"])
        states |= {
            "alpha": ProviderState(override=Override.DRAINED),
            "beta": ProviderState(override=Override.DRAINED),
        }
        assert await sent(three) == (28, [])

    three.run(story)


def test_a_provider_that_is_no_longer_configured_is_skipped(three: World) -> None:
    async def story() -> None:
        await put(three, to("gamma", "alpha"))
        providers = {name: provider for name, provider in three.ctx.providers.items() if name != "gamma"}
        three.ctx = replace(anew(three.ctx), providers=providers)
        with capture_logs() as logs:
            assert await sent(three) == (12, ["alpha"])
        unknown = [line["providers"] for line in logs if line["event"] == "routes_name_unknown_providers"]
        assert unknown == [["gamma"]]

    three.run(story)


def test_plans_are_shared_by_equal_messages_and_never_outlive_their_table(three: World) -> None:
    async def story() -> None:
        await put(three, to("alpha", prefixes=["+2547"]), to("beta"))
        await three.submit([f"+2547123456{n:02}" for n in range(50)])
        assert len(three.ctx.routes.plans) == 1
        await put(three, to("beta"))
        assert await sent(three) == (12, ["beta"])

    three.run(story)


def test_recipients_of_a_campaign_follow_the_table(three: World) -> None:
    async def story() -> None:
        await put(three, {"tiers": ["bulk"], "prefixes": ["+254700000001"], "ways": []}, to("beta"))
        plan = CampaignPlan(
            name="spring", text="Hello", audience_id=await audience(three, 3), at=three.time.now()
        )
        made = await campaigns.create(three.ctx, three.caller.account, plan)
        await campaigns.start(three.ctx, three.caller.account, str(made.public_id))
        await launch(three.ctx)
        rows = await three.all("SELECT number, status FROM messages ORDER BY number")
        assert [(row.number[-1], row.status) for row in rows] == [("0", 11), ("1", 28), ("2", 11)]

    three.run(story)


def test_a_waiting_message_has_a_sentence_on_its_route(three: World) -> None:
    async def story() -> None:
        await put(three, to("gamma", "beta"), KE={"alphanumeric": "forbidden", "replace_with": "20880"})
        [message] = (await three.submit(after=timedelta(hours=1))).messages

        async def said() -> str:
            history = await search.history(three.ctx, message.id)
            route = routes.route_sentence(three.ctx, history.message)
            return " ".join(explain(history, now=three.time.now(), consumed={}, route=route))

        assert (
            "Its route is gamma, then beta, by rule 1 of the routes. Its sender is shown as 20880."
            in await said()
        )
        await put(three, {"ways": []})
        assert "It has no route now: rule 1 sends nothing to KE." in await said()
        await routes.set_table(three.ctx, {}, by="ann")
        assert "Its route is alpha, then beta, then gamma." in await said()
        three.time.advance(timedelta(hours=1))
        await three.clock.release()
        await three.clock.fill()
        await three.deliver()
        assert "alpha has it" in await said()
        assert "route" not in await said()

    three.run(story)


def test_the_route_of_a_number_is_explained_step_by_step(three: World) -> None:
    async def story() -> None:
        await put(three, to("gamma", accounts=["shop"]), to("alpha"))
        account = three.caller.account
        steps = await routes.steps_for(three.ctx, RouteQuestion("0712345678", account=account))
        assert [tuple(step) for step in steps] == [
            ("country", "KE"),
            ("rule 1", "yes, it is for accounts shop"),
            ("group 1", "gamma"),
            ("sender", "SHOP"),
            ("route", "gamma"),
        ]
        named = await routes.steps_for(three.ctx, RouteQuestion(NUMBER, sender="NEWS", account=account))
        assert named[-2].found == "NEWS"
        assert (await routes.steps_for(three.ctx, RouteQuestion(NUMBER)))[-1].found == "alpha"
        with pytest.raises(Invalid, match="'0712345678'"):
            await routes.steps_for(three.ctx, RouteQuestion("0712345678"))

    three.run(story)

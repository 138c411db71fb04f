"""A dry run of an import: counts as an import does, prices as a campaign does, and stores nothing."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from dispatcher.domain.accounts.account import AccountLimits
from dispatcher.domain.campaigns.csv_rejects import FileFormat
from dispatcher.domain.errors import Invalid, NotFound
from dispatcher.service.accounts import accounts, opt_outs
from dispatcher.service.campaigns import audiences
from dispatcher.service.campaigns.audiences import Reject
from dispatcher.service.campaigns.estimate import CountryShare, Estimate, EstimateRequest, estimate
from dispatcher.service.campaigns.recipient_file import CHUNK_ROWS, ImportProgress, RecipientFile
from dispatcher.service.campaigns.text_survey import TextSurvey
from dispatcher.service.routing import routes
from dispatcher.service.submissions import templates
from dispatcher.settings import Settings
from tests.world import World

ADA, BOB, EVE, ZOE = "+254712345678", "+254712345679", "+33612345678", "+33612345679"


async def estimated(
    world: World, *lines: str, text: str | None = None, template: str | None = None, sender: str | None = None
) -> tuple[Estimate, list[Reject]]:
    rejects: list[Reject] = []

    def note_rejects(_: FileFormat, found: Sequence[Reject]) -> None:
        rejects.extend(found)

    file = RecipientFile(["\n".join(lines).encode()])
    request = EstimateRequest(text, template, sender)
    return await estimate(world.ctx, world.caller.account, file, request, on_rejects=note_rejects), rejects


async def kept(world: World) -> int:
    """Return the rows left; Postgres drops a temporary table shortly after we close the connection."""
    for _ in range(100):
        row = await world.one(
            "SELECT (SELECT count(*) FROM audiences) + (SELECT count(*) FROM recipients)"
            " + (SELECT count(*) FROM rejects) + (SELECT count(*) FROM pg_class WHERE relname = 'seen') AS n"
        )
        if not row.n:
            break
        await asyncio.sleep(0.05)
    return int(row.n)


def test_every_row_is_counted_once_and_nothing_is_kept(world: World) -> None:
    async def story() -> None:
        await opt_outs.add(world.ctx, world.caller.account, [BOB])
        found, rejects = await estimated(
            world,
            "to,name",
            ADA + ",Ada",
            BOB + ",Bob",
            "twelve,",
            "0712345678,Ada",
            EVE + ",",
            text="Hi {{name}}",
        )
        assert found.columns == ("name",)
        assert (found.rows, found.valid, found.invalid, found.repeated) == (5, 3, 1, 1)
        assert (found.opted_out, found.unsendable) == (1, 0)
        assert (found.encoding, found.separator) == ("utf-8", ",")
        assert found.texts is not None
        assert [(one.number, one.text, one.segments) for one in found.texts.first] == [
            (ADA, "Hi Ada", 1),
            (EVE, "Hi ", 1),
        ]
        assert (found.texts.segments, found.texts.empty) == ({1: 2}, {"name": 1})
        assert found.total == CountryShare(2, 2, 2)
        assert found.by_country == {"KE": CountryShare(1, 1, 1), "FR": CountryShare(1, 1, 1)}
        assert [reject.line for reject in rejects] == [4, 5]
        assert rejects[1] == Reject(5, "same number as line 2", ["0712345678", "Ada"])
        assert await kept(world) == 0

    world.run(story)


def test_cost_is_that_of_each_recipients_own_text_in_its_own_country(settings: Settings) -> None:
    priced = settings.model_copy(update={"prices": {"FR": 5, "*": 2}})
    world = World(priced)

    async def story() -> None:
        long, wide = "x" * 161, "Zoë—" * 20
        lines = ["to,words", f"{ADA},short", f"{BOB},{long}", f"{EVE},{wide}", f"{ZOE},short"]
        found, _ = await estimated(world, *lines, text="{{words}}")
        assert found.by_country == {"KE": CountryShare(2, 3, 6), "FR": CountryShare(2, 3, 15)}
        assert found.total == CountryShare(4, 6, 21)

    world.run(story)


def test_an_opt_out_of_one_sender_counts_for_that_sender_alone(world: World) -> None:
    async def story() -> None:
        await accounts.add_sender(world.ctx, world.caller.account, "NEWS")
        await opt_outs.add(world.ctx, world.caller.account, [ADA], sender="NEWS")
        await opt_outs.add(world.ctx, world.caller.account, [BOB])
        for sender, opted_out in (("NEWS", 2), ("SHOP", 1), (None, 1)):
            found, rejects = await estimated(world, "to", ADA, BOB, EVE, sender=sender)
            assert (found.opted_out, found.total.messages, rejects) == (opted_out, 3 - opted_out, [])
        with pytest.raises(NotFound, match=r"no sender 'NOBODY' that may be used \(there (is|are): .*SHOP"):
            await estimated(world, "to", ADA, sender="NOBODY")

    world.run(story)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{name}} owes {{sum}}", "the text names sum, which the file has no column for; it has name"),
        ("Hi {{name}", "the text has braces that nothing fills: '{{name}'"),
        ("Hi {{name}} {{nobody} {{x}}", "'{{nobody}'; write {{name}}"),
    ],
)
def test_a_text_that_the_file_cannot_fill_is_refused(world: World, text: str, words: str) -> None:
    async def story() -> None:
        with pytest.raises(Invalid) as caught:
            await estimated(world, "to,name", ADA + ",Ada", text=text)
        assert words in str(caught.value)
        file = RecipientFile([f"to,name\n{ADA},Ada".encode()])
        survey = TextSurvey(world.ctx, text)
        with pytest.raises(Invalid) as caught:
            await audiences.import_file(world.ctx, world.caller.account, "x", file, survey=survey)
        assert words in str(caught.value)
        assert await kept(world) == 0

    world.run(story)


def test_a_name_in_single_braces_that_is_a_column_is_a_warning(world: World) -> None:
    async def story() -> None:
        found, _ = await estimated(world, "to,name", ADA + ",Ada", text="Hi {name}, {other}")
        assert found.texts is not None
        assert found.texts.warnings == [
            "{name} is sent as it stands: write {{name}} for the value of this column"
        ]

    world.run(story)


def test_the_texts_are_counted_by_segments_and_the_first_three_are_kept(world: World) -> None:
    async def story() -> None:
        lines = [f"+2547123456{n:02},{'x' * 80 * (n % 3)}" for n in range(30)]
        found, _ = await estimated(world, "to,words", *lines, text="Dear {{ Words }}!")
        assert found.texts is not None
        assert found.texts.segments == {1: 20, 2: 10}
        assert [len(one.text) for one in found.texts.first] == [6, 86, 166]

    world.run(story)


def test_braces_in_a_value_that_nothing_fills_keep_its_row_from_being_sent(world: World) -> None:
    async def story() -> None:
        found, rejects = await estimated(
            world, "to,name", ADA + ",{{first}}", BOB + ",Bob", text="Hi {{name}}"
        )
        assert (found.unsendable, found.total.messages) == (1, 1)
        assert "'{{first}}'; write {{name}}" in rejects[0].reason

    world.run(story)


def test_a_text_that_cannot_be_sent_is_reported_by_line(world: World) -> None:
    async def story() -> None:
        found, rejects = await estimated(
            world, "to,words", f"{ADA}, ", f"{BOB},{'x' * 1531}", f"{EVE},fine", text="{{words}}"
        )
        assert (found.valid, found.unsendable, found.total.messages) == (3, 2, 1)
        assert rejects == [
            Reject(2, "the text is empty", [ADA, " "]),
            Reject(3, "text is too long: 11 segments, at most 10", [BOB, "x" * 1531]),
        ]

    world.run(story)


def test_a_template_is_priced_as_its_text_is(world: World) -> None:
    async def story() -> None:
        kept = await templates.create(world.ctx, world.caller.account, "hello", "Hello {{name}}")
        found, _ = await estimated(world, "to,name", f"{ADA},{'x' * 155}", template=kept.public_id)
        assert found.total == CountryShare(1, 2, 2)
        with pytest.raises(Invalid, match="a text or a template, not both"):
            await estimated(world, "to", ADA, text="Hello", template=kept.public_id)
        with pytest.raises(NotFound, match="no template 'nothing'"):
            await estimated(world, "to", ADA, template="nothing")

    world.run(story)


def test_repeats_are_found_in_later_chunks_and_progress_is_reported(world: World) -> None:
    async def story() -> None:
        reported: list[ImportProgress] = []
        first = [f"+2547120{place:05}" for place in range(CHUNK_ROWS + 1)]
        body = "\n".join(["to", *first, *first]).encode()

        def chunks() -> Iterator[bytes]:
            yield from (body[start : start + 100] for start in range(0, len(body), 100))

        found = await estimate(
            world.ctx,
            world.caller.account,
            RecipientFile(chunks()),
            EstimateRequest(),
            on_progress=reported.append,
        )
        assert (found.rows, found.valid, found.repeated) == (2 * len(first), len(first), len(first))
        assert reported[-1] == ImportProgress(len(body), found.rows, found.valid, found.repeated)
        assert [one.rows for one in reported] == [CHUNK_ROWS, 2 * CHUNK_ROWS, 2 * CHUNK_ROWS + 2]

    world.run(story)


def test_an_interrupted_dry_run_returns_its_connection(world: World) -> None:
    def torn() -> Iterator[bytes]:
        yield "\n".join(["to", *(f"+2547120{place:05}" for place in range(20 * CHUNK_ROWS))]).encode()
        raise FileNotFoundError("torn")

    async def story() -> None:
        reported: list[ImportProgress] = []
        for _ in range(6):  # the pool has 5
            with pytest.raises(FileNotFoundError):
                await estimate(
                    world.ctx,
                    world.caller.account,
                    RecipientFile(torn()),
                    EstimateRequest(),
                    on_progress=reported.append,
                )
        assert len(reported) > 6
        assert await kept(world) == 0

    world.run(story)


def test_recipients_without_a_route_are_not_counted_and_reported_by_line(world: World) -> None:
    async def story() -> None:
        rules = [{"countries": ["FR"], "ways": []}, {"ways": [["sim"]]}]
        senders = {"UG": {"alphanumeric": "forbidden"}}
        await routes.set_table(world.ctx, {"rules": rules, "senders": senders}, by="ann")
        found, rejects = await estimated(world, "to", ADA, EVE, "+256712345678", text="Hello")
        assert (found.valid, found.unsendable, found.by_country) == (3, 2, {"KE": CountryShare(1, 1, 1)})
        assert rejects == [
            Reject(3, "rule 1 sends nothing to FR", [EVE]),
            Reject(4, "sender SHOP may not be used in UG", ["+256712345678"]),
        ]

    world.run(story)


def test_countries_that_the_account_may_not_write_to_are_not_counted(world: World) -> None:
    async def story() -> None:
        limits = AccountLimits(countries=frozenset({"KE"}))
        world.caller = replace(
            world.caller, account=await accounts.set_limits(world.ctx, world.caller.account, limits)
        )
        found, rejects = await estimated(world, "to", ADA, EVE)
        assert (found.unsendable, list(found.by_country)) == (1, ["KE"])
        assert rejects == [Reject(3, "the account may not write to FR; it may write to KE", [EVE])]

    world.run(story)

"""The numbers that people write, in a CSV file, in inbound messages and from the producer's side."""

import csv
import io

from dispatcher.domain.inbound.addresses import read_sender_number
from dispatcher.service.campaigns import audiences
from dispatcher.service.campaigns.recipient_file import RecipientFile
from tests.world import World
from tests.written_numbers import WRITTEN


def test_a_cell_of_a_csv_file_is_read_as_in_every_way_in(world: World) -> None:
    async def story() -> None:
        for place, row in enumerate(WRITTEN):
            source = io.StringIO()
            csv.writer(source).writerows([["phone", "name"], ["+254700000000", "Zed"], [row.text, "Ann"]])
            file = RecipientFile([source.getvalue().encode()], country=row.country)
            await audiences.import_file(world.ctx, world.caller.account, f"list {place}", file)
            found = await world.all(
                "SELECT number FROM recipients ORDER BY audience_id DESC, position LIMIT 3"
            )
            numbers = [one.number for one in found if one.number != "+254700000000"][:1]
            assert row.allows(numbers[0] if numbers else None), (row, numbers)
            await world.all("DELETE FROM recipients RETURNING position")

    world.run(story)


def test_a_number_that_a_provider_reports_is_never_another() -> None:
    for row in WRITTEN:
        found = read_sender_number(row.text)
        digits = "+" + "".join(str(int(c)) for c in row.text if c.isdecimal())
        assert found in (row.number, row.text, digits), (row, found)

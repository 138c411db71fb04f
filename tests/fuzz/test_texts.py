"""Numbers, templates, times, keywords and files of recipients, with anything in them."""

from contextlib import suppress
from itertools import islice

from hypothesis import strategies as st

from dispatcher.domain.campaigns.csv_recipients import InvalidRow, RecipientRow, read_recipients
from dispatcher.domain.errors import Invalid
from dispatcher.domain.inbound.addresses import address_forms, read_sender_number
from dispatcher.domain.inbound.keywords import Keywords
from dispatcher.domain.iso_time import read_iso_time
from dispatcher.domain.messages import template
from dispatcher.domain.messages.encoding import InvalidText, measure, split
from dispatcher.domain.messages.template import MissingVariables
from dispatcher.domain.messages.text import storable_text
from dispatcher.domain.numbers.msisdn import InvalidNumber, NumberPolicy, parse
from tests.fuzz.examples import changed_octets, fuzz, texts

numbers = st.text("+0123456789 -()./٠١٢３４eE,;'\"=\0\u200e\u00a0", max_size=40) | texts
policies = st.builds(
    NumberPolicy,
    default_country=st.sampled_from(["KE", "US", "GB", "IT"]),
    national=st.booleans(),
    lenient=st.booleans(),
    blank_is_plus=st.booleans(),
    simulated=st.booleans(),
)
templates = st.text("{}ab \n{{}}é😀\0", max_size=60) | texts
cells = st.text("+254712345678,;\t\"'\n\r =@-é\0", max_size=40)
files = (
    st.lists(cells, max_size=12)
    .map("\n".join)
    .flatmap(
        lambda text: st.sampled_from(["utf-8", "utf-16", "utf-16-le", "cp1252", "utf-32"]).map(
            lambda encoding: f"phone,name\n{text}".encode(encoding, "replace")
        )
    )
)


@fuzz(numbers, policies)
def test_any_number_is_e164_or_invalid(raw: str, policy: NumberPolicy) -> None:
    try:
        found = parse(raw, policy)
    except InvalidNumber:
        return
    assert found.e164.startswith("+")
    assert found.e164[1:].isascii()
    assert found.e164[1:].isdigit()


@fuzz(templates, st.dictionaries(texts, templates, max_size=3))
def test_any_template_is_filled_or_lacks_a_variable(text: str, values: dict[str, str]) -> None:
    with suppress(MissingVariables):
        template.render(text, values)
    template.variables(text)
    template.stray_braces(text)
    template.unfilled_braces(text)
    template.warnings(text, values)


@fuzz(st.text(st.characters(exclude_categories=[]), max_size=400))
def test_any_text_is_measured_as_it_is_split_or_invalid(text: str) -> None:
    try:
        measured = measure(text)
    except InvalidText:
        return
    assert "".join(split(text)) == text
    assert measured.segments == len(split(text))


@fuzz(st.text(st.characters(exclude_categories=[]), max_size=200))
def test_any_text_can_be_stored_once_it_is_cleaned(text: str) -> None:
    storable_text(text).encode("utf-8")
    assert "\0" not in storable_text(text)


@fuzz(st.text("0123456789-:.TZ+ W", max_size=40) | texts)
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        read_iso_time(text)


@fuzz(numbers)
def test_any_address_of_a_handset_is_read(raw: str) -> None:
    read_sender_number(raw)
    address_forms(raw)
    Keywords({}).action(raw)


@fuzz(changed_octets(files | st.binary(max_size=400)), st.integers(1, 60), st.booleans())
def test_any_file_of_recipients_is_rows_or_invalid(raw: bytes, size: int, optional: bool) -> None:
    chunks = [raw[at : at + size] for at in range(0, len(raw), size)]
    with suppress(Invalid):
        rows = list(islice(read_recipients(chunks, header_optional=optional).rows, 1000))
        assert all(isinstance(row, RecipientRow | InvalidRow) for row in rows)

import aiohttp
import pytest

from dispatcher.callbacks.connector import PrivateAddress, open_connector
from dispatcher.callbacks.look_ups import LookUps
from dispatcher.callbacks.poster import HttpPoster
from dispatcher.domain.callbacks.callback import CallbackReply, CallbackRequest
from dispatcher.domain.callbacks.urls import UrlRules
from tests.callbacks.internet import Internet, Names, run, run_on_internet
from tests.providers.peer import Reply as Answer
from tests.providers.peer import always, http_reply, listening

PUBLIC, ALSO_PUBLIC, PRIVATE = "8.8.8.8", "2606:4700:4700::1111", "10.0.0.1"


def a_call(url: str = "http://hook.example/x") -> CallbackRequest:
    return CallbackRequest(url, b"{}", {})


def test_a_name_with_a_public_address_is_called_there() -> None:
    async def work(internet: Internet) -> None:
        async with listening(always(http_reply(200))) as peer:
            internet.leads_to = peer.port
            names = Names([PUBLIC])
            poster = HttpPoster(look_ups=LookUps(names))
            assert await poster.post(a_call("http://hook.example:8080/x")) == CallbackReply(200, "HTTP 200")
            await poster.close()
            assert names.asked == [("hook.example", 8080)]
            assert internet.connections == [PUBLIC]

    run_on_internet(work)


@pytest.mark.parametrize(
    "addresses",
    [
        [PRIVATE],
        [PUBLIC, PRIVATE],
        [PRIVATE, PUBLIC],
        [PUBLIC, ALSO_PUBLIC, "::1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["0.0.0.0"],
        ["fe80::1%2"],
        ["not an address"],
    ],
)
def test_a_name_with_any_private_address_is_refused_and_nothing_is_connected(addresses: list[str]) -> None:
    async def work(internet: Internet) -> None:
        poster = HttpPoster(look_ups=LookUps(Names(addresses)))
        reply = await poster.post(a_call())
        await poster.close()
        assert reply == CallbackReply(None, "the host hook.example has a private address")
        assert internet.connections == []

    run_on_internet(work)


def test_a_name_rebound_after_the_check_is_looked_up_once_and_called_at_the_checked_address() -> None:
    async def work(internet: Internet) -> None:
        async with listening(always(http_reply(200))) as peer:
            internet.leads_to = peer.port
            names = Names([PUBLIC], ["127.0.0.1"])
            poster = HttpPoster(look_ups=LookUps(names))
            assert (await poster.post(a_call())).status == 200
            await poster.close()
            assert len(names.asked) == 1
            assert internet.connections == [PUBLIC]

    run_on_internet(work)


def test_a_name_rebound_before_the_next_connection_is_refused() -> None:
    async def work(internet: Internet) -> None:
        async with listening(always(Answer(http_reply(200, Connection="close"), hang_up=True))) as peer:
            internet.leads_to = peer.port
            names = Names([PUBLIC], ["127.0.0.1"])
            poster = HttpPoster(look_ups=LookUps(names))
            assert (await poster.post(a_call())).status == 200
            assert "private" in (await poster.post(a_call())).reason
            await poster.close()
            assert len(names.asked) == 2
            assert internet.connections == [PUBLIC]

    run_on_internet(work)


def test_every_public_address_of_a_name_may_be_tried() -> None:
    async def work(internet: Internet) -> None:
        poster = HttpPoster(look_ups=LookUps(Names([PUBLIC, "1.1.1.1"])))
        reply = await poster.post(a_call())
        await poster.close()
        assert not reply.refused
        assert set(internet.connections) == {PUBLIC, "1.1.1.1"}

    run_on_internet(work)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "2130706433",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "localhost",
        "localhost.",
        "127.0.0.1.",
        "169.254.169.254",
        "0.0.0.0",
        "[::]",
        "user@hook.example",
    ],
)
def test_a_url_that_may_not_be_called_is_refused_without_a_look_up(host: str) -> None:
    async def work(internet: Internet) -> None:
        names = Names([PUBLIC])
        poster = HttpPoster(look_ups=LookUps(names))
        reply = await poster.post(a_call(f"http://{host}/"))
        await poster.close()
        assert reply.status is None
        assert reply.refused
        assert names.asked == []
        assert internet.connections == []

    run_on_internet(work)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_a_literal_private_address_which_no_resolver_sees_is_stopped_at_the_socket(host: str) -> None:
    async def work(internet: Internet) -> None:
        names = Names([PUBLIC])
        connector = open_connector(LookUps(names), allow_private=False, max_connections=1, max_per_host=1)
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(PrivateAddress, match="is private"):
                await session.post(f"http://{host}:9/")
        assert names.asked == []
        assert internet.connections == []

    run_on_internet(work)


def test_names_resolved_by_the_system_are_checked() -> None:
    async def work() -> None:
        connector = open_connector(LookUps(), allow_private=False, max_connections=1, max_per_host=1)
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(PrivateAddress, match="localhost has a private address"):
                await session.post("http://localhost:9/")

    run(work())


def test_a_private_name_is_called_where_that_is_allowed() -> None:
    async def work() -> None:
        async with listening(always(http_reply(204))) as peer:
            poster = HttpPoster(rules=UrlRules(allow_private=True))
            reply = await poster.post(a_call(f"http://localhost:{peer.port}/"))
            await poster.close()
            assert reply == CallbackReply(204, "HTTP 204")

    run(work())

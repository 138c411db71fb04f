from http import HTTPStatus

import pytest

from dispatcher.api.errors import CRASHED, STATUSES, describe_error
from dispatcher.domain.errors import DispatchError, KeyReused, Misconfigured, NotFound, Unavailable


def _all(kind: type[DispatchError]) -> set[type[DispatchError]]:
    return {kind}.union(*(_all(below) for below in kind.__subclasses__()))


def test_every_error_of_the_domain_has_a_status() -> None:
    domain = {kind for kind in _all(DispatchError) if kind.__module__ == "dispatcher.domain.errors"}
    assert set(STATUSES) == domain - {DispatchError}


@pytest.mark.parametrize(
    ("error", "status"),
    [(NotFound("x"), 404), (KeyReused("x"), 422), (Unavailable("x"), 503), (Misconfigured("x"), 500)],
)
def test_an_error_becomes_the_status_of_its_narrowest_kind(error: DispatchError, status: int) -> None:
    assert describe_error(error).status == status


def test_a_client_sees_no_details_of_a_bug_or_a_setting() -> None:
    assert describe_error(KeyError("secret")) == CRASHED
    misconfigured = describe_error(Misconfigured("secret"))
    assert (misconfigured.status, misconfigured.message) == (CRASHED.status, CRASHED.message)
    assert CRASHED.status is HTTPStatus.INTERNAL_SERVER_ERROR

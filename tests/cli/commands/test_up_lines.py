"""What `dispatcher up` prints to be typed next."""

import json
import shlex
from pathlib import Path
from typing import cast

import pytest

from dispatcher.cli.commands.up import NUMBER_TO_FILL_IN, SAMPLE_NUMBER, curl_command
from dispatcher.domain.numbers.msisdn import InvalidNumber, NumberPolicy, parse
from dispatcher.local.embedded.supervisor import Supervisor
from dispatcher.local.first_run import Credentials
from dispatcher.local.stack import Stack
from dispatcher.local.stack_plan import StackPlan
from dispatcher.settings import Settings


def _number(settings: Settings, *, sends_for_real: bool) -> str:
    created = Credentials(Path("credentials.json"), "token", 1, "DEMO")
    unused = cast("Supervisor", None)
    running = Stack(StackPlan(Path(".data")), unused, settings, created, sends_for_real)
    words = shlex.split(curl_command(running))
    [number] = json.loads(words[words.index("-d") + 1])["phone_numbers"]
    return str(number)


def test_the_sandbox_gets_a_sample_number(settings: Settings) -> None:
    assert _number(settings, sends_for_real=False) == SAMPLE_NUMBER


def test_providers_of_the_user_get_a_number_to_fill_in_that_is_refused_as_it_stands(
    settings: Settings,
) -> None:
    number = _number(settings, sends_for_real=True)
    assert number == NUMBER_TO_FILL_IN
    with pytest.raises(InvalidNumber):
        parse(number, NumberPolicy(lenient=True, unchecked=True))

"""What a call costs, where the table of prices is installed and knows the model."""

import sys
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

import pytest

from converse_stream import prices
from converse_stream.events import Served, Usage
from converse_stream.exceptions import Overloaded
from converse_stream.models import Conversation
from converse_stream.outcome import Outcome
from converse_stream.providers.openai import ChatCompletions, OpenAI
from converse_stream.testing import ScriptedProvider
from tests.turns import InTurn
from tests.waiting import finished_attempts

OPENAI = "https://api.openai.com/v1"
KNOWN = Outcome(input_tokens=1000, output_tokens=500, cached_tokens=100)

needs_table = pytest.mark.skipif(find_spec("genai_prices") is None, reason="genai-prices is not installed")


@needs_table
def test_a_known_model_has_its_list_price():
    cost = prices.cost(OPENAI, ["gpt-4o-2024-08-06"], KNOWN)

    # 900 tokens in at 2.50 $, 100 from cache at 1.25 $, 500 out at 10 $ a million.
    assert cost == Decimal("0.00737500")
    assert cost.as_tuple().exponent == -8


@needs_table
def test_the_name_asked_for_counts_where_the_name_served_is_unknown():
    assert prices.cost(OPENAI, ["", "our-own-name", "gpt-4o"], KNOWN) == prices.cost(OPENAI, ["gpt-4o"], KNOWN)


@needs_table
@pytest.mark.parametrize(
    ("url", "models", "known"),
    [
        ("", ["gpt-4o"], KNOWN),
        ("http://127.0.0.1:11434/v1", ["gpt-4o"], KNOWN),
        (OPENAI, ["no-such-model"], KNOWN),
        (OPENAI, [], KNOWN),
        (OPENAI, ["gpt-4o"], Outcome(input_tokens=1000)),
        (OPENAI, ["gpt-4o"], Outcome(output_tokens=1000)),
        (OPENAI, ["gpt-4o"], Outcome(input_tokens=1, output_tokens=1, cached_tokens=1000)),
    ],
)
def test_what_is_not_known_costs_nothing_that_could_be_told(url, models, known):
    assert prices.cost(url, models, known) is None


def test_without_the_package_nothing_has_a_price(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    prices.load.cache_clear()

    assert prices.cost(OPENAI, ["gpt-4o"], KNOWN) is None

    prices.load.cache_clear()


def test_prices_are_those_of_the_company_also_behind_a_gateway():
    assert OpenAI("mine", "m", config={"base_url": "http://gateway/v1"}).vendor_url == OPENAI
    assert ChatCompletions("any", "m", config={"base_url": "https://api.groq.com/v1"}).vendor_url.startswith(
        "https://api.groq.com"
    )
    assert ScriptedProvider([]).vendor_url == ""


class Sold(InTurn):
    vendor_url = OPENAI


USAGE = [Served("gpt-4o-2024-08-06"), Usage(1000, 500, 100)]
PRICE = Decimal("0.00737500")


@needs_table
@pytest.mark.django_db(transaction=True)
class TestAnswers:
    @pytest.fixture(params=["thread", "inline"])
    def ask(self, request: Any, settings: Any, conversation: Conversation):
        settings.CONVERSE_STREAM = {"RUNNER": request.param}
        return lambda *models: conversation.ask("go", model=models).wait(60)

    def test_an_answer_has_the_price_of_its_call(self, ask):
        message = ask(Sold(["yes", *USAGE]))
        [attempt] = finished_attempts(message)
        message.refresh_from_db()
        attempt.refresh_from_db()

        assert (attempt.cost, message.cost) == (PRICE, PRICE)

    def test_an_answer_has_the_price_of_all_its_calls(self, ask):
        """Seeds: V-26."""
        message = ask(Sold([*USAGE, Overloaded(retry_after=0)], ["yes", *USAGE]))

        assert [attempt.cost for attempt in finished_attempts(message)] == [PRICE, PRICE]
        assert message.cost == 2 * PRICE

    def test_a_call_that_was_refused_adds_nothing(self, ask):
        message = ask(Sold([Overloaded(retry_after=0)], ["yes", *USAGE]))

        assert [attempt.cost for attempt in finished_attempts(message)] == [None, PRICE]
        assert message.cost == PRICE

    def test_an_answer_without_a_known_price_has_none(self, ask):
        message = ask(Sold([*USAGE, Overloaded(retry_after=0)], ["yes"]))

        assert [attempt.cost for attempt in finished_attempts(message)] == [PRICE, None]
        assert message.cost is None

    def test_a_failed_answer_has_its_price_too(self, ask):
        message = ask(Sold(["half", *USAGE, Overloaded()]))

        assert (message.status, message.cost) == ("failed", PRICE)
        assert finished_attempts(message)[0].cost == PRICE

    def test_calls_that_all_failed_cost_what_they_told(self, ask):
        message = ask(Sold([*USAGE, Overloaded(retry_after=0)], [Overloaded(retry_after=0)]))

        assert (message.status, message.cost) == ("failed", PRICE)

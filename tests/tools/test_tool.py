"""A tool: what a model is told of a function, and what of the model's arguments reaches it."""

import datetime
import enum
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from converse_stream.events import ToolCall
from converse_stream.exceptions import BadArguments, InvalidOptions
from converse_stream.models import Message
from converse_stream.tools import Tool, Toolbox, ToolContext, find, tool
from tests.tools import site


class Unit(enum.Enum):
    CELSIUS = "celsius"


class Place(BaseModel):
    name: str
    latitude: float | None = None


@dataclass
class Span:
    days: int


def context(arguments: Any, raw: str = "{}") -> ToolContext:
    return ToolContext(Message(), ToolCall("1", "any", arguments, raw))


def described(function) -> dict[str, Any]:
    return Tool(function).declaration["parameters"]


def test_a_function_is_declared_by_its_name_docstring_and_hints() -> None:
    @tool
    def forecast(city: Annotated[str, Field(description="Where")], days: int = 3, unit: Literal["C", "F"] = "C"):
        """Tell what the weather will be."""

    assert forecast.declaration["name"] == "forecast"
    assert forecast.declaration["description"] == "Tell what the weather will be."
    parameters = forecast.declaration["parameters"]
    assert parameters["required"] == ["city"]
    assert parameters["additionalProperties"] is False
    assert parameters["properties"]["city"]["description"] == "Where"
    assert parameters["properties"]["days"]["default"] == 3
    assert parameters["properties"]["unit"]["enum"] == ["C", "F"]


def test_the_context_is_given_and_never_told_to_the_model() -> None:
    def mine(context: ToolContext, text: str = ""):
        return context

    given = context({"text": "x"})

    assert list(described(mine)["properties"]) == ["text"]
    assert Tool(mine).arguments(given) == {"context": given, "text": "x"}
    with pytest.raises(BadArguments):
        Tool(mine).arguments(context({"context": {"message": "another's"}}))


def test_a_parameter_may_have_any_name() -> None:
    def odd(schema: str, json: str, copy: int, model_config: str, _private: int):
        return None

    given = {"schema": "a", "json": "b", "copy": 1, "model_config": "c", "_private": 2}

    assert list(described(odd)["properties"]) == list(given)
    assert Tool(odd).arguments(context(given)) == given


def test_arguments_arrive_as_the_types_that_the_function_names() -> None:
    def rich(place: Place, span: Span, unit: Unit, at: datetime.date, ids: list[int], loose=None):
        return None

    given = {"place": {"name": "Oslo"}, "span": {"days": 2}, "unit": "celsius", "at": "2026-11-21", "ids": ["1", 2]}

    assert Tool(rich).arguments(context(given)) == {
        "place": Place(name="Oslo"),
        "span": Span(2),
        "unit": Unit.CELSIUS,
        "at": datetime.date(2026, 11, 21),
        "ids": [1, 2],
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "city: Field required"),
        ({"city": "Oslo", "days": "many"}, "days: "),
        ({"city": "Oslo", "country": "no"}, "country: "),
        ({"city": None}, "city: "),
        ([], "not a JSON object"),
        ("Oslo", "not a JSON object"),
        (None, "not a JSON object"),
    ],
)
def test_arguments_that_do_not_fit_are_told_without_addresses(given: Any, said: str) -> None:
    with pytest.raises(BadArguments, match=said) as caught:
        site.weather.arguments(context(given, raw='{"city": "Os'))

    assert "http" not in str(caught.value)


def test_no_arguments_at_all_are_an_empty_object() -> None:
    def now():
        return None

    assert Tool(now).arguments(context(None, raw=" ")) == {}


def test_a_schema_of_its_own_needs_no_hints_and_still_fits_the_function() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}

    def own(a):
        return a

    mine = Tool(own, name="mine", description="Mine.", parameters=schema)

    assert mine.declaration == {"name": "mine", "description": "Mine.", "parameters": schema}
    assert mine.arguments(context({"a": 1})) == {"a": 1}
    with pytest.raises(BadArguments):
        mine.arguments(context({"b": 1}))


def test_a_tool_is_still_the_function_that_it_was() -> None:
    assert site.weather("Oslo", days=2) == {"city": "Oslo", "celsius": -3, "days": 2}


def by_position(a, /):
    return a


def with_many(*args):
    return args


@pytest.mark.parametrize("bad", [by_position, with_many, lambda x: x, 3, None, b"x", type("Odd", (), {})()])
def test_what_no_model_could_call_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidOptions):
        Toolbox([bad])


@pytest.mark.parametrize("options", [{"name": "a b"}, {"name": ""}, {"timeout": 0}, {"timeout": float("nan")}])
def test_names_and_timeouts_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tool"):
        Tool(site.plain, **options)


@pytest.mark.parametrize("bad", ["weather", {"name": "weather"}, 3, None])
def test_tools_are_a_list(bad: Any) -> None:
    with pytest.raises(InvalidOptions, match="list"):
        Toolbox.checked(bad)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidOptions, match="two tools"):
        Toolbox([site.weather, "tests.tools.site.weather"])


class TestNames:
    def test_a_tool_is_found_by_its_path_or_its_name_in_the_settings(self, settings) -> None:
        settings.CONVERSE_STREAM = {"TOOLS": {"say": "tests.tools.site.plain"}}

        toolbox = Toolbox([site.weather, "say", "tests.tools.site.whose"])

        assert toolbox.names() == ["tests.tools.site.weather", "say", "tests.tools.site.whose"]
        assert Toolbox(toolbox.names()).known == "weather, plain, whose"

    @pytest.mark.parametrize(
        "name", ["nobody", "os.system", "tests.tools.site.plain", "tests.tools.site.NOT_A_TOOL", "no.such.module", "."]
    )
    def test_what_is_no_tool_is_not_found(self, name: str) -> None:
        with pytest.raises(InvalidOptions):
            find(name)

    def test_a_tool_that_other_processes_cannot_find_says_so(self) -> None:
        @tool
        def inside():
            return None

        for hidden in (inside, site.plain):
            with pytest.raises(InvalidOptions, match="other processes"):
                Toolbox([hidden]).names()

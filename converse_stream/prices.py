"""What a call to a provider costs: the only module that imports genai-prices, which is optional (the extra `prices`).

Its table of list prices is part of the package; nothing is looked up over the network.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from types import ModuleType

from converse_stream.outcome import Outcome

_STEP = Decimal("0.00000001")
"""What the columns can hold."""


@cache
def load() -> ModuleType | None:
    """Import the package if it is there: it takes a moment, so not first on an event loop."""
    try:
        import genai_prices  # noqa: PLC0415 - optional, and it takes its time
    except ImportError:
        return None
    return genai_prices


def cost(vendor_url: str, models: Iterable[str], known: Outcome) -> Decimal | None:
    """Return the price, in US dollars, of a call whose tokens are known; None where anything is not.

    `models` are the names that the model goes by; the first that is in the table counts.
    """
    table = load()
    if table is None or not vendor_url or known.input_tokens is None or known.output_tokens is None:
        return None
    usage = {"input_tokens": known.input_tokens, "output_tokens": known.output_tokens}
    if known.cached_tokens is not None:
        usage["cache_read_tokens"] = known.cached_tokens
    for model in filter(None, models):
        try:
            price: Decimal = table.calc_price(table.Usage(**usage), model, provider_api_url=vendor_url).total_price
        except (LookupError, ValueError):  # it knows neither, or the numbers contradict each other
            continue
        return price.quantize(_STEP)
    return None

"""What is known of the providers that ship with the package: their addresses, keys and models.

As of 2026-11-21. It ages within months, so nothing depends on it being complete: a model that is not in it is asked
for by its name like any other. The figures are what excerpts of the providers' documentation and gateways' model pages
said; check them against the pages themselves:
https://developers.openai.com/api/docs/models, https://platform.claude.com/docs/en/models,
https://ai.google.dev/gemini-api/docs/models, https://docs.x.ai/docs/models, https://console.groq.com/docs/models,
https://docs.mistral.ai/getting-started/models, https://openrouter.ai/models,
https://api-docs.deepseek.com/quick_start/pricing, https://docs.ollama.com
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one provider."""

    base_url: str
    key_environment: str
    """The environment variable that holds its key."""
    default_model: str = ""
    """Empty where there is none that everybody has."""
    models: Mapping[str, int | None] = field(default_factory=dict)
    """How many tokens prompt and answer may have together, by model; None where no source says."""


CATALOGUE: Mapping[str, Entry] = {
    "openai": Entry(
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        "gpt-6-luna",
        {
            "gpt-6-luna": 1_050_000,
            "gpt-6-sol": 1_050_000,
            "gpt-6.1-sol": None,
            "gpt-6.1-terra": None,
            "gpt-6-astra": None,
        },
    ),
    "anthropic": Entry(
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
        "claude-sonnet-5-5",
        {
            "claude-sonnet-5-5": 1_000_000,
            "claude-opus-5-5": 1_000_000,
            "claude-haiku-5-5": 1_000_000,
        },
    ),
    "gemini": Entry(
        "https://generativelanguage.googleapis.com/v1beta",
        "GEMINI_API_KEY",
        "gemini-3.8-flash",
        {"gemini-3.8-flash": 1_000_000, "gemini-4-argon": 1_048_576, "gemini-3.5-flash-lite": None},
    ),
    "xai": Entry(
        "https://api.x.ai/v1",
        "XAI_API_KEY",
        "grok-4.7",
        {"grok-4.7": None, "grok-4.5": 500_000, "grok-4.3": 1_000_000},
    ),
    "groq": Entry(
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        "openai/gpt-oss-120b",
        {"openai/gpt-oss-120b": 131_072, "openai/gpt-oss-20b": 131_072},
    ),
    "mistral": Entry(
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        "mistral-medium-latest",
        {"mistral-medium-latest": 262_144, "mistral-medium-3.5": 262_144, "mistral-small-latest": None},
    ),
    "openrouter": Entry(
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        "openrouter/auto",
        {"openrouter/auto": None, "anthropic/claude-sonnet-5.5": 1_000_000, "openai/gpt-6-luna": 1_050_000},
    ),
    "deepseek": Entry(
        "https://api.deepseek.com",
        "DEEPSEEK_API_KEY",
        "deepseek-flash",
        {"deepseek-flash": 1_000_000, "deepseek-v4-pro": 1_000_000},
    ),
    "ollama": Entry("http://localhost:11434", "OLLAMA_API_KEY"),
}
"""By the name that a provider has in PROVIDERS."""


def context_size(label: str) -> int | None:
    """Return how many tokens prompt and answer may have together, for `provider:model` or `provider`.

    None for what is not known: guess nothing from it.
    """
    name, _, model = label.partition(":")
    entry = CATALOGUE.get(name)
    return entry.models.get(model or entry.default_model) if entry else None

"""Every error of the package: one tree, each leaf with a code and a sentence fit for the public.

ConverseError
├── InvalidContent           invalid
│   └── ContentTooLong       too_large
├── ReservedMetadata         reserved_metadata
├── InvalidOptions           invalid_options
├── MalformedCursor          bad_cursor
├── UnknownDialect           bad_dialect
├── UnknownModel             unknown_model
├── ConversationBusy         busy
├── IdempotencyMismatch      idempotency_mismatch
├── TooManyRequests          too_many
│   ├── TooManyAnswers       too_many_answers
│   ├── SiteFull             site_full
│   └── TooManyViewers       too_many_viewers
├── NothingToAnswer          nothing_to_answer
├── NotStarted               not_started
├── DatabaseHeld             held
├── StreamClosed             closed
├── AnswerStopped            stopped
├── ToolError                tool_failed: the result of a tool call, told to the model
│   └── UnknownTool unknown_tool, BadArguments bad_arguments, ToolRefused refused,
│       ToolTimeout tool_timeout, StepLimit step_limit
└── GenerationError          ends an answer as failed
    ├── ProviderError        from the provider
    │   ├── AuthenticationFailed auth      PermissionDenied permission   QuotaExceeded quota
    │   ├── RateLimited rate_limit         Overloaded overloaded         BadRequest bad_request
    │   ├── ContextTooLong context_length  ContentFiltered content_filter
    │   ├── ModelNotFound not_found        ProviderTimeout timeout       ConnectionFailed connection
    │   └── Truncated truncated            ProtocolError protocol        ServerError server
    └── ours: WorkerLost worker_lost, Shutdown shutdown, StoreUnavailable store_unavailable,
              OutputLimit output_limit, InvalidOutput invalid_output, InternalError internal
"""

from converse_stream.exceptions.base import (
    AnswerStopped,
    ContentTooLong,
    ConversationBusy,
    ConverseError,
    DatabaseHeld,
    GenerationError,
    IdempotencyMismatch,
    InvalidContent,
    InvalidOptions,
    MalformedCursor,
    NothingToAnswer,
    NotStarted,
    ReservedMetadata,
    SiteFull,
    StreamClosed,
    TooManyAnswers,
    TooManyRequests,
    TooManyViewers,
    UnknownDialect,
    UnknownModel,
)
from converse_stream.exceptions.own import (
    InternalError,
    InvalidOutput,
    OutputLimit,
    Shutdown,
    StoreUnavailable,
    WorkerLost,
)
from converse_stream.exceptions.provider import (
    AuthenticationFailed,
    BadRequest,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    ProtocolError,
    ProviderError,
    ProviderTimeout,
    QuotaExceeded,
    RateLimited,
    ServerError,
    Truncated,
)
from converse_stream.exceptions.tool import (
    BadArguments,
    StepLimit,
    ToolError,
    ToolRefused,
    ToolTimeout,
    UnknownTool,
)

__all__ = [
    "BY_CODE",
    "AnswerStopped",
    "AuthenticationFailed",
    "BadArguments",
    "BadRequest",
    "ConnectionFailed",
    "ContentFiltered",
    "ContentTooLong",
    "ContextTooLong",
    "ConversationBusy",
    "ConverseError",
    "DatabaseHeld",
    "GenerationError",
    "IdempotencyMismatch",
    "InternalError",
    "InvalidContent",
    "InvalidOptions",
    "InvalidOutput",
    "MalformedCursor",
    "ModelNotFound",
    "NotStarted",
    "NothingToAnswer",
    "OutputLimit",
    "Overloaded",
    "PermissionDenied",
    "ProtocolError",
    "ProviderError",
    "ProviderTimeout",
    "QuotaExceeded",
    "RateLimited",
    "ReservedMetadata",
    "ServerError",
    "Shutdown",
    "SiteFull",
    "StepLimit",
    "StoreUnavailable",
    "StreamClosed",
    "TooManyAnswers",
    "TooManyRequests",
    "TooManyViewers",
    "ToolError",
    "ToolRefused",
    "ToolTimeout",
    "Truncated",
    "UnknownDialect",
    "UnknownModel",
    "UnknownTool",
    "WorkerLost",
]


def _leaves(base: type[GenerationError]) -> list[type[GenerationError]]:
    return [leaf for child in base.__subclasses__() for leaf in ([child, *_leaves(child)])]


BY_CODE: dict[str, type[GenerationError]] = {
    leaf.code: leaf for leaf in _leaves(GenerationError) if "code" in vars(leaf)
}
"""The class for each code a failed message can have."""

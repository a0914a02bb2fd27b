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
│   └── TooManyViewers       too_many_viewers
├── NothingToAnswer          nothing_to_answer
├── NotStarted               not_started
├── DatabaseHeld             held
├── StreamClosed             closed
└── GenerationError          ends an answer as failed
    ├── ProviderError        from the provider
    │   ├── AuthenticationFailed auth      PermissionDenied permission   QuotaExceeded quota
    │   ├── RateLimited rate_limit         Overloaded overloaded         BadRequest bad_request
    │   ├── ContextTooLong context_length  ContentFiltered content_filter
    │   ├── ModelNotFound not_found        ProviderTimeout timeout       ConnectionFailed connection
    │   └── Truncated truncated            ProtocolError protocol        ServerError server
    └── ours: WorkerLost worker_lost, Shutdown shutdown, StoreUnavailable store_unavailable,
              OutputLimit output_limit, InternalError internal
"""

from converse_stream.exceptions.base import (
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
    StreamClosed,
    TooManyAnswers,
    TooManyRequests,
    TooManyViewers,
    UnknownDialect,
    UnknownModel,
)
from converse_stream.exceptions.own import (
    InternalError,
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

__all__ = [
    "BY_CODE",
    "AuthenticationFailed",
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
    "StoreUnavailable",
    "StreamClosed",
    "TooManyAnswers",
    "TooManyRequests",
    "TooManyViewers",
    "Truncated",
    "UnknownDialect",
    "UnknownModel",
    "WorkerLost",
]


def _leaves(base: type[GenerationError]) -> list[type[GenerationError]]:
    return [leaf for child in base.__subclasses__() for leaf in ([child, *_leaves(child)])]


BY_CODE: dict[str, type[GenerationError]] = {
    leaf.code: leaf for leaf in _leaves(GenerationError) if "code" in vars(leaf)
}
"""The class for each code a failed message can have."""

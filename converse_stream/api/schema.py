"""The OpenAPI document of the API, at `schema/` where drf-spectacular is installed."""

from __future__ import annotations

from typing import Any

from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.views import SpectacularAPIView

from converse_stream import __version__
from converse_stream.api import schema_fields
from converse_stream.api.base import OwnerView
from converse_stream.api.schema_operations import JSON, OPERATIONS, Operation

__all__ = ["Generator", "Schema", "ViewSchema", "schema_fields"]


class ViewSchema(AutoSchema):
    """What one of our views says of itself, in a site's own document too."""

    @property
    def operation(self) -> Operation | None:
        """What is known of the view's method."""
        return OPERATIONS.get((type(self.view), self.method))

    def is_excluded(self) -> bool:
        """Leave out what is not described."""
        return self.operation is None

    def get_operation_id(self) -> str:
        """Return its name."""
        return self.operation.name if self.operation else str(super().get_operation_id())

    def get_summary(self) -> str | None:
        """Return what it does."""
        return self.operation.summary if self.operation else None

    def get_description(self) -> str:  # type: ignore[override]  # the method of drf-spectacular, not REST framework's
        """Return what there is to say about it."""
        said = self.operation.description if self.operation else ""
        return said or str(AutoSchema.get_description(self))

    def get_request_serializer(self) -> Any:
        """Return what is sent, in JSON: that forms are read too is for people without a program."""
        return {JSON: self.operation.body} if self.operation and self.operation.body else None

    def get_response_serializers(self) -> Any:
        """Return everything that may come back."""
        return self.operation.responses if self.operation else {}

    def get_override_parameters(self) -> list[Any]:
        """Return the parameters; those of pages and filters are described with all others."""
        return list(self.operation.parameters) if self.operation else []

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False

    def _get_pagination_parameters(self) -> list[Any]:
        return []

    def _get_filter_parameters(self) -> list[Any]:
        return []


class Endpoints(EndpointEnumerator):
    """The views of this package, under the prefix where the site has mounted them."""

    def should_include_endpoint(self, path: str, callback: Any) -> bool:
        """Return whether a view is one of ours."""
        ours = issubclass(getattr(callback, "cls", object), OwnerView)
        return ours and bool(super().should_include_endpoint(path, callback))


class Generator(SchemaGenerator):
    """The document of this package alone."""

    endpoint_inspector_cls = Endpoints

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        """Return the document."""
        parent: Any = super()
        document: dict[str, Any] = parent.get_schema(request=request, public=public)
        document["info"] = {"title": "converse_stream", "version": __version__}
        return document


class Schema(SpectacularAPIView):
    """GET returns the document; `?format=json` as JSON."""

    generator_class = Generator


OwnerView.schema = ViewSchema()

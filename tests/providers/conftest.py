import pytest

from converse_stream.providers import client


@pytest.fixture
async def connections():
    """Close what a test left open on its event loop."""
    yield
    await client.close()

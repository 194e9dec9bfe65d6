"""For all tests: machines are noisy, so hypothesis judges results and not the time they take; and a review server."""

from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from .review_server import ReviewServer, running_server

settings.register_profile("preflect", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("preflect")


@pytest.fixture(scope="session")
def review_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ReviewServer]:
    """One embedded Argilla for all tests that do not stop it; each makes workspaces and users of its own."""
    with running_server(tmp_path_factory.mktemp("review") / "home") as server:
        yield server

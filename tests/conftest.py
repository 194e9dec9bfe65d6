"""For all tests: machines are noisy, so hypothesis judges results and not the time they take."""

from hypothesis import HealthCheck, settings

settings.register_profile("preflect", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("preflect")

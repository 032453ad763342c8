"""Time proves nothing on a busy machine: hypothesis draws and runs its examples at whatever speed they have."""

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried in web", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried in web")

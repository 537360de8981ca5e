"""The forecaster that the settings name."""

from __future__ import annotations

from forewalk.settings.sections import Settings
from models.base import StoredForecaster


def forecaster_of(settings: Settings) -> StoredForecaster:
    """Return the forecaster of `model.kind`, ready to be trained.

    Raises:
        ConfigError: a class of the user's own is not there, or is no forecaster.
        PluginError: it raised while it was imported or made.
    """
    if settings.model.is_own:
        from models.own import own_forecaster

        return own_forecaster(settings)
    if settings.model.kind == "ensemble":
        from models.recurrent.ensemble import EnsembleForecaster

        return EnsembleForecaster(settings.model, settings.seed)
    from models.recurrent.forecaster import LSTMForecaster

    return LSTMForecaster(settings.model, settings.seed)

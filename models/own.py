"""A forecaster of the user's own: held to its source, its answers checked, its dates and files kept for it.

The user's class has `members`, `fit_member` and `assemble` (see `models.base.Forecaster`) and is made with
(`ModelSettings`, seed). What its members learned are bytes; a model file is these bytes beside what the model knows
of itself, so that it is read again by `assemble`, and only by the source that trained it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from forewalk.errors import ConfigError, DataError, PluginError
from forewalk.features.panel import FeaturePanel
from forewalk.plugins.failures import defined_at, own_code
from forewalk.plugins.holding import same_plugin
from forewalk.plugins.sources import Source
from forewalk.settings.sections import ModelSettings, Settings
from forewalk.types import TrainingCurve
from models.base import ModelInfo, Predictor, ScaledForecast, TrainingData
from models.checkpoint import pack, read_file

FORMAT = 1
SETTING = "model.kind"
METHODS = ("members", "fit_member", "assemble")


def own_forecaster(settings: Settings) -> OwnForecaster:
    """Return the forecaster that `model.kind` names; ConfigError where the class is none."""
    plugin = same_plugin(settings.model.kind, SETTING, settings.plugins)
    missing = [name for name in METHODS if not callable(getattr(plugin.value, name, None))]
    if not isinstance(plugin.value, type) or missing:
        raise ConfigError(
            f"{plugin.source} is no forecaster: it lacks {', '.join(missing) or 'a class'}; derive a class from "
            "models.arrays.ArrayForecaster, see docs/plugins.md"
        )
    forecaster = OwnForecaster(plugin.source, settings.plugins, settings.model, settings.seed)
    forecaster.made()  # says at once what is wrong with its parameters
    return forecaster


@dataclass(frozen=True)
class OwnForecaster:
    """A class of the user's own by name, so that any worker process can make it.

    Attributes:
        source: what it was when the run began; another one is refused.
        folder: where it is looked for first.
        settings, seed: what it is made with.
    """

    source: Source
    folder: Path | None
    settings: ModelSettings
    seed: int

    def made(self) -> Any:
        """Return a new one of the user's class."""
        plugin = same_plugin(self.source.name, SETTING, self.folder, self.source)
        with own_code(self.source):
            return plugin.value(self.settings, self.seed)

    def members(self, symbols: Sequence[str]) -> tuple[str, ...]:
        """Return the names of its parts, as it says."""
        with own_code(self.source):
            names = tuple(self.made().members(symbols))
        if not names or len(set(names)) < len(names) or not all(isinstance(name, str) for name in names):
            raise PluginError(f"{self.source} members() gave {names}; give at least one name, each once")
        return names

    def fit_member(self, data: TrainingData, member: str) -> tuple[bytes, TrainingCurve]:
        """Let it train one part."""
        with own_code(self.source):
            answer = self.made().fit_member(data, member)
        match answer:
            case (bytes() as part, TrainingCurve() as curve) if part:
                return part, curve
        raise PluginError(f"{self.source} fit_member() gave {_kind(answer)}; give (bytes, TrainingCurve)")

    def assemble(self, info: ModelInfo, parts: Sequence[bytes]) -> OwnFitted:
        """Let it make a model of its parts, and keep its dates."""
        with own_code(self.source):
            predictor = self.made().assemble(info, parts)
        if not callable(getattr(predictor, "predict_scaled", None)):
            raise PluginError(
                f"{self.source} assemble() gave {_kind(predictor)}; give something with predict_scaled()"
            )
        return OwnFitted(self.source, info, tuple(parts), predictor)

    def load(self, path: Path, not_before: pd.Timestamp | None = None) -> OwnFitted:
        """Read what `OwnFitted.save` wrote.

        Raises:
            DataError: the file is damaged, or of another class, or of another source of this one.
        """
        tensors, header = read_file(path)
        if header.get("own") != self.source.name or header.get("format") != FORMAT:
            raise DataError(f"{path}: no model of {self.source.name}; train it again")
        if header["sha256"] != self.source.sha256:
            raise DataError(
                f"{path}: {self.source.file} has changed since this model was trained (sha256 "
                f"{header['sha256'][:12]} then, {self.source.sha256[:12]} now); put it back, or train again"
            )
        about = header["info"]
        dates = {name: pd.Timestamp(about[name]) for name in ("trained_until", "valid_from")}
        lists = {name: tuple(about[name]) for name in ("symbols", "feature_names")}
        info = ModelInfo(**{**about, **dates, **lists})
        parts = [tensors[name].numpy().tobytes() for name in sorted(tensors)]
        if not_before is not None and not_before > info.valid_from:
            info = replace(info, valid_from=not_before)
        return self.assemble(info, parts)


@dataclass(frozen=True, eq=False)
class OwnFitted:
    """A trained model of the user's own with its dates; satisfies `FittedForecaster`."""

    source: Source
    info: ModelInfo
    parts: tuple[bytes, ...]
    predictor: Predictor

    @property
    def model_id(self) -> str:
        """Name, unique within a run."""
        return self.info.model_id

    @property
    def trained_until(self) -> pd.Timestamp:
        """End of the last label it saw, UTC."""
        return self.info.trained_until

    @property
    def valid_from(self) -> pd.Timestamp:
        """First bar it may be asked about, UTC."""
        return self.info.valid_from

    def predict_scaled(self, panel: FeaturePanel, first: int, stop: int) -> ScaledForecast:
        """Let it forecast rows `first` to `stop - 1`; it is shown none after them."""
        if panel.names != self.info.feature_names:
            raise DataError(
                f"{self.model_id} was trained on {self.info.feature_names}, the panel has {panel.names}"
            )
        with own_code(self.source):
            answer = self.predictor.predict_scaled(panel.known(stop), first, stop)
        return self._checked(answer, (stop - first, len(panel.symbols)))

    def _checked(self, answer: Any, shape: tuple[int, int]) -> ScaledForecast:
        place = defined_at(self.source, type(getattr(self.predictor, "forecaster", self.predictor)))
        if not isinstance(answer, ScaledForecast):
            raise PluginError(
                f"{self.source} predict_scaled() gave {_kind(answer)}; give a ScaledForecast ({place})"
            )
        mean, std = (np.asarray(values, dtype=np.float64) for values in (answer.mean, answer.std))
        if mean.shape != shape or std.shape != shape:
            raise PluginError(
                f"{self.source} predict_scaled() gave mean {mean.shape} and std {std.shape}; asked were {shape} "
                f"(rows, symbols) ({place})"
            )
        if np.isinf(mean).any() or not (std[np.isfinite(mean)] > 0).all() or np.isinf(std).any():
            raise PluginError(
                f"{self.source} predict_scaled() gave an infinite mean, or a std that is not above 0; where there "
                f"is no forecast both are NaN ({place})"
            )
        return ScaledForecast(mean, std)

    def save(self, path: Path) -> None:
        """Write one safetensors file: what the members learned as bytes, and what the model knows of itself."""
        about = asdict(self.info)
        dates = {name: about[name].isoformat() for name in ("trained_until", "valid_from")}
        header = {
            "format": FORMAT,
            "own": self.source.name,
            "sha256": self.source.sha256,
            "valid_from": dates["valid_from"],
            "info": {**about, **dates},
        }
        parts = {
            f"part-{number:05d}": torch.frombuffer(bytearray(part), dtype=torch.uint8)
            for number, part in enumerate(self.parts)
        }
        path.write_bytes(pack(parts, header))


def _kind(answer: Any) -> str:
    inside = f" of {', '.join(type(item).__name__ for item in answer)}" if isinstance(answer, tuple) else ""
    return f"{type(answer).__name__}{inside}"

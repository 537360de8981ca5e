"""Settings of the forecaster, and which of them cannot work together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from forewalk.settings.base import Chosen, Parameters, Section, split_commas
from forewalk.settings.features import FEWEST_SYMBOLS, FeatureSettings, LabelSettings

RANK_LOSS = "rank_correlation"


class AugmentSettings(Section):
    """Changes of what networks are trained on; of nothing that is validated, tested or forecast. All are off; see
    docs/augmentation.md for what each does."""

    jitter: float = Field(0.0, ge=0.0, le=3.0)
    """Std of normal noise on every feature, in units of the feature's own."""
    feature_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Probability with which a feature is missing, its mean in its place, in a whole sequence."""
    magnitude: float = Field(0.0, ge=0.0, le=1.0)
    """Std of the logarithm of a factor on all features of a sequence."""
    time_mask_bars: int = Field(0, ge=0)
    """Longest run of bars of a sequence in which all features are missing; its length and place are random."""
    burn_in: float = Field(0.0, ge=0.0, le=1.0)
    """Largest share of the `lookback_bars` that warm the state of a sequence which is missing; not with ranks."""
    mixup: float = Field(0.0, ge=0.0)
    """Each sequence is mixed with another, its targets too; alpha of the Beta(alpha, alpha) share; not with ranks."""

    @property
    def on(self) -> bool:
        """Whether anything is changed."""
        return any(getattr(self, name) > 0 for name in type(self).model_fields)


class EnsembleSettings(Section):
    """What stands beside the networks with `model.kind = "ensemble"`, and who has how much to say."""

    beside: tuple[Literal["trees", "ridge"], ...] = ("trees", "ridge")
    """Trained beside the networks on the same features and labels: `trees`, `ridge` or both."""
    weights: Literal["equal", "validation"] = "equal"
    """The same say for each, or in every fold what would have been best on its validation rows."""

    @field_validator("beside", mode="before")
    @classmethod
    def _split(cls, beside: object) -> object:
        return split_commas(beside)

    @field_validator("beside")
    @classmethod
    def _somebody_once(cls, beside: tuple[str, ...]) -> tuple[str, ...]:
        if not beside or len(set(beside)) < len(beside):
            raise ValueError("name trees, ridge or both, each once; without any set model.kind = 'recurrent'")
        return beside


class ModelSettings(Chosen):
    """The forecaster and its training."""

    built_in = ("recurrent", "ensemble")
    called_kind = "model"

    kind: str = "recurrent"
    """`recurrent`, see `cell`; `ensemble`, that with trees and ridge; or a class of your own, `module:Class`."""
    params: Parameters = Field({})
    """Parameters of a model of your own, by name."""
    cell: Literal["lstm", "gru"] = "lstm"
    """Recurrent cell."""
    layers: int = Field(1, ge=1, le=8)
    """Stacked recurrent layers."""
    hidden_size: int = Field(32, ge=1, le=2048)
    """Units per layer."""
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Dropout between layers and before the output."""
    attention: bool = False
    """Causal attention over the last `lookback_bars` hidden states."""
    layer_norm: bool = False
    """Normalise what the head reads at every step. Nothing has been measured; docs/skill.md."""
    symbol_embedding: int = Field(0, ge=0, le=64)
    """Learned numbers of each symbol beside its features, `pooled` alone; a symbol that was not trained on has their
    mean. 0 leaves them out. Nothing has been measured; docs/skill.md."""
    residual: Literal["off", "ridge"] = "off"
    """`ridge`: the network learns what a ridge on the same rows leaves. Nothing has been measured; docs/skill.md."""
    input_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """`rank_correlation`: dropout on the inputs of the network that ranks."""
    loss: Literal["gaussian_nll", "mse", "huber", "quantile", "rank_correlation", "sharpe"] = "gaussian_nll"
    """Gaussian likelihood (mean and std are learned), squared error (std is the residual's), `huber` (as that, large
    errors by their size), pinball loss of nine quantiles (mean and std are learned), minus the correlation over the
    symbols of a bar with `label.kind = "rank"` (a second network learns the std by likelihood; CPU only), or
    `sharpe`: minus the Sharpe ratio of positions after `turnover_cost` (to be tried, not trusted; docs/skill.md)."""
    turnover_cost: float = Field(0.05, ge=0.0, le=10.0)
    """`sharpe`: cost of a change of position by one, in units of the symbol's volatility over the horizon; 0.05 are
    5 bp where that is 1 %."""
    scope: Literal["pooled", "per_symbol"] = "pooled"
    """One model over all symbols, or one for each."""
    lookback_bars: int = Field(60, ge=1, le=2048)
    """Bars that warm the state before the first target of a sequence and before the first forecast."""
    sequence_targets: int = Field(64, ge=1, le=4096)
    """Targets per training sequence, each with a loss; with `rank_correlation` bars per step, all symbols at once."""
    batch_sequences: int = Field(32, ge=1)
    """Sequences per gradient step; fewer where a pass would have less than 16 steps."""
    learning_rate: float = Field(3e-3, gt=0.0)
    """AdamW step size; validated and kept are the weights averaged over about one pass."""
    weight_decay: float = Field(1e-2, ge=0.0)
    """AdamW decay."""
    clip_norm: float = Field(1.0, gt=0.0)
    """Largest gradient norm."""
    max_epochs: int = Field(20, ge=1)
    """Passes over the training targets at the most."""
    patience: int = Field(4, ge=1)
    """Epochs without a better validation loss before training stops."""
    seeds: int = Field(3, ge=1, le=100)
    """Networks trained from different seeds and averaged."""
    augment: AugmentSettings = AugmentSettings()
    """Changes of what is trained on, drawn anew for every pass."""
    ensemble: EnsembleSettings = EnsembleSettings()
    """With `kind = "ensemble"`: what stands beside the networks."""
    device: Literal["cpu", "auto", "cuda"] = "cpu"
    """Where networks are trained: on `cuda` seeds and folds at once, equal to rounding; `auto` where there is one."""
    max_age_bars: int = Field(504, ge=1)
    """Bars after `valid_from` from which a model gives no forecast any more."""

    @field_validator("residual", mode="before")
    @classmethod
    def _none_is_off(cls, value: object) -> object:
        """Take `"none"`, which a settings file reads as no value, for `off`."""
        return "off" if value in (None, "none") else value

    @model_validator(mode="after")
    def _ranks_as_it_can(self) -> ModelSettings:
        problem = ranking_problem(self.loss, self.scope, self.device, self.input_dropout)
        problem = problem or augment_problem(self.loss, self.augment)
        problem = problem or embedding_problem(self.symbol_embedding, self.scope, self.augment)
        if not problem and self.loss == "sharpe" and self.residual != "off":
            problem = (
                f"residual = {self.residual!r} stands on forecasts of returns, loss = 'sharpe' learns positions; "
                "set residual = 'off', or another loss"
            )
        if problem:
            raise ValueError(problem)
        return self

    @property
    def called(self) -> str:
        """What reports call it: its cell, `ensemble`, or the class of the user's own."""
        return {"recurrent": self.cell}.get(self.kind, self.kind.rpartition(":")[2])


def ranking_problem(loss: str, scope: str, device: str, input_dropout: float) -> str:
    """Say what is wrong with a model's settings of ranks; empty where nothing is."""
    if loss != RANK_LOSS:
        wrong = (
            f"input_dropout = {input_dropout:g} is for loss = {RANK_LOSS!r}, here is {loss!r}; set it to 0"
        )
        return wrong if input_dropout else ""
    if scope != "pooled":
        return f"loss = {RANK_LOSS!r} compares symbols, so it needs scope = 'pooled', not {scope!r}"
    if device == "cuda":
        return f"loss = {RANK_LOSS!r} is trained on the CPU; set device = 'cpu' or 'auto', not {device!r}"
    return ""


def label_problem(label: LabelSettings, loss: str, symbols: Sequence[str], features: FeatureSettings) -> str:
    """Say what is wrong between label, loss, symbols and features; empty where nothing is."""
    if (label.kind == "rank") != (loss == RANK_LOSS):
        return (
            f"label.kind = {label.kind!r} and model.loss = {loss!r} do not go together: set label.kind = 'rank' and "
            f"model.loss = {RANK_LOSS!r}, or neither (label.kind = 'market_relative', model.loss = 'gaussian_nll')"
        )
    ranked = "model.loss = 'rank_correlation'" if loss == RANK_LOSS else ""
    ranked = "features.cross_section = true" if features.cross_section else ranked
    if ranked and 0 < len(symbols) < FEWEST_SYMBOLS:
        needed = f"{ranked} needs at least {FEWEST_SYMBOLS} symbols, data.symbols has {len(symbols)}"
        return f"{needed}; name more, or leave it out"
    return ""


def augment_problem(loss: str, augment: AugmentSettings) -> str:
    """Say which changes do not go with the loss; empty where all do."""
    for name in ("burn_in", "mixup"):
        if loss == RANK_LOSS and getattr(augment, name):
            return (
                f"augment.{name} changes sequences that begin with a state of their own; {RANK_LOSS!r} carries "
                "the state on from bar to bar; set it to 0"
            )
    return ""


def embedding_problem(size: int, scope: str, augment: AugmentSettings) -> str:
    """Say what does not go with numbers of each symbol; empty where all does."""
    if size and scope != "pooled":
        return (
            f"symbol_embedding = {size} tells symbols apart in one network, but scope = {scope!r} has one for each; "
            "set symbol_embedding = 0, or scope = 'pooled'"
        )
    if size and augment.mixup:
        return (
            f"augment.mixup = {augment.mixup:g} mixes sequences of two symbols, and symbol_embedding = {size} has to "
            "know whose a sequence is; set one of them to 0"
        )
    return ""

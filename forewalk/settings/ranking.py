"""Settings of ranks that cannot work together, and what to do instead."""

from __future__ import annotations

from collections.abc import Sequence

from forewalk.settings.features import FEWEST_SYMBOLS, FeatureSettings, LabelSettings

RANK_LOSS = "rank_correlation"


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

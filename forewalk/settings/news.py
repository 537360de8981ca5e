"""The settings of news and social texts."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from forewalk.settings.base import Mapped, Names, Section


class NewsSettings(Section):
    """Texts as features, each known only when it was known. None without `path`."""

    path: Path | None = None
    """File or folder of texts: CSV, Parquet, JSON or JSON lines; see docs/news.md."""
    columns: Mapped[str] = Field(default={})
    """Which column is what, e.g. `{headline = "text", published = "time"}`, where its name does not tell."""
    zone: str | None = None
    """Time zone of stamps that have none, e.g. `America/New_York`; without it they are refused."""
    lag_minutes: float = Field(15.0, ge=0.0)
    """Minutes after publication from which a text is known where the file does not say when it was first seen."""
    date_only: Literal["refuse", "end_of_day"] = "refuse"
    """Texts dated by a day: `end_of_day` takes them as known when the day is over in `zone`."""
    undated: Literal["refuse", "drop"] = "refuse"
    """Texts of which nothing says when they were known."""
    kind: Literal["news", "social"] = "news"
    """What the texts are where no column `kind` says."""
    scorer: Literal["lexicon", "ridge", "logistic"] = "lexicon"
    """What tells the tone: words of a list; or regression on earlier texts and what followed, refitted each month."""
    learn_texts: int = Field(500, ge=20)
    """Texts with a known outcome that `ridge` and `logistic` need; before, the features are missing."""
    model: Path | None = None
    """Folder of a transformer that tells the tone: read from safetensors alone, and nothing is downloaded."""
    model_published: date | None = None
    """Day on which that model was published: what it says of earlier texts is look-ahead, and named so."""
    cache: Path = Path("~/.cache/forewalk/texts")
    """Folder of the scores that a transformer gave."""
    count_bars: int = Field(63, ge=5)
    """Bars before, against which the number of texts of a bar is measured."""
    silent_bars: int = Field(5, ge=1)
    """Bars without a text of any symbol from which the source counts as silent: its features are missing then."""
    patience_minutes: float = Field(60.0, gt=0.0)
    """Minutes after the last fetch from which a bar knows nothing of the texts: 1500 for a fetch once a day."""
    poll: Names = ()
    """What the daemon fetches into `path` while it runs: `alpaca`, `rss`, `sec`, `gdelt`, `reddit`."""
    poll_minutes: float = Field(5.0, ge=1.0, le=60.0)
    """Minutes between two fetches of the daemon."""
    names: Mapped[str] = Field(default={})
    """What symbols are called in texts, e.g. `{AAPL = "Apple|Apple Inc"}`; for sources that name no symbols."""
    feeds: Names = ()
    """Addresses of RSS or Atom feeds; `{symbol}` in one asks for each symbol."""
    subreddits: Names = ()
    """Forums of Reddit to fetch from."""
    contact: str | None = None
    """Who fetches, e.g. `Jane Doe jane@example.org`; the SEC and Reddit want to know."""

    @model_validator(mode="after")
    def _one_scorer(self) -> Self:
        if self.model is not None and self.scorer != "lexicon":
            raise ValueError(f"news.model and news.scorer = {self.scorer!r}: one of them tells the tone")
        return self

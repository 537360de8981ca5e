"""Texts as numbers, a row for each text and symbol, before they are laid over bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from forewalk.data.columns.texts.copies import is_copy
from forewalk.data.columns.texts.reading import TextReport, read_texts, unknown_rows
from forewalk.data.columns.texts.scoring.corpus import Corpus, corpus_of
from forewalk.data.columns.texts.scoring.transformer import LocalModel, local_model, transformer_tone
from forewalk.data.columns.texts.texts import SOCIAL, Texts
from forewalk.data.columns.texts.tone import tone
from forewalk.data.quality import TEXTS, Finding
from forewalk.errors import DataError
from forewalk.settings.news import NewsSettings
from forewalk.types import BoolArray, FloatArray, IntArray

TEXT_ARRAYS = ("code", "known", "weight", "tone", "copy", "social", "text")


@dataclass(frozen=True, eq=False)
class TextRows:
    """M pairs of a text and one of its symbols, by the moment at which the text was known.

    Attributes:
        symbols: names, length S. kinds: of texts that there are. silent_bars: see `news.silent_bars`.
        code: position in `symbols` [M]. known: microseconds UTC [M]. weight: of the text for this symbol [M].
        tone: in [-1, 1], 0 where it is learned [M]. copy: whether it repeats an earlier one [M].
        social: whether it is no news [M].
        fingerprint: of the texts. backfilled: how many of the rows nobody is known to have seen at the time.
        polls, patience_us: when the sources were asked, and how long that holds; see `polling`.
        model: that told the tone, where it was a transformer.
        corpus: what a learner reads, where the tone is learned. text: which of its texts each is [M].
    """

    symbols: tuple[str, ...]
    kinds: tuple[str, ...]
    silent_bars: int
    code: IntArray
    known: IntArray
    weight: FloatArray
    tone: FloatArray
    copy: BoolArray
    social: BoolArray
    fingerprint: str
    backfilled: int = 0
    model: LocalModel | None = None
    polls: tuple[IntArray, ...] = ()
    patience_us: int = 0
    corpus: Corpus | None = None
    text: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        if self.corpus is None and len(self.text) != len(self.code):
            object.__setattr__(self, "text", np.zeros(len(self.code), np.int64))

    def __len__(self) -> int:
        return len(self.code)

    def keep(self, rows: BoolArray | IntArray) -> TextRows:
        """Return the rows of a mask or of positions."""
        return replace(self, **{name: getattr(self, name)[rows] for name in TEXT_ARRAYS})


def text_rows(settings: NewsSettings, symbols: Sequence[str]) -> tuple[TextRows, tuple[Finding, ...]]:
    """Read `news.path` for some symbols; return the rows and what there is to say about them.

    Raises:
        ConfigError, DataError: see `read_texts`.
    """
    texts, report = read_texts(settings)
    strange = unknown_rows(texts, symbols)
    known = texts.keep(~strange)
    if not len(known):
        some = ", ".join(sorted({name for names in texts.symbols[:1000] for name in names})[:8])
        raise DataError(
            f"{settings.path}: the texts name none of the symbols {', '.join(symbols[:6])}; they name "
            f"{some or 'none'}: rename them, or say with news.columns which column has the symbols"
        )
    rows = replace(rows_of(known, symbols, settings), polls=report.polls)
    return rows, _findings(texts, known, rows, report, settings)


def rows_of(texts: Texts, symbols: Sequence[str], settings: NewsSettings) -> TextRows:
    """Score texts and spread them over the symbols that they name, in the order in which they were known."""
    copies = is_copy(texts.known_at, texts.symbols, texts.headline)
    corpus, words = None, np.zeros(len(texts), np.int64)
    model = None if settings.model is None else local_model(settings)
    if model is not None:
        tones = transformer_tone(texts.headline.tolist(), model, settings.cache.expanduser())
    elif settings.scorer == "lexicon":
        tones = tone(texts.headline.tolist())
    else:
        told = (texts.headline, texts.symbols, settings.names, settings.scorer, settings.learn_texts)
        tones, (corpus, words) = np.zeros(len(texts)), corpus_of(*told)
    text, code = pairs_of(texts, symbols)
    social = (texts.kind == SOCIAL)[text] if len(text) else np.zeros(0, bool)
    return TextRows(
        symbols=tuple(symbols),
        kinds=tuple(sorted(set(texts.kind.tolist()))),
        silent_bars=settings.silent_bars,
        code=code,
        known=texts.known_at[text],
        weight=texts.weight[text],
        tone=tones[text],
        copy=copies[text],
        social=np.asarray(social, dtype=bool),
        fingerprint=texts.fingerprint,
        backfilled=int(texts.backfilled[text].sum()) if len(text) else 0,
        patience_us=round(settings.patience_minutes * 60e6),
        model=model,
        corpus=corpus,
        text=words[text],
    )


def pairs_of(texts: Texts, symbols: Sequence[str]) -> tuple[IntArray, IntArray]:
    """Return each pair of a text and one of its symbols: positions in `texts` and in `symbols`, [M] each."""
    column = {symbol: place for place, symbol in enumerate(symbols)}
    pairs = [
        (row, column[name]) for row, names in enumerate(texts.symbols) for name in names if name in column
    ]
    text = np.array([row for row, _ in pairs], dtype=np.int64)
    return text, np.array([place for _, place in pairs], dtype=np.int64)


def _findings(
    texts: Texts, known: Texts, rows: TextRows, report: TextReport, settings: NewsSettings
) -> tuple[Finding, ...]:
    said = [f"{len(known):,} texts about {len(set(rows.code.tolist())):,} symbols of {report.rows:,} rows"]
    if len(known) < len(texts):
        said.append(f"{len(texts) - len(known):,} name none of the symbols")
    if rows.copy.any():
        said.append(f"{int(rows.copy.sum()):,} repeat an earlier one and count as repeats")
    if rows.model is not None:
        said.append(_model_said(rows.model, rows))
    elif settings.scorer != "lexicon":
        said.append(
            f"their tone is learned ({settings.scorer}), anew each month from earlier texts and what followed them"
        )
    if report.amended:
        said.append(f"{report.amended:,} later versions are left out: the first one counts")
    if report.dropped:
        said.append(f"{report.dropped:,} without any moment are dropped")
    if report.zone:
        said.append(f"stamps without a zone are read in {report.zone}")
    if known.backfilled.any():
        said.append(
            f"{int(known.backfilled.sum()):,} were collected afterwards: when they were first seen is not known, so "
            f"they count {settings.lag_minutes:g} minutes after publication (news_backfilled)"
        )
    return (Finding("", TEXTS, "", "noted", len(known), None, None, "; ".join(said)),)


def _model_said(model: LocalModel, rows: TextRows) -> str:
    early = int((rows.known < model.published).sum())
    said = f"their tone is told by the model {model.folder.name} (sha256 {model.sha256[:16]})"
    if not early:
        return said
    day = pd.Timestamp(model.published, unit="us").date()
    return f"{said}, published on {day}: for {early:,} of {len(rows):,} from before then it is look-ahead"

"""The tone told by a transformer in a folder of the user's own: loaded from disk alone, from safetensors alone.

A model that was published on some day had read what was written, and much of what happened, before that day. What it
says about texts from before then is look-ahead, however the texts are dated: `news.model_published` is asked for, and
the report and the certificate name the texts that are older.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError

from forewalk.data.columns.texts.scoring.kept import kept_scores
from forewalk.errors import ConfigError
from forewalk.settings.news import NewsSettings
from forewalk.types import FloatArray

LONGEST = 2_000  # letters that are read of one text
TOKENS = 256
BATCH = 32
DIGITS = 4  # of a tone: in another batch the last bits of a score are others
_SIGNS = {"pos": 1.0, "bull": 1.0, "neg": -1.0, "bear": -1.0, "neu": 0.0, "mixed": 0.0}  # how labels begin


@dataclass(frozen=True)
class LocalModel:
    """A folder with a model that sorts texts into classes.

    Attributes:
        sha256: of all its files. published: microseconds UTC, from which nothing it read is look-ahead.
        signs: label -> -1, 0 or 1.
    """

    folder: Path
    sha256: str
    published: int
    signs: Mapping[str, float]


def local_model(news: NewsSettings) -> LocalModel:
    """Return the model of `news.model`, looked at but not loaded.

    Raises:
        ConfigError: it is no folder with a model of safetensors, its classes are no tones, or the date is missing.
    """
    assert news.model is not None
    folder = news.model.expanduser()
    if not folder.is_dir():
        raise ConfigError(
            f"news.model = {str(news.model)!r}: no such folder; a name of a hub is not looked up"
        )
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(f"{folder}: no *.safetensors; pickled weights can run code, and are not read")
    if news.model_published is None:
        raise ConfigError(
            "news.model_published: say on which day the model was published; what it says of earlier texts is "
            "look-ahead"
        )
    return LocalModel(
        folder=folder,
        sha256=_sha256(folder),
        published=pd.Timestamp(news.model_published, tz="UTC").value // 1000,
        signs=_labels(folder / "config.json"),
    )


def transformer_tone(
    texts: Sequence[str],
    model: LocalModel,
    cache: Path,
    load: Callable[[LocalModel], Callable[[Sequence[str]], Sequence[Any]]] | None = None,
) -> FloatArray:
    """Return the tone of each text in [-1, 1], [N]: the mean sign of its classes, weighted by their probability.

    Args:
        cache: folder in which scores are kept. load: makes what classifies texts; None for transformers.

    Raises:
        ConfigError: transformers is not installed, or cannot load the folder.
    """
    loaded = functools.cache(lambda: (load or _loaded)(model))

    def score(some: Sequence[str]) -> list[float]:
        answers = loaded()(list(some))
        return [_tone(answer, model.signs) for answer in answers]

    short = [str(text)[:LONGEST] for text in texts]
    return np.array(kept_scores(short, cache / f"{model.sha256[:32]}.sqlite", score), dtype=np.float64)


def _tone(classes: Sequence[Mapping[str, Any]], signs: Mapping[str, float]) -> float:
    return round(sum(signs[str(each["label"])] * float(each["score"]) for each in classes), DIGITS)


def _labels(config: Path) -> dict[str, float]:
    """Return the sign of each class by its label."""
    try:
        told = json.loads(config.read_text(encoding="utf-8"))["id2label"].values()
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise ConfigError(
            f"{config}: it names no classes (id2label); a model that sorts texts has them"
        ) from None
    signs = {}
    for label in told:
        sign = next((sign for begins, sign in _SIGNS.items() if str(label).lower().startswith(begins)), None)
        if sign is None:
            raise ConfigError(
                f"{config}: class {str(label)[:40]!r} is no tone; name them positive, neutral, negative in id2label"
            )
        signs[str(label)] = sign
    if not {1.0, -1.0} <= set(signs.values()):
        raise ConfigError(f"{config}: its classes {', '.join(signs)} are not both positive and negative")
    return signs


def _sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\x1f{content}\x1e".encode())
    return digest.hexdigest()


def _loaded(model: LocalModel) -> Callable[[Sequence[str]], Sequence[Any]]:
    """Return what classifies texts: all classes of each with their probabilities. Nothing is asked of a network."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        transformers: Any = importlib.import_module("transformers")
    except ImportError:
        raise ConfigError("news.model needs transformers: pip install 'forewalk[transformer]'") from None
    only_here = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokens = transformers.AutoTokenizer.from_pretrained(str(model.folder), **only_here)
        weights = transformers.AutoModelForSequenceClassification.from_pretrained(
            str(model.folder), use_safetensors=True, **only_here
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as problem:
        raise ConfigError(f"{model.folder}: transformers cannot load it: {str(problem)[:300]}") from None
    classify = transformers.pipeline("text-classification", model=weights, tokenizer=tokens, top_k=None)
    return functools.partial(classify, truncation=True, max_length=TOKENS, batch_size=BATCH)

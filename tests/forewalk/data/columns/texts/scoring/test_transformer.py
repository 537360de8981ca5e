"""A transformer in a folder: from safetensors, from disk, scored once, and look-ahead before it was published."""

import json
import sys
import types
from datetime import date

import numpy as np
import pytest

from forewalk.data.columns.texts.reading import read_texts
from forewalk.data.columns.texts.rows import text_rows
from forewalk.data.columns.texts.scoring.kept import kept_scores
from forewalk.data.columns.texts.scoring.transformer import local_model, transformer_tone
from forewalk.errors import ConfigError, DataError
from forewalk.settings.loading import settings_from
from forewalk.settings.news import NewsSettings
from helpers.made_texts import many, written

LABELS = {"0": "negative", "1": "neutral", "2": "positive"}
DAY = date(2011, 6, 1)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text(json.dumps({"id2label": LABELS}))
    (made / "model.safetensors").write_bytes(b"weights")
    return made


def settings(folder, **more):
    return NewsSettings(**{"model": folder, "model_published": DAY, "cache": folder.parent / "cache", **more})


class Stand:
    """Stands in for `transformers`: notes how it was asked, and calls texts with "good" good."""

    def __init__(self):
        self.module = types.ModuleType("transformers")
        self.loaded, self.scored = [], []
        for name in ("AutoTokenizer", "AutoModelForSequenceClassification"):
            setattr(self.module, name, types.SimpleNamespace(from_pretrained=self._loads(name)))
        self.module.pipeline = lambda task, **how: self.classify

    def _loads(self, name):
        def load(folder, **how):
            self.loaded.append((name, folder, how))
            return name

        return load

    def classify(self, texts, **how):
        self.scored += texts
        return [
            [{"label": "positive", "score": 0.9 if "good" in text else 0.2}, {"label": "neutral", "score": 0.0},
             {"label": "negative", "score": 0.1 if "good" in text else 0.8}]
            for text in texts
        ]  # fmt: skip


@pytest.fixture
def stand(monkeypatch):
    made = Stand()
    monkeypatch.setitem(sys.modules, "transformers", made.module)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return made


def test_it_is_loaded_from_disk_from_safetensors_and_without_code_of_the_folder(folder, stand):
    model = local_model(settings(folder))
    got = transformer_tone(["good news", "bad news", "good news"], model, folder.parent / "cache")
    assert got.tolist() == [0.8, -0.6, 0.8]
    assert [how for _, _, how in stand.loaded] == [
        {"local_files_only": True, "trust_remote_code": False},
        {"use_safetensors": True, "local_files_only": True, "trust_remote_code": False},
    ]
    assert {place for _, place, _ in stand.loaded} == {str(folder)}


def test_a_text_is_scored_once_for_each_model(folder, stand):
    model = local_model(settings(folder))
    for texts in (["good", "bad"], ["bad", "good", "new"], ["good"]):
        transformer_tone(texts, model, folder.parent / "cache")
    assert sorted(stand.scored) == ["bad", "good", "new"]
    assert len(stand.loaded) == 4  # not at all where everything is known
    (folder / "model.safetensors").write_bytes(b"other weights")
    other = local_model(settings(folder))
    assert other.sha256 != model.sha256
    transformer_tone(["good"], other, folder.parent / "cache")
    assert stand.scored.count("good") == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
            "pickled weights",
        ),
        (lambda folder: (folder / "config.json").unlink(), "names no classes"),
        (lambda folder: (folder / "config.json").write_text('{"id2label": {"0": "LABEL_0"}}'), "is no tone"),
        (lambda folder: (folder / "config.json").write_text('{"id2label": {"0": "positive"}}'), "not both"),
        (lambda folder: (folder / "config.json").write_text("[]"), "names no classes"),
    ],
)
def test_a_folder_that_is_no_model_of_tones_is_refused(folder, change, words):
    change(folder)
    with pytest.raises(ConfigError, match=words):
        local_model(settings(folder))


def test_a_name_of_a_hub_and_a_missing_day_are_refused(folder):
    with pytest.raises(ConfigError, match="not looked up"):
        local_model(settings(folder, model="someone/finance-bert"))
    with pytest.raises(ConfigError, match="model_published"):
        local_model(settings(folder, model_published=None))
    with pytest.raises(ConfigError, match="one of them tells the tone"):
        settings_from({"news": {"model": str(folder), "scorer": "ridge"}})


def test_without_the_library_its_install_line_is_said(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"forewalk\[transformer\]"):
        transformer_tone(["x"], local_model(settings(folder)), folder.parent / "cache")


def test_a_run_names_the_texts_from_before_the_model_was_published(folder, stand, tmp_path):
    path = written(many(["AAPL"], "2011-01-03", "2011-12-30", 100), tmp_path / "texts.csv")
    rows, findings = text_rows(settings(folder, path=path), ("AAPL",))
    early = int((read_texts(NewsSettings(path=path))[0].known_at < rows.model.published).sum())
    assert 0 < early < 100
    assert (
        f"published on 2011-06-01: for {early} of 100 from before then it is look-ahead"
        in findings[0].message
    )
    assert rows.model.sha256[:16] in findings[0].message
    assert set(np.unique(rows.tone)) <= {0.8, -0.6}


def test_what_was_scored_before_a_failure_is_kept(tmp_path):
    asked = []

    def score(some):
        asked.append(len(some))
        if len(asked) == 2:
            raise ConfigError("no memory left")
        return [0.5] * len(some)

    texts = [f"text {number}" for number in range(700)]
    with pytest.raises(ConfigError):
        kept_scores(texts, tmp_path / "scores.sqlite", score)
    assert kept_scores(texts, tmp_path / "scores.sqlite", score) == [0.5] * 700
    assert asked == [500, 200, 200]


def test_a_damaged_file_of_scores_is_said(tmp_path):
    (tmp_path / "scores.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(DataError, match="delete it"):
        kept_scores(["x"], tmp_path / "scores.sqlite", lambda some: [0.0])


def test_transformers_itself_scores_a_tiny_model_and_refuses_a_broken_one(tmp_path):
    transformers = pytest.importorskip("transformers", reason="forewalk[transformer] is not installed")
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(vocab_file=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    labels = {int(number): label for number, label in LABELS.items()}
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=len(words), num_labels=3, id2label=labels, **size)
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path)
    texts = ["good news " * count for count in range(1, 40)] + ["", "x" * 5_000]
    model = local_model(settings(tmp_path))
    tone = transformer_tone(texts, model, tmp_path.parent / "cache-real")
    assert len(tone) == 41
    assert (np.abs(tone) < 1).all()
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ConfigError, match="cannot load it"):
        transformer_tone(texts, local_model(settings(tmp_path)), tmp_path.parent / "cache-real")

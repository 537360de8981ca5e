"""With which source of the user's own features and model the models of a book were trained.

A feature of the same name that is computed otherwise is another feature: a model that was trained on the old one must
not be asked about the new one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from forewalk.errors import PluginError
from forewalk.plugins.sources import Source, hashes

FILE = "own_code.json"
SEEN_BY_MODELS = ("features.extra", "model.kind")


class TrainedWith:
    """Remembers, beside the models, the hashes of what they were trained with.

    Args:
        folder: of the models. sources: of the plug-ins as they are now.
    """

    def __init__(self, folder: Path, sources: Sequence[Source]) -> None:
        self._path = folder / FILE
        self._now = hashes([source for source in sources if source.setting in SEEN_BY_MODELS])

    def check(self) -> None:
        """Write down what the first models were trained with; later raise PluginError where it has changed."""
        if not self._path.exists():
            if self._now:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                unfinished = self._path.with_suffix(".tmp")
                unfinished.write_text(json.dumps(self._now, indent=2) + "\n", encoding="utf-8")
                unfinished.replace(self._path)
            return
        then = json.loads(self._path.read_text(encoding="utf-8"))
        self._compare(then, "the models of this book were trained", "begin a new folder (live.state)")

    def check_run(self, run: Path) -> None:
        """Raise PluginError where a finished run was made with another source than is here now."""
        manifest = run / "manifest.json"
        if not manifest.exists():
            return
        entries = json.loads(manifest.read_text(encoding="utf-8")).get("plugins", ())
        then = {
            f"{entry['setting']} = {entry['name']!r}": entry["sha256"]
            for entry in entries
            if entry["setting"] in SEEN_BY_MODELS
        }
        self._compare(then, f"{run} was made", "make the run again")

    def _compare(self, then: dict[str, str], since: str, remedy: str) -> None:
        changed = sorted(name for name in {*then, *self._now} if then.get(name) != self._now.get(name))
        if changed:
            raise PluginError(
                f"{', '.join(changed)}: the source is not what it was when {since}; put it back, or {remedy}"
            )

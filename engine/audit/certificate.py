"""The leak certificate: what was checked, on how many values, the verdict and the first offender."""

from __future__ import annotations

import html
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Verdict = Literal["clean", "leak", "note", "not_applicable"]

FILE = "certificate.json"
FORMAT = 1
_MARKS: dict[Verdict, str] = {"clean": "clean", "leak": "LEAK", "note": "note", "not_applicable": "none"}


@dataclass(frozen=True)
class Offender:
    """The first value that betrays the future.

    Attributes:
        stage: where in the pipeline: cleaning, features, labels, folds, training, fit, forecasts,
            decisions, orders, fills, equity or trades.
        what: the value, e.g. "rsi AAPL" or "fold-03".
        bar: UTC time at which the value was known, ISO 8601; "" where it has none.
        cut: UTC time after which the data were changed, ISO 8601; "" where none was.
        expected, found: the value on the real data and the one that contradicts it.
        size: |found - expected| where both are numbers, else None.
        message: one sentence.
    """

    stage: str
    what: str
    bar: str = ""
    cut: str = ""
    expected: str = ""
    found: str = ""
    size: float | None = None
    message: str = ""

    def sentence(self) -> str:
        """Return the offender as one line."""
        parts = [f"{self.stage}: {self.what}"]
        if self.bar:
            parts.append(f"at {self.bar}")
        if self.cut:
            parts.append(f"changes with bars after {self.cut}")
        if self.expected or self.found:
            parts.append(f"({self.expected} became {self.found})")
        if self.size is not None:
            parts.append(f"by {self.size:.3g}")
        return " ".join(parts) + (f"; {self.message}" if self.message else "")


@dataclass(frozen=True)
class Check:
    """One question that was asked of the pipeline.

    Attributes:
        name: short and stable, e.g. "future replaced by noise".
        question: what a clean answer means, in plain words.
        verdict: "clean", "leak", "note" (a measurement without a verdict) or "not_applicable".
        values: numbers compared.
        detail: what was measured, in words.
        offender: the first value that failed, None unless the verdict is "leak".
        by_stage: the values by stage of the pipeline, where they are spread over several.
    """

    name: str
    question: str
    verdict: Verdict
    values: int = 0
    detail: str = ""
    offender: Offender | None = None
    by_stage: tuple[tuple[str, int], ...] = ()

    def line(self) -> str:
        """Return the check as one line of text."""
        counted = f"{self.values:,} values" if self.values else ""
        reason = self.offender.sentence() if self.offender else self.detail
        return f"{_MARKS[self.verdict]:<6}{self.name:<38}{counted:>18}  {reason}".rstrip()


@dataclass(frozen=True)
class Certificate:
    """The outcome of one audit.

    Attributes:
        name: of the settings that were audited.
        created: UTC, ISO 8601.
        data_fingerprint: sha256 of the cleaned bars.
        code_sha256: of the project's own source.
        uncovered: files and hosts that the user's own code turns to by itself, a line each: they cannot be doctored.
        plugins: the user's own code that was audited: setting, name and sha256 of the source, a line each.
        cuts: each moment at which the future was replaced, with the reason why it was chosen.
        fits: models that were trained for the audit, those of the undoctored run included.
        seconds: what the audit took.
        checks: in the order in which they were made.
    """

    name: str
    created: str
    data_fingerprint: str
    code_sha256: str
    cuts: tuple[str, ...]
    fits: int
    seconds: float
    checks: tuple[Check, ...]
    plugins: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether no check found a leak."""
        return not self.leaks

    @property
    def leaks(self) -> tuple[Check, ...]:
        """The checks that found one."""
        return tuple(check for check in self.checks if check.verdict == "leak")

    @property
    def values(self) -> int:
        """Numbers compared, all checks together."""
        return sum(check.values for check in self.checks)

    @property
    def first_offender(self) -> Offender | None:
        """The offender of the first check that found a leak."""
        return next((check.offender for check in self.checks if check.offender), None)

    def check(self, name: str) -> Check:
        """Return the check of that name; KeyError where there is none."""
        return {check.name: check for check in self.checks}[name]

    def headline(self) -> str:
        """Return the verdict as one sentence."""
        counted = f"{self.values:,} values compared at {len(self.cuts)} cut dates, {self.fits} models fitted"
        if self.clean:
            beyond = f" NOT COVERED: {'; '.join(self.uncovered)}." if self.uncovered else ""
            return f"No look-ahead found: {counted}.{beyond}"
        offender = self.first_offender
        reason = f" {offender.sentence()}" if offender else ""
        return f"LOOK-AHEAD FOUND by {len(self.leaks)} of {len(self.checks)} checks:{reason} ({counted})."

    def lines(self) -> list[str]:
        """Return the certificate as short text."""
        return [self.headline(), *(check.line() for check in self.checks)]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"format": FORMAT, "clean": self.clean, "values": self.values, **asdict(self)}

    def to_html(self) -> str:
        """Return a fragment, without style, of class `certificate clean` or `certificate leak`."""
        rows = "".join(
            f'<tr class="{check.verdict}"><td>{_MARKS[check.verdict]}</td>'
            f'<th scope="row" title="{html.escape(check.question)}">{html.escape(check.name)}</th>'
            f'<td class="number">{check.values:,}</td><td>{html.escape(_reason(check))}</td></tr>'
            for check in self.checks
        )
        return (
            f'<section class="certificate {"clean" if self.clean else "leak"}"><h2>Leak certificate</h2>'
            f"<p><strong>{html.escape(self.headline())}</strong></p><details><summary>All checks</summary>"
            "<table><thead><tr><th>Verdict</th><th>Check</th><th>Values</th><th>Result</th></tr></thead>"
            f"<tbody>{rows}</tbody></table></details></section>"
        )

    def _repr_html_(self) -> str:
        return self.to_html()

    def write(self, folder: Path) -> Path:
        """Write `certificate.json` into `folder`, whole or not at all, and return its path."""
        path = folder / FILE
        temporary = folder / f".{FILE}.tmp"
        temporary.write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        return temporary.replace(path)


def read_certificate(folder: Path) -> Certificate | None:
    """Return the certificate stored in a run folder, None where there is none or it is of another format."""
    try:
        tree = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if tree.get("format") != FORMAT:
        return None
    checks = tuple(
        Check(
            **{
                **check,
                "offender": Offender(**check["offender"]) if check["offender"] else None,
                "by_stage": tuple((stage, count) for stage, count in check["by_stage"]),
            }
        )
        for check in tree["checks"]
    )
    plain = ("name", "created", "data_fingerprint", "code_sha256", "fits", "seconds")
    return Certificate(
        **{key: tree[key] for key in plain},
        cuts=tuple(tree["cuts"]),
        checks=checks,
        plugins=tuple(tree.get("plugins", ())),
        uncovered=tuple(tree.get("uncovered", ())),
    )


def _reason(check: Check) -> str:
    stages = ", ".join(f"{stage} {count:,}" for stage, count in check.by_stage)
    reason = check.offender.sentence() if check.offender else check.detail
    return f"{reason} ({stages})" if stages else reason

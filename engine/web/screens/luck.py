"""Is it more than luck? One scale, what was tested against what, and the certificate."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from engine.evaluation.metrics.accounts.luck import CLEAR
from engine.evaluation.subject import Metrics
from engine.report.wording import words
from engine.web.screens import drawing

NO_CERTIFICATE = "Whether the program has looked into the future has not been checked for this run."


@dataclass(frozen=True)
class LuckScreen:
    """The screen.

    Attributes:
        sentence: the first. gauge: the scale, None where nothing can be said.
        tested: what was tested against what, in words. certificate: what the check for looking ahead came to.
        checked: whether there is a certificate. verdict: the expert's paragraph.
    """

    sentence: str
    gauge: Markup | None
    tested: str
    certificate: str
    checked: bool
    verdict: str


def luck_screen(run: Path) -> LuckScreen:
    """Read what the tests of a finished run came to, and its certificate if it has one."""
    metrics = Metrics.from_json(json.loads((run / "metrics.json").read_text(encoding="utf-8")))
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    path = run / "certificate.json"
    certificate = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    tested = words.luck_test_of(metrics, leak=certificate is not None and not certificate["clean"])
    believed = words.luck_case(tested) not in (words.Luck.LEAK, words.Luck.TOO_GOOD)
    share = tested.probability if believed else None
    return LuckScreen(
        sentence=words.luck(tested),
        gauge=None if share is None else _gauge(share),
        tested=_tested(metrics, tested),
        certificate=NO_CERTIFICATE if certificate is None else certificate_words(certificate),
        checked=certificate is not None,
        verdict=str(manifest.get("verdict", "")),
    )


def _gauge(share: float) -> Markup:
    label = f"{100 * share:.0f} of 100; from {100 * CLEAR:.0f} on it is clear"
    return drawing.gauge(share, "chance", "open", "clear", label)


def _tested(metrics: Metrics, tested: words.LuckTest) -> str:
    beside = "just holding the same companies" if tested.against != "cash" else "a savings account"
    tries = (
        "This was the first try on these prices"
        if tested.tries <= 1
        else f"{tested.tries:,} tries on these prices lie behind it"
    )
    if metrics.luck.lost_tries:
        tries += f", {metrics.luck.lost_tries:,} of which somebody has deleted from the ledger"
    alpha = metrics.luck.alpha
    if alpha.alpha_per_year is None or alpha.low_per_year is None or alpha.high_per_year is None:
        return f"The account was compared with {beside}. {tries}."
    return (
        f"The account was compared with {beside}, in the part in which it moved with that. What is left is "
        f"{alpha.alpha_per_year:+.1%} a year, give or take chance: it may as well be anything between "
        f"{alpha.low_per_year:+.1%} and {alpha.high_per_year:+.1%}. {tries}, and more tries find more luck."
    )


def certificate_words(found: dict[str, object]) -> str:
    """What the leak certificate of the run says, in one sentence; ``found`` is the certificate as stored."""
    values = f"{found.get('values', 0):,}"
    if found["clean"]:
        said = f"No look into the future was found: {values} values checked."
        left = found.get("uncovered")
        return f"{said} Not covered: {'; '.join(left)}." if isinstance(left, list) and left else said
    checks = found["checks"]
    named = (
        [check["name"] for check in checks if check["verdict"] == "leak"] if isinstance(checks, list) else []
    )
    return f"A look into the future was found, by the check of {' and '.join(named)}."

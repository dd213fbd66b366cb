"""``barograph doctor``."""

from __future__ import annotations

from dataclasses import asdict

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import encode, write
from barograph.errors import DataError

_SIGNS = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}


def doctor(*, deep: bool = False, common: Options = DEFAULTS) -> None:
    """Look for what is wrong, and say the remedy. Exit code 4 when something is.

    Parameters
    ----------
    deep
        Check every byte of the tape too, as barograph tape verify does.
    """
    from barograph.cli.checks import examine

    findings = list(examine(common.settings(), deep=deep))
    if common.json:
        write(encode([asdict(finding) for finding in findings]) + "\n")
    else:
        for finding in findings:
            remedy = f"\n       -> {finding.remedy}" if finding.remedy else ""
            write(f"{_SIGNS[finding.state]}  {finding.about}: {finding.message}{remedy}\n")
    wrong = [finding.about for finding in findings if finding.state == "wrong"]
    if wrong:
        raise DataError(f"{len(wrong)} things are wrong: {', '.join(wrong)}; the remedies are above")

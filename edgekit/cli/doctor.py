"""``edgekit doctor``: what is installed, what is missing, how to get it."""

from __future__ import annotations

import click

from edgekit.cli.output import Output, output_options
from edgekit.doctor import examine


@click.command(name="doctor")
@output_options
def command(as_json: bool, quiet: bool) -> None:
    """Show what is installed, what is missing, and how to get it."""
    output = Output(as_json=as_json, quiet=quiet)
    findings = examine()
    output.table(
        "",
        ("", "what", "needed for", "found, or how to get it"),
        [
            (
                "missing" if finding.is_missing else "ok",
                finding.name,
                finding.needed_for,
                finding.remedy if finding.is_missing else finding.found,
            )
            for finding in findings
        ],
    )
    missing = [finding.name for finding in findings if finding.is_missing]
    output.line(
        f"Missing: {', '.join(missing)}. Everything else works without them."
        if missing
        else "Everything that EdgeKit can use is installed."
    )
    output.document("doctor", findings=findings)

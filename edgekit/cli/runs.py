"""How runs, sizes, verifications and latencies are shown; not a verb of its own."""

from __future__ import annotations

from pathlib import Path

from edgekit.cli.check_view import show_verdicts
from edgekit.cli.output import Output
from edgekit.report.markdown import latency_rows, latency_text, size_rows, variant_rows
from edgekit.results import LatencySummary, Run, SizeComparison, Verification


def show_run(output: Output, run: Run, folder: Path) -> None:
    """Print a whole run, then where its report is; or its JSON."""
    for warning in run.warnings:
        output.warn(warning)
    show_variants(output, run)
    if run.verdicts:
        show_verdicts(output, run.verdicts)
    if run.sizes:
        show_sizes(output, run.sizes)
    if run.verification:
        show_verification(output, run.verification)
    if run.latency:
        show_latency(output, run.latency)
    for project in run.projects:
        output.line(f"Project: {folder / project.folder}")
    output.line(f"Report: {folder / 'report.md'} and {folder / 'report.json'}", style="bold")
    output.document("run", run=run, folder=folder)


def show_variants(output: Output, run: Run) -> None:
    """Print the converted variants with size, accuracy and reduction."""
    output.table(
        "Variants (accuracy measured on this computer, on held-out samples)",
        ("variant", "KiB", "reduction", "accuracy", "samples"),
        variant_rows(run.variants),
        numeric="lrrrr",
    )


def show_sizes(output: Output, sizes: SizeComparison) -> None:
    """Print the plan beside the link."""
    output.table(
        "Plan against link",
        ("", "plan, bytes", "linked, bytes", "difference"),
        size_rows(sizes),
        numeric="lrrr",
    )


def show_verification(output: Output, verification: Verification) -> None:
    """Print whether the outputs are the same."""
    exact = verification.samples - verification.mismatched_samples
    text = (
        f"{exact} of {verification.samples} samples give the same output bytes as "
        f"{verification.reference}."
    )
    output.line(text, style="bold green" if verification.is_exact else "bold red")
    if not verification.is_exact:
        agreement = verification.top1_agreement
        output.line(
            f"{verification.mismatched_elements} of {verification.elements} outputs differ, by up "
            f"to {verification.max_steps} steps"
            + (f"; top-1 agreement {100 * agreement:.1f} %." if agreement is not None else ".")
        )


def show_latency(output: Output, latency: LatencySummary) -> None:
    """Print the latency, saying what it is."""
    output.line(f"One inference: {latency_text(latency)}", style="bold")
    output.table("", ("", latency.unit), latency_rows(latency), numeric="lr")

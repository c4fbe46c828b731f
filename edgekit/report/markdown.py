"""A run as Markdown: readable as text, in a pull request, on a page."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.results import (
    BankUse,
    BankVerdict,
    Basis,
    LatencySummary,
    Plan,
    Run,
    SizeComparison,
    VariantResult,
    Verification,
)
from edgekit.units import KIB, format_count, format_us


def render_markdown(run: Run) -> str:
    """Return the report of ``run``; each figure says what it is."""
    parts = [f"# {run.model} on {run.target}", *_summary(run)]
    if run.variants:
        parts += ["## Variants", _variants(run.variants)]
    parts += ["## Memory plan (before building)", _plan(run.plan)]
    if run.sizes:
        parts += ["## Plan against link", _sizes(run.sizes)]
    if run.verification:
        parts += ["## Verification", _verification(run.verification)]
    if run.latency:
        parts += ["## Latency of one inference", _latency(run.latency)]
    if run.verdicts:
        parts += ["## Every target", _verdicts(run.verdicts)]
    if run.projects:
        parts += [
            "## Generated projects",
            table(
                ("target", "engine", "folder"),
                [(p.target, p.engine, p.folder) for p in run.projects],
            ),
        ]
    if run.device:
        parts += ["## Device", table(("", ""), list(run.device.items()))]
    if run.warnings:
        parts += ["## Warnings", "\n".join(f"- {warning}" for warning in run.warnings)]
    return "\n\n".join(parts) + "\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: str = "") -> str:
    """Return a Markdown table; ``numeric`` has an ``r`` for each right-aligned column."""
    rule = [
        "---:" if index < len(numeric) and numeric[index] == "r" else "---"
        for index in range(len(columns))
    ]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"
        for row in (columns, rule, *rows)
    )


def _summary(run: Run) -> list[str]:
    lines = [
        f"Engine `{run.engine}`, model sha256 `{run.model_sha256}`, EdgeKit {run.edgekit_version}."
    ]
    if run.verification:
        exact = run.verification.samples - run.verification.mismatched_samples
        lines.append(
            f"**{exact} of {run.verification.samples}** samples give the same output bytes as "
            f"{run.verification.reference}."
        )
    if run.latency:
        lines.append(f"One inference: **{latency_text(run.latency)}**.")
    return lines


def latency_text(latency: LatencySummary) -> str:
    """Return the median in words that say what it is."""
    if latency.unit == "instructions":
        return f"{format_count(latency.median)} instructions (emulated; instructions, not time)"
    return f"{format_us(latency.median)} (measured, median)"


def _variants(variants: Sequence[VariantResult]) -> str:
    rows = zip(variant_rows(variants), variants, strict=True)
    return (
        table(
            ("variant", "KiB", "reduction", "accuracy", "samples", "file"),
            [(*row, f"`{variant.file}`") for row, variant in rows],
            numeric="lrrrr",
        )
        + "\n\nAccuracy is measured on this computer, on held-out samples."
    )


def variant_rows(variants: Sequence[VariantResult]) -> list[tuple[str, str, str, str, str]]:
    """Return a row a variant: name, KiB, reduction against the largest, accuracy, samples."""
    largest = max(variant.size_bytes for variant in variants)
    return [
        (
            variant.variant,
            f"{variant.size_bytes / KIB:.1f}",
            f"{100 * (1 - variant.size_bytes / largest):.0f} %",
            "" if variant.accuracy is None else f"{variant.accuracy:.4f}",
            str(variant.samples or ""),
        )
        for variant in variants
    ]


def _plan(plan: Plan) -> str:
    blocks = []
    for bank in (plan.flash, plan.sram):
        blocks.append(
            f"**{bank.bank}**: {bank.used_bytes} B of {bank.usable_bytes} B usable, "
            + slack_text(bank)
        )
        blocks.append(
            table(
                ("part", "bytes", "basis", "note"),
                [
                    (
                        item.name,
                        str(item.size_bytes),
                        item.basis.value
                        if item.basis is Basis.EXACT
                        else f"{item.basis.value} ± {item.margin_bytes}",
                        item.note,
                    )
                    for item in bank.items
                ],
                numeric="lr",
            )
        )
    if len(plan.banks) > 1:
        blocks.append("**By bank**, with the arena in it:")
        blocks.append(_banks(plan.banks))
    return "\n\n".join(blocks)


def _banks(banks: Sequence[BankVerdict]) -> str:
    return table(
        ("bank", "total, bytes", "framework", "stack", "arena", "other data", "left", "verdict"),
        [
            (
                bank.title,
                *(
                    str(size)
                    for size in (
                        bank.total_bytes,
                        bank.framework_bytes,
                        bank.stack_bytes,
                        bank.arena_bytes,
                        bank.other_bytes,
                        bank.slack_bytes,
                    )
                ),
                bank.verdict + (f"; takes {bank.needs}" if bank.needs else ""),
            )
            for bank in banks
        ],
        numeric="lrrrrrr",
    )


def slack_text(bank: BankUse) -> str:
    """Return a bank's slack or excess in words."""
    if bank.slack_bytes >= 0:
        return f"{bank.slack_bytes} B left."
    return f"**{-bank.slack_bytes} B too many.**"


def _sizes(sizes: SizeComparison) -> str:
    return table(
        ("", "plan, bytes", "linked, bytes", "difference"), size_rows(sizes), numeric="lrrr"
    )


def size_rows(sizes: SizeComparison) -> list[tuple[str, str, str, str]]:
    """Return the rows of the table that holds the plan against the link."""
    linked = "no symbol" if sizes.arena_linked_bytes is None else str(sizes.arena_linked_bytes)
    return [
        (
            "flash (estimated)",
            str(sizes.flash_estimated_bytes),
            str(sizes.flash_linked_bytes),
            f"{sizes.flash_error_percent:+.2f} %",
        ),
        (
            "static SRAM (estimated)",
            str(sizes.sram_estimated_bytes),
            str(sizes.sram_linked_bytes),
            f"{sizes.sram_estimated_bytes - sizes.sram_linked_bytes:+d} B",
        ),
        (
            "arena (exact)",
            str(sizes.arena_planned_bytes),
            linked,
            "none" if sizes.arena_is_exact else "DIFFERS",
        ),
    ]


def _verification(verification: Verification) -> str:
    agreement = verification.top1_agreement
    return (
        table(
            ("samples", "differing samples", "differing outputs", "max steps", "top-1 agreement"),
            [
                (
                    str(verification.samples),
                    str(verification.mismatched_samples),
                    f"{verification.mismatched_elements} of {verification.elements}",
                    str(verification.max_steps),
                    "" if agreement is None else f"{100 * agreement:.1f} %",
                )
            ],
            numeric="rrrrr",
        )
        + f"\n\nReference: {verification.reference}."
    )


def _latency(latency: LatencySummary) -> str:
    unit = "instructions" if latency.unit == "instructions" else "µs"
    notes = {
        Basis.EMULATED: "Emulated: executed instructions, which say nothing of time.",
        Basis.MEASURED: "Measured by the device's own clock.",
    }
    return table(("", unit), latency_rows(latency), numeric="lr") + (
        f"\n\n{notes.get(latency.basis, '')} {len(latency.windows)} windows of "
        f"{latency.inferences_per_window} inferences, {latency.warmup} warm-up inferences each."
    )


def latency_rows(latency: LatencySummary) -> list[tuple[str, str]]:
    """Return the rows of a latency's table, in its own unit."""

    def show(value: float | None) -> str:
        if value is None:
            return "too few samples"
        return f"{value:,.0f}" if latency.unit == "instructions" else f"{value:,.4g}"

    return [
        ("median", show(latency.median)),
        ("MAD", show(latency.mad)),
        ("minimum", show(latency.minimum)),
        ("maximum", show(latency.maximum)),
        ("p99", show(latency.p99)),
    ]


def _verdicts(plans: Sequence[Plan]) -> str:
    return table(
        ("target", "engine", "verdict", "flash, bytes", "slack", "SRAM, bytes", "slack"),
        [
            (
                plan.target,
                plan.engine,
                plan.verdict if plan.runs else f"{plan.verdict}: {plan.problems[0].message}",
                *(
                    str(number) if plan.runs else ""
                    for bank in (plan.flash, plan.sram)
                    for number in (bank.used_bytes, bank.slack_bytes)
                ),
            )
            for plan in plans
        ],
        numeric="lllrrrr",
    ) + (
        "\n\nBefore building: exact or estimated, the estimates at their middle. "
        "`edgekit check --target` has each part with its margin."
    )

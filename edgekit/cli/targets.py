"""``edgekit targets``: which boards there are, and what is known of each."""

from __future__ import annotations

import click

from edgekit.cli.output import Output, output_options
from edgekit.results import to_json
from edgekit.targets import Target, load_target, target_names
from edgekit.units import format_bytes


@click.group(name="targets")
def command() -> None:
    """List the targets, or show one."""


@command.command(name="list")
@output_options
def list_targets(as_json: bool, quiet: bool) -> None:
    """List every target with its memory and engines."""
    output = Output(as_json=as_json, quiet=quiet)
    targets = [load_target(name) for name in target_names()]
    output.table(
        "",
        ("target", "board", "core", "MHz", "flash", "SRAM", "engines", "runs on"),
        [
            (
                target.name,
                target.title,
                target.core.name,
                f"{target.core.clock_hz / 1e6:.0f}",
                format_bytes(target.flash.usable_bytes),
                format_bytes(target.sram.usable_bytes),
                ", ".join(target.engines),
                "emulator" if target.is_emulated else "hardware",
            )
            for target in targets
        ],
        numeric="lllrrr",
    )
    output.line(
        "Flash and SRAM: what an application can use. 'edgekit targets show TARGET' has all."
    )
    output.document("targets", targets=targets)


@command.command()
@click.argument("name", metavar="TARGET")
@output_options
def show(name: str, as_json: bool, quiet: bool) -> None:
    """Show one target's profile, each number with its source."""
    output = Output(as_json=as_json, quiet=quiet)
    target = load_target(name)
    output.line(f"{target.name}: {target.title}", style="bold")
    for title, rows in _sections(target):
        output.table(title, ("", ""), rows)
    for note in target.notes:
        output.line(f"Note: {note}")
    output.document("target", target=target)


def _sections(target: Target) -> list[tuple[str, list[tuple[str, str]]]]:
    parts = [
        ("core", target.core),
        ("flash", target.flash),
        ("sram", target.sram),
        *((f"bank {name}", bank) for name, bank in target.banks.items()),
        ("platform", target.platform),
        *((f"engine {name}", support) for name, support in target.engines.items()),
        ("emulator", target.emulator),
        ("serial", target.serial),
    ]
    return [
        (name, [(key, _show(key, value)) for key, value in to_json(part).items() if value != ""])
        for name, part in parts
        if part is not None
    ]


def _show(key: str, value: object) -> str:
    if key.endswith("_bytes") and isinstance(value, int) and value >= 1024:
        return f"{value} ({format_bytes(value)})"
    if isinstance(value, dict):
        return "\n".join(f"{name} = {item}" for name, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return str(value)

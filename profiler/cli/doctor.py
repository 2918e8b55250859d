"""`bottleneck doctor`: what can be measured here."""

from profiler.cli.options import DebugOption, DeviceOption, Format, FormatOption


def doctor(
    device: DeviceOption = "auto",
    form: FormatOption = Format.TABLE,
    debug: DebugOption = False,
) -> None:
    """Say what can be measured on this machine, at which tier, why not more, and what to do about it.

    [bold]Examples[/bold]

      bottleneck doctor

      bottleneck doctor --device cuda:1 --format json
    """
    import json
    from dataclasses import asdict

    from profiler.cli.output import emit_blocks
    from profiler.device.capabilities import look, survey
    from profiler.device.select import open_driver, select_device
    from profiler.render.document import Block, Bullets, Column, Grid, Heading, Statement
    from profiler.render.words import sentence

    driver = open_driver()
    chosen = select_device(device, driver=driver)
    capabilities = survey(look(chosen, driver))
    columns = (Column(""), Column("measurement"), Column("tier"), Column("good for", flexible=True, wraps=True, drop=1))
    rows = tuple(
        ("yes" if found.available else "no", found.name, found.tier.value, found.good_for) for found in capabilities
    )
    lacking: dict[tuple[str, str], list[str]] = {}
    for found in capabilities:
        if found.reason:
            lacking.setdefault((found.reason, found.remedy), []).append(found.name)
    reasons = tuple(
        f"{', '.join(names)}: {sentence(reason)} {sentence(remedy)}".strip()
        for (reason, remedy), names in lacking.items()
    )
    blocks: list[Block] = [Statement(f"On {chosen.properties.name}:"), Grid(columns, rows)]
    if reasons:
        blocks += [Heading("Why not more, and what to do about it", 2), Bullets(reasons)]

    def as_json() -> bytes:
        found = {"device": chosen.properties.name, "capabilities": [asdict(found) for found in capabilities]}
        return json.dumps(found, indent=2).encode() + b"\n"

    emit_blocks(blocks, form, as_json)

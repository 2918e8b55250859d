"""`bottleneck calibrate`: measure this device's ceilings anew."""

from profiler.cli.options import DebugOption, DeviceOption, Format, FormatOption


def calibrate(
    device: DeviceOption = "auto",
    form: FormatOption = Format.TABLE,
    debug: DebugOption = False,
) -> None:
    """Measure what this device can reach, beside its datasheet, and keep it for later profiles.

    [bold]Examples[/bold]

      bottleneck calibrate

      bottleneck calibrate --device cuda:1
    """
    from datetime import UTC, datetime

    from rich.console import Console

    from profiler.cli.output import emit_blocks
    from profiler.cli.progress import progress_on
    from profiler.device.cache import load_or_measure
    from profiler.device.gpu import gpu_of
    from profiler.device.select import open_driver, select_device
    from profiler.render.document import Footnotes
    from profiler.render.report_blocks import ceiling_blocks, footnote_blocks
    from profiler.report.json_text import json_text

    driver = open_driver()
    chosen = select_device(device, driver=driver)
    gpu, _ = gpu_of(chosen, driver)  # without it, the ceilings are measured all the same
    with progress_on(Console(stderr=True)) as progress:
        ceilings = load_or_measure(
            chosen,
            now=lambda: datetime.now(UTC),
            gpu=gpu,
            remeasure=True,
            progress=progress,
            warn=lambda warning: progress.note(f"warning: {warning.message}"),
        )
    notes = Footnotes()
    blocks = [*ceiling_blocks(ceilings, notes), *footnote_blocks(notes)]
    emit_blocks(blocks, form, lambda: json_text(ceilings))

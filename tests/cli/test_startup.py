"""Nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "accelerate", "numpy", "psutil", "pynvml", "msgspec", "rich.progress")


def imported_by(*arguments: str) -> set[str]:
    code = (
        "import sys\n"
        "from profiler.cli import main\n"
        "sys.argv = ['bottleneck', *sys.argv[1:]]\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    return set(result.stderr.split())


@pytest.mark.parametrize(
    "arguments", [("--help",), ("profile", "--help"), ("--version",), ("profile", "tiny", "--mode", "x")]
)
def test_help_and_usage_errors_import_nothing_heavy(arguments: tuple[str, ...]) -> None:
    modules = imported_by(*arguments)
    assert "typer" in modules
    assert not modules.intersection(HEAVY)


def test_a_model_that_is_mistyped_is_told_before_torch_is_imported() -> None:
    assert not imported_by("profile", "lama-3.1-8b").intersection({"torch", "transformers", "accelerate"})


def test_a_trace_that_nothing_would_open_is_refused_before_torch_is_imported() -> None:
    modules = imported_by("profile", "tiny", "--trace-out", "trace.txt")
    assert not modules.intersection({"torch", "transformers", "accelerate"})


def test_a_server_is_loaded_without_torch_and_its_gpus_are_looked_for_without_it() -> None:
    for more in ((), ("--gpu",)):
        modules = imported_by("endpoint", "http://127.0.0.1:1", "--rate", "1", *more)
        assert "profiler.session.endpoint" in modules
        assert not modules.intersection({"torch", "transformers", "accelerate"})


def test_listing_models_and_the_schema_never_import_torch() -> None:
    for verb in ("models", "schema"):
        assert not imported_by(verb).intersection({"torch", "transformers", "accelerate"})


def test_a_verb_runs_with_pythons_usual_search_for_garbage() -> None:
    code = (
        "import gc, sys\n"
        "usual = gc.get_threshold()\n"
        "from profiler.cli import main\n"
        "from profiler.catalogue import presets\n"
        "presets.preset_names = lambda: print(gc.get_threshold() == usual) or []\n"
        "sys.argv = ['bottleneck', 'models']\n"
        "main()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("True\n")


def test_the_package_can_be_run_as_a_module() -> None:
    result = subprocess.run([sys.executable, "-m", "profiler", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("bottleneck ")

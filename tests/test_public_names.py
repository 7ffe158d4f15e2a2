"""The names that DAGs, configurations and the metadata database of users hold stay importable."""

import importlib
import subprocess
import sys

import pytest

from persado.triggers import PersadoDoneEventTrigger, PersadoDoneTrigger

NAMES = [
    "persado.errors.ConfigurationError",
    "persado.errors.PersadoError",
    "persado.errors.RejectedError",
    "persado.errors.TransientError",
    "persado.fab_auth_manager.PersadoFabAuthManager",
    "persado.gate.PersadoGateOperator",
    "persado.hooks.PersadoHook",
    "persado.operators.PersadoDeliverOperator",
    "persado.operators.PersadoEncodeOperator",
    "persado.operators.PersadoEncryptOperator",
    "persado.operators.PersadoExtractOperator",
    "persado.operators.PersadoFormatOperator",
    "persado.operators.PersadoGateOperator",
    "persado.operators.PersadoOperator",
    "persado.operators.PersadoStageOperator",
    "persado.operators.PersadoSuccessFileOperator",
    "persado.operators.PersadoUploadOperator",
    "persado.retries.PersadoRetryPolicy",
    "persado.sensors.PersadoDoneSensor",
    "persado.settings.load",
    "persado.triggers.PersadoDoneEventTrigger",
    "persado.triggers.PersadoDoneTrigger",
]


@pytest.mark.parametrize("name", NAMES)
def test_public_name_is_importable(name: str) -> None:
    module, _, attribute = name.rpartition(".")

    assert getattr(importlib.import_module(module), attribute).__name__ == attribute


@pytest.mark.parametrize(
    "trigger",
    [PersadoDoneTrigger("/out/*.DONE"), PersadoDoneEventTrigger("/out/*.DONE")],
    ids=lambda t: type(t).__name__,
)
def test_a_serialized_trigger_has_its_public_class_path(trigger: PersadoDoneTrigger | PersadoDoneEventTrigger) -> None:
    path, _ = trigger.serialize()

    assert path == f"persado.triggers.{type(trigger).__name__}"


def test_the_command_line_is_python_m_persado() -> None:
    done = subprocess.run([sys.executable, "-m", "persado", "--help"], capture_output=True, text=True, check=True)

    assert "validate" in done.stdout

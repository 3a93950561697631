"""Silence inside the block, and everything as before after it."""

import logging
import warnings

import huggingface_hub.constants
import pytest
import transformers
from tqdm import tqdm

from harness.models.quiet import quiet


def test_bars_logs_and_warnings_are_silent_inside(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet():
        list(tqdm(range(3), disable=False))
        logging.info("from the root logger")
        logging.getLogger("some.library").error("loud")
        transformers.logging.get_logger("transformers.test").warning("loud")
        warnings.warn("loud", UserWarning, stacklevel=1)
    assert capsys.readouterr() == ("", "")


def test_everything_is_put_back_even_after_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    root, verbosity = logging.getLogger().level, transformers.logging.get_verbosity()
    with pytest.raises(ZeroDivisionError), quiet():
        1 / 0  # noqa: B018  # any error will do
    assert logging.getLogger().level == root
    assert transformers.logging.get_verbosity() == verbosity
    list(tqdm(range(3)))
    assert "3/3" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="heard again"):
        warnings.warn("heard again", UserWarning, stacklevel=1)


def test_the_hub_client_is_offline_inside_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with quiet():
        assert huggingface_hub.constants.is_offline_mode()
    assert not huggingface_hub.constants.is_offline_mode()

"""The committed list of estimators is what a survey of them finds now."""

import time

import pytest

from warren_consumer.training import estimators
from warren_consumer.training.survey import survey


def test_the_list_is_what_the_survey_finds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # Its processes, as many as there are cores, take twice as long with threads that wait for each other.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    started = time.monotonic()
    found = survey()
    count = len(found.classifiers) + len(found.regressors) + len(found.excluded)
    with capsys.disabled():
        print(f"\nsurvey of {count} estimators: {time.monotonic() - started:.0f} s")  # noqa: T201 - for whoever watches
    listed = estimators.listing()
    assert found.classifiers == listed.classifiers
    assert found.regressors == listed.regressors
    assert found.excluded.keys() == listed.excluded.keys()

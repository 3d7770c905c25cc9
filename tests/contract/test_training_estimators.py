"""The committed list of estimators is what a survey of them finds now."""

import time

from warren_consumer.training import estimators
from warren_consumer.training.survey import survey


def test_the_list_is_what_the_survey_finds() -> None:
    started = time.monotonic()
    found = survey()
    print(f"survey of {len(found.classifiers) + len(found.regressors) + len(found.excluded)} estimators: "
          f"{time.monotonic() - started:.0f} s")
    listed = estimators.listing()
    assert found.classifiers == listed.classifiers
    assert found.regressors == listed.regressors
    assert found.excluded.keys() == listed.excluded.keys()

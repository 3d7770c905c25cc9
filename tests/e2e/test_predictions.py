"""Predictions over HTTP, from the model that a training run has made."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.pools import deployment, fall_asleep, hold, let_go
from tests.e2e.training import IRIS, ended
from warren.client import Client
from warren.record import State

pytestmark = pytest.mark.timeout(300)

SETOSA, VIRGINICA = [5.1, 3.5, 1.4, 0.2], [6.5, 3.0, 5.8, 2.2]

LIMIT_SECONDS = 10
"""Of a prediction, unless it asks for another."""

SLEEPERS = 150
"""They keep a consumer busy for about 40 s."""


@pytest.fixture(autouse=True)
def _trained(namespace: Namespace) -> None:
    """Have the example's model in production."""
    namespace.run("apply", "-f", str(IRIS))
    assert ended(namespace, "iris", seconds=90).phase == "Complete"


def test_a_prediction_wakes_its_pool_and_is_right(namespace: Namespace, api: str, diary: Diary) -> None:
    fall_asleep(namespace, "cpu")
    with namespace.watched(f"deployment/{deployment('cpu')}", "{.spec.replicas}") as pool:
        answer = httpx2.post(
            f"{api}/v1/models/iris/predict",
            json={"instances": [SETOSA, VIRGINICA]},
            headers={"Prefer": "wait=45"},
            timeout=60,
        )
        diary.say(f"cpu: {pool}; {answer.status_code} after {answer.elapsed.total_seconds():.1f} s: {answer.text}")
    assert answer.status_code == 200
    assert [prediction["label"] for prediction in answer.json()["predictions"]] == ["setosa", "virginica"]
    assert pool.values == ["0", "1"]


def test_an_awake_pool_answers_at_once(api: str, diary: Diary) -> None:
    httpx2.post(
        f"{api}/v1/models/iris/predict", json={"instances": [SETOSA]}, headers={"Prefer": "wait=45"}, timeout=60
    )
    answer = httpx2.post(f"{api}/v1/models/iris/predict", json={"instances": [VIRGINICA]}, timeout=60)
    diary.say(f"{answer.elapsed.total_seconds() * 1000:.0f} ms")
    assert answer.json()["predictions"][0]["label"] == "virginica"
    assert answer.elapsed.total_seconds() < 1


def test_an_overloaded_pool_refuses_at_once(namespace: Namespace, api: str, client: Client, diary: Diary) -> None:
    hold(namespace, "cpu", 1)
    jobs = client.submit_many({"task": "sleep", "args": {"seconds": 2}} for _ in range(SLEEPERS))
    wait = until("the pool's wait is known to be long", lambda: _long_wait(api), seconds=30)
    answer = httpx2.post(f"{api}/v1/models/iris/predict", json={"instances": [SETOSA]}, timeout=60)
    diary.say(f"waiting {wait} s; {answer.status_code} after {answer.elapsed.total_seconds():.2f} s: {answer.text}")
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.elapsed.total_seconds() < 1
    with ThreadPoolExecutor(16) as several:
        began = time.monotonic()
        list(several.map(lambda job: job.cancel(), reversed(jobs)))
        states = Counter(several.map(lambda job: job.wait(20).status, jobs))
    diary.say(f"after {time.monotonic() - began:.1f} s: {states}")
    assert set(states) == {State.SUCCEEDED, State.CANCELED}
    assert states[State.CANCELED] > SLEEPERS // 2
    until("predictions are taken again", lambda: _is_taken(api), seconds=15)
    # Figures that still told of the backlog would bring ten pods, whose start takes the processors from all others.
    until("the operator sees that nothing waits", lambda: _nothing_waits(namespace), seconds=20)
    let_go(namespace, "cpu")


def _nothing_waits(namespace: Namespace) -> bool:
    status = namespace.get("consumerpool", "cpu")["status"]
    return bool(status["ready"] == status["unacked"] == 0)


def _is_taken(api: str) -> bool:
    answer = httpx2.post(f"{api}/v1/models/iris/predict", json={"instances": [SETOSA]}, timeout=60)
    return answer.status_code == httpx2.codes.OK


def _long_wait(api: str) -> float | None:
    pools = {pool["name"]: pool for pool in httpx2.get(f"{api}/v1/pools").json()["pools"]}
    wait: float | None = pools["cpu"]["estimated_wait_seconds"]
    return wait if wait is not None and wait > LIMIT_SECONDS else None


@pytest.mark.parametrize(
    ("model", "body", "status", "words"),
    [
        ("tulip", {"instances": [SETOSA]}, 404, "tulip"),
        ("iris", {"instances": [[1.0, 2.0]]}, 422, "sepal_length"),
        ("iris", {"instances": [["long", 3.5, 1.4, 0.2]]}, 422, "long"),
        ("iris", {"rows": [SETOSA]}, 422, "rows"),
    ],
)
def test_a_prediction_that_cannot_be_made_says_why(
    api: str, model: str, body: dict[str, object], status: int, words: str
) -> None:
    answer = httpx2.post(f"{api}/v1/models/{model}/predict", json=body, timeout=60)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.text

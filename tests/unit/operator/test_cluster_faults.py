"""What the Kubernetes API's answers mean: what is refused, what may go better later, what is gone or has changed."""

from __future__ import annotations

import aiohttp
import pytest
from kubernetes.aio.client.exceptions import ApiException

from warren.errors import WarrenError
from warren_operator.cluster import ClusterRefusedError, ClusterUnavailableError, ConflictError, ResourceNotFoundError
from warren_operator.cluster.api import faults


def named(error: Exception) -> WarrenError:
    with pytest.raises(WarrenError) as caught, faults("the Deployment 'cpu'"):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("status", "meant"),
    [
        (400, ClusterRefusedError),
        (401, ClusterRefusedError),
        (403, ClusterRefusedError),
        (422, ClusterRefusedError),
        (404, ResourceNotFoundError),
        (409, ConflictError),
        (408, ClusterUnavailableError),
        (429, ClusterUnavailableError),
        (500, ClusterUnavailableError),
        (503, ClusterUnavailableError),
        (504, ClusterUnavailableError),
    ],
)
def test_each_status_is_one_kind_of_fault(status: int, meant: type[WarrenError]) -> None:
    assert type(named(ApiException(status=status, reason="said"))) is meant


@pytest.mark.parametrize("error", [aiohttp.ClientConnectionError("gone"), TimeoutError(), OSError("reset")])
def test_no_answer_is_no_refusal(error: Exception) -> None:
    assert type(named(error)) is ClusterUnavailableError


def test_a_refusal_is_told_in_the_servers_words() -> None:
    refusal = ApiException(status=403, reason="Forbidden")
    refusal.body = "denied by policy"
    told = "the Kubernetes API refused the Deployment 'cpu': 403 Forbidden: denied by policy"
    assert named(refusal).detail == told

"""Which pool a task goes to."""

import pytest

from warren.client.routing import choose_pool
from warren.errors import WrongPoolError
from warren.pool import Pool

CPU, GPU = Pool.parse("cpu"), Pool.parse("gpu")
TRAIN, TRAIN_GPU = Pool.parse("train-cpu:train"), Pool.parse("train-gpu:train")
POOLS = (GPU, CPU, TRAIN_GPU, TRAIN)


@pytest.mark.parametrize(
    ("task", "wanted", "usual", "pool"),
    [
        ("echo", None, None, CPU),
        ("echo", "gpu", None, GPU),
        ("echo", None, "gpu", GPU),
        ("echo", "cpu", "gpu", CPU),
        ("train", None, None, TRAIN),
        ("train", "train-gpu", None, TRAIN_GPU),
        ("predict", None, "gpu", GPU),
    ],
)
def test_the_pool_of_a_task(task: str, wanted: str | None, usual: str | None, pool: Pool) -> None:
    assert choose_pool(task, POOLS, wanted=wanted, usual=usual) == pool


def test_the_first_of_its_kind_where_no_default_pool_is() -> None:
    assert choose_pool("echo", (TRAIN_GPU, GPU)) == GPU


@pytest.mark.parametrize(
    ("task", "wanted", "message"),
    [
        (
            "echo",
            "train-cpu",
            "serve work, but the pool 'train-cpu' is of kind train; pools of kind serve: gpu .serve.",
        ),
        ("train", "cpu", "pools of kind train: train-gpu .train., train-cpu"),
        ("echo", "moon", "'moon' does not exist; pools: gpu .serve., cpu"),
    ],
)
def test_a_wrong_pool_is_refused_with_the_right_ones(task: str, wanted: str, message: str) -> None:
    with pytest.raises(WrongPoolError, match=message):
        choose_pool(task, POOLS, wanted=wanted)


def test_no_pool_of_the_kind() -> None:
    with pytest.raises(WrongPoolError, match="no pool of kind train; pools: cpu"):
        choose_pool("train", (CPU,))

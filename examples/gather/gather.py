"""Many tasks for two types of workers at once, with retries, and all of their results gathered.

pip install ./examples/gather                             # where the workers run, and here
export WARREN_POOLS="readers counters cpu train-cpu:train"
warren topology apply                                     # a queue for each type of worker
warren-consumer --pool readers & warren-consumer --pool counters &
python -m gather 40
"""

from __future__ import annotations

import sys
from typing import Final

from warren import current_task, gather, task

SECONDS: Final = 120


@task(pool="readers", max_attempts=5, retry_on=(ConnectionError,), retry_backoff_seconds=0.1)
async def read(number: int) -> str:
    """Return a page of a book from a place that hangs up on every third caller, once."""
    if number % 3 == 0 and current_task().attempt == 1:
        raise ConnectionError(f"page {number}: the line is dead")
    return f"page {number}: " + "warren " * number


@task(pool="counters", process=True, max_attempts=2, timeout_seconds=60)
def primes_below(limit: int) -> int:
    """Count primes, which keeps a processor busy: each call has a process of its own."""
    return sum(all(number % divisor for divisor in range(2, int(number**0.5) + 1)) for number in range(2, limit))


def main(count: int) -> None:
    """Submit so many tasks of each type, wait for all of them, and print what came of them."""
    pages = read.map(range(count))
    primes = primes_below.map(range(1000, 1000 + count))
    results = gather([*pages, *primes], timeout=SECONDS, progress=True)
    words = sum(len(page.split()) for page in results[:count])
    repeated = sum(job.record().failures > 0 for job in pages)
    print(f"{words} words on {count} pages, {repeated} of them read twice")
    print(f"{max(results[count:])} primes below {999 + count}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)

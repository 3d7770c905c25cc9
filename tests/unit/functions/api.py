"""An API that takes tasks and ends them at once, each with its arguments as the result."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson


class Api:
    """Remembers what was submitted, by id."""

    def __init__(self) -> None:
        self.submitted: dict[str, dict[str, Any]] = {}
        self.results: dict[str, Any] = {}
        self.keys: list[str] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(200, json=self._document(request.url.path.rpartition("/")[2]))
        body = orjson.loads(request.content)
        if request.url.path == "/v1/tasks/batch":
            tasks = [self._document(self._take(item)) for item in body["tasks"]]
            return httpx2.Response(202, json={"tasks": tasks, "accepted": len(tasks), "refused": 0})
        self.keys.append(request.headers["Idempotency-Key"])
        return httpx2.Response(202, json=self._document(self._take(body)))

    def _take(self, request: dict[str, Any]) -> str:
        task_id = str(len(self.submitted))
        self.submitted[task_id] = request
        return task_id

    def _document(self, task_id: str) -> dict[str, Any]:
        request = self.submitted[task_id]
        result = self.results.get(task_id, request["args"])
        known = {"id": task_id, "task": request["task"], "pool": "cpu", "status": "succeeded"}
        return known | {"result": result, "result_type": "application/json"}

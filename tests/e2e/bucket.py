"""The release's bucket, through a port-forward and with the release's own credentials."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config

from tests.e2e.namespace import Namespace

BUCKET = "warren"


class Bucket:
    """What lies in it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def read(self, key: str) -> bytes:
        """Return an object."""
        body: bytes = self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def write(self, key: str, body: bytes) -> None:
        """Put an object there."""
        self._client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def size(self, key: str) -> int:
        """Return how many bytes an object has."""
        return int(self._client.head_object(Bucket=BUCKET, Key=key)["ContentLength"])

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the objects under a prefix, each with its number of bytes."""
        listed = self._client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {entry["Key"]: entry["Size"] for entry in listed}


@contextmanager
def objects(namespace: Namespace) -> Iterator[Bucket]:
    """Connect meanwhile."""
    with namespace.forwarded("warren-s3", 7070) as address:
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{address}",
            aws_access_key_id=namespace.credential("s3-access-key"),
            aws_secret_access_key=namespace.credential("s3-secret-key"),
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )
        try:
            yield Bucket(client)
        finally:
            client.close()

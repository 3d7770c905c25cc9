"""The resources as last seen: fed by watches, put right by every full list.

Forbidden here: what the resources mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warren.errors import UnavailableError
from warren_operator.cluster import Document, ResourceNotFoundError, version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warren_operator.cluster import Cluster, Kind, Listing


class Watched:
    """The newest known document of each resource of one kind."""

    def __init__(self, cluster: Cluster, kind: Kind) -> None:
        self._cluster = cluster
        self._kind = kind
        self._documents: dict[str, Document] = {}

    def __iter__(self) -> Iterator[Document]:
        """Yield the documents; the index may change meanwhile."""
        return iter(list(self._documents.values()))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._documents)

    def newest(self, document: Document) -> Document | None:
        """Return the newest known document of the resource that this one is about; None: it is gone."""
        known = self._documents.get(document["metadata"]["name"])
        return known if known is not None and known["metadata"]["uid"] == document["metadata"]["uid"] else None

    def put(self, document: Document) -> None:
        """Keep the document unless a newer one is known."""
        name = document["metadata"]["name"]
        known = self._documents.get(name)
        if known is None or version(known) <= version(document):
            self._documents[name] = document

    def drop(self, document: Document) -> None:
        """Forget the resource; one that was created anew under its name stays."""
        name, uid = document["metadata"]["name"], document["metadata"]["uid"]
        known = self._documents.get(name)
        if known is not None and known["metadata"]["uid"] == uid:
            del self._documents[name]

    async def refresh(self, document: Document) -> None:
        """Read the resource anew: it is not what it was known as. If that cannot be, the next full list brings it."""
        try:
            self.put(await self._cluster.get(self._kind, document["metadata"]["name"]))
        except ResourceNotFoundError:
            self.drop(document)
        except UnavailableError:
            return

    def replace(self, listing: Listing) -> None:
        """Make it what the list says, but for what was seen to change after the list."""
        listed = {document["metadata"]["uid"] for document in listing.items}
        for document in self:
            if document["metadata"]["uid"] not in listed and version(document) <= listing.version:
                self.drop(document)
        for document in listing.items:
            self.put(document)

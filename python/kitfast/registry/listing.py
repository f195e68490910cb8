"""Lists the tags of a repository, page after page, however many there are."""

from __future__ import annotations

import json
import re
from typing import Any

from yarl import URL

from ..errors import ProtocolError
from .addresses import location, same_origin
from .auth import scope_for
from .errcodes import Ask
from .session import Answer, Session

PAGE = 1000
PAGE_LIMIT = 4 * 1024 * 1024
MAX_TAGS = 200_000
MAX_PAGES = 10_000

_NEXT = re.compile(r'\s*<([^>]*)>\s*;\s*rel\s*=\s*"?next"?\s*', re.IGNORECASE)


async def all_tags(session: Session, repository: str) -> list[str]:
    """Reads all pages of the list (distribution specification 1.1, end-8a and end-8b).

    Args:
        session: The registry.
        repository: Whose tags.

    Raises:
        NotInRegistry: The repository is not there.
        ProtocolError: The pages go in a circle, never end, or lead to another host.
    """
    ask = Ask(session.host, "list the tags", repository)
    url: URL | None = session.addresses.tags(repository).with_query(n=PAGE)
    seen: set[URL] = set()
    found: list[str] = []
    while url is not None:
        if url in seen or len(found) > MAX_TAGS or len(seen) >= MAX_PAGES:
            raise ProtocolError(f"{ask}: the list does not end")
        seen.add(url)
        answer = await session.fetch(
            "GET",
            url,
            ask=ask,
            scope=scope_for(repository, "pull"),
            expect=(200,),
            limit=PAGE_LIMIT,
        )
        found += _tags(answer.body, ask)
        url = _next_page(session, answer, ask)
    return found


def _next_page(session: Session, answer: Answer, ask: Ask) -> URL | None:
    """The next page, from the answer's `Link` (RFC 8288); never on another host."""
    match = _NEXT.fullmatch(answer.headers.get("Link", ""))
    if match is None:
        return None
    target = location(answer.url, match[1], ask, plain_http=session.network.plain_http)
    if not same_origin(target, session.addresses.root):
        raise ProtocolError(f"{ask}: the list goes on at another host, {target.host}")
    return target


def _tags(body: bytes, ask: Ask) -> list[str]:
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"{ask}: the list is not JSON") from error
    if not isinstance(document, dict):
        raise ProtocolError(f"{ask}: the list is not a JSON object")
    # Distribution writes null for a repository whose tags are all deleted.
    tags = document.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ProtocolError(f"{ask}: the list is not one of tags")
    return tags

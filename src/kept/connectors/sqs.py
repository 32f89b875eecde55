"""A queue of Amazon's Simple Queue Service, or of anything that speaks its protocol: the one place with botocore.

Messages are delivered at least once: what was received is hidden for `visible_after_s` and then comes again unless it
was deleted. botocore is not asynchronous, so each call has a thread; a call that is given up ends within its wait.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from kept.connectors.answers import masked
from kept.ports import AccessRefused, Fault, PermanentFault, TemporaryFault
from kept.settings import Secret

T = TypeVar("T")

AT_ONCE_MAX = 10  # the most that the protocol gives or deletes in one call
# A long poll costs nothing while nothing comes; it may be at most 20 s, and ending the process waits for it.
_WAIT_S = 5
_CONNECT_S = 3
_READ_S = _WAIT_S + 10
_REGION = re.compile(r"sqs\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?")
_DEFAULT_REGION = "us-east-1"  # signatures name one, also to servers that have none

# Source: docs.aws.amazon.com, SQS API reference, "Common errors"; the older protocol's names begin with "AWS.".
_QUEUE_GONE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "InvalidAddress"})
_WHO_ARE_YOU = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "InvalidSecurity",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "KMS.AccessDeniedException",
    }
)


@dataclass(frozen=True, slots=True)
class SqsMessage:
    """One delivery of a message. `deliveries` counts this one; 1 at first. Each delivery has a receipt of its own."""

    message_id: str
    receipt: str
    body: str
    deliveries: int


class SqsQueue:
    """One queue. `name` is for errors; `key_id` "" leaves credentials to the AWS environment.

    `visible_after_s` must be longer than it takes to keep a batch durably.
    """

    def __init__(self, name: str, url: str, key_id: str, secret: Secret | None, *, visible_after_s: int = 60) -> None:
        self.name = name
        self._url = url
        self._key_id = key_id
        self._secret = secret
        self.visible_after_s = visible_after_s
        self._client: Any = None
        self._opening = asyncio.Lock()

    async def receive(self) -> list[SqsMessage]:
        """At most ten messages; none after some seconds in which none came. Raises the faults of a read."""
        answer = await self._call(
            lambda client: client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=AT_ONCE_MAX,
                WaitTimeSeconds=_WAIT_S,
                VisibilityTimeout=self.visible_after_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        )
        return [
            SqsMessage(
                each["MessageId"],
                each["ReceiptHandle"],
                each["Body"],
                int(each.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
            )
            for each in answer.get("Messages", ())
        ]

    async def delete(self, receipts: Sequence[str]) -> None:
        """Take deliveries off the queue; one that is over its time may stay, and comes again."""
        for start in range(0, len(receipts), AT_ONCE_MAX):
            some = receipts[start : start + AT_ONCE_MAX]
            entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(some)]
            await self._call(partial(_delete, url=self._url, entries=entries))

    async def _call(self, ask: Callable[[Any], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

        try:
            async with self._opening:
                if self._client is None:
                    self._client = await asyncio.to_thread(self._open)
            return await asyncio.to_thread(ask, self._client)
        except ClientError as exc:
            raise self._fault(exc.response) from exc
        except (NoCredentialsError, PartialCredentialsError) as exc:
            raise AccessRefused(
                f"{self.name}: there are no AWS credentials; set queue_key_id and queue_secret"
            ) from exc
        except BotoCoreError as exc:
            raise TemporaryFault(f"{self.name} gave nothing: {type(exc).__name__}") from exc

    def _open(self) -> Any:
        """A client; botocore reads its models for it, which takes a while."""
        from botocore.config import Config
        from botocore.session import get_session

        parts = urlsplit(self._url)
        region = _REGION.fullmatch(parts.hostname or "")
        keys = (
            {"aws_access_key_id": self._key_id, "aws_secret_access_key": self._secret.reveal()} if self._secret else {}
        )
        return get_session().create_client(
            "sqs",
            region_name=region[1] if region else _DEFAULT_REGION,
            endpoint_url=f"{parts.scheme}://{parts.netloc}",
            config=Config(connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries={"total_max_attempts": 1}),
            **keys,
        )

    def _fault(self, response: dict[str, Any]) -> Fault:
        code = str(response.get("Error", {}).get("Code", ""))
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        text = f"{self.name} refused: {code}: {masked(str(response.get('Error', {}).get('Message', '')))}"
        if code in _WHO_ARE_YOU:
            return AccessRefused(text, code=code)
        if code in _QUEUE_GONE:
            return PermanentFault(f"{text}; check queue_url", code=code)
        if status >= 500 or status == 429 or "Throttl" in code:
            return TemporaryFault(text)
        return PermanentFault(text, code=code)


def _delete(client: Any, url: str, entries: list[dict[str, str]]) -> None:
    client.delete_message_batch(QueueUrl=url, Entries=entries)

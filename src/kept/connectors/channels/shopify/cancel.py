"""Cancels whole orders at Shopify, by its Admin GraphQL API. Needs the access scope write_orders.

Shopify cancels an order in a job a moment later, and an order can be cancelled once: a second try looks first,
and a refusal of what has been cancelled meanwhile is none. That the job was taken on is no cancel yet: the order's
`cancelledAt` tells, or the job's result. The job's id is our answer until then and is kept with the effect, so that
no process sends a second cancel while one is queued.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from kept.connectors.answers import masked
from kept.connectors.channels.shopify import answers, queries, schemas
from kept.connectors.channels.shopify.codes import CANCEL_DONE, CANCEL_ENDS, CANCEL_REASONS
from kept.connectors.channels.shopify.fulfilling import order_gid
from kept.connectors.channels.shopify.graphql import execute
from kept.connectors.http import HttpTarget
from kept.ports import CancelReason, ChannelCancel, ChannelCancelled, PermanentFault, TemporaryFault

# Kept moves no money: what was captured is given back by whoever keeps the books. An authorisation that was
# never captured, Shopify voids by itself.
_REFUND = {"originalPaymentMethodsRefund": False}
_NOTIFY_CUSTOMER = True  # the buyer learns of it from the shop, as of a cancel that was made by hand
_STAFF_NOTE_CHARS_MAX = 255  # Shopify's own limit
_PLAIN_JOB = "gid://shopify/Job/"  # a job without a result of its own


class ShopifyCancel:
    """`kept.ports.CancelAtChannel` and `CancelJobs` for one shop. Raises the faults of `HttpTarget.call`."""

    honours_key = False
    # A lost request, or the job it made, may apply late: jobs run within seconds, and within minutes in a queue.
    write_horizon = timedelta(minutes=2)

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    async def cancel(self, cancel: ChannelCancel, key: str) -> ChannelCancelled:
        """Cancel an order as a whole; with a job's id while Shopify has only taken it on.

        Raises PermanentFault "partial_cancel" for less than the whole, and as `finished` does for a job that failed.
        """
        if not cancel.whole:
            raise _partial(cancel)
        order = await self._order(cancel)
        if order is None:
            raise PermanentFault(f"{self._target.name} has no order {cancel.channel_order_id}", code="order_unknown")
        if order.cancelled_at is not None:
            return ChannelCancelled(cancel.channel_order_id)
        try:
            job = await self._begin(cancel, key)
        except PermanentFault:
            found = await self.find_cancel(cancel)
            if found is None:
                raise
            return found
        if _is_under_way(job):
            return ChannelCancelled(cancel.channel_order_id, job_id=job.id)
        return await self._ended(cancel, job)

    async def find_cancel(self, cancel: ChannelCancel) -> ChannelCancelled | None:
        """The order, if it is cancelled. A cancel of some pieces leaves nothing to be found by."""
        order = await self._order(cancel)
        if order is None or order.cancelled_at is None:
            return None
        return ChannelCancelled(cancel.channel_order_id)

    async def finished(self, cancel: ChannelCancel, job_id: str) -> ChannelCancelled:
        """See `kept.ports.CancelJobs`. A job that failed is PermanentFault with the code of Shopify's first error."""
        gid = order_gid(cancel.channel_order_id)
        operation = queries.CANCEL_JOB if job_id.startswith(_PLAIN_JOB) else queries.CANCEL_RESULT
        read = partial(answers.cancel_job, gid=gid)
        job = await execute(self._target, operation, {"job": job_id, "id": gid}, read)
        if _is_under_way(job):
            raise TemporaryFault(
                f"{self._target.name} took on to cancel {cancel.channel_order_id} and has not done it yet ({job_id})"
            )
        return await self._ended(cancel, job)

    async def _ended(self, cancel: ChannelCancel, job: schemas.CancelJob) -> ChannelCancelled:
        """The cancel, if the job that ended did it. The order is looked at once more: it was read beside the job."""
        if job.status == CANCEL_DONE or (job.order is not None and job.order.cancelled_at is not None):
            return ChannelCancelled(cancel.channel_order_id)
        found = await self.find_cancel(cancel)
        if found is not None:
            return found
        errors = "; ".join(f"{error.code or 'no code'}: {masked(error.message)}" for error in job.errors)
        raise PermanentFault(
            f"{self._target.name} did not cancel {cancel.channel_order_id}: its job ended as {job.status or 'done'}, "
            f"{errors or 'without a reason'}. Cancel it there, then replay",
            code=next((error.code for error in job.errors if error.code), "cancel_failed"),
        )

    async def _begin(self, cancel: ChannelCancel, key: str) -> schemas.CancelJob:
        gid = order_gid(cancel.channel_order_id)
        read = partial(answers.cancel_begun, gid=gid, reference=cancel.order_ref)
        return await execute(self._target, queries.CANCEL, cancel_input(cancel), read, key=key)

    async def _order(self, cancel: ChannelCancel) -> schemas.CancellationNode | None:
        gid = order_gid(cancel.channel_order_id)
        return await execute(self._target, queries.CANCELLATION, {"id": gid}, partial(answers.cancellation, gid=gid))


def _is_under_way(job: schemas.CancelJob) -> bool:
    """Whether the job may yet cancel the order. A status that we do not know ends when Shopify says it is done."""
    cancelled = job.order is not None and job.order.cancelled_at is not None
    return not (job.done or cancelled or job.status in CANCEL_ENDS)


def cancel_input(cancel: ChannelCancel) -> dict[str, Any]:
    """The variables of orderCancel."""
    note = f"Cancelled by Kept, order {cancel.order_ref}: {cancel.reason.value.replace('_', ' ')}"
    return {
        "orderId": order_gid(cancel.channel_order_id),
        "reason": CANCEL_REASONS[cancel.reason],
        "refundMethod": _REFUND,
        # Pieces that we have not are not put back on sale.
        "restock": cancel.reason is not CancelReason.OUT_OF_STOCK,
        "notifyCustomer": _NOTIFY_CUSTOMER,
        "staffNote": note[:_STAFF_NOTE_CHARS_MAX],
    }


def _partial(cancel: ChannelCancel) -> PermanentFault:
    """Shopify takes single pieces off only by editing the order or by refunding them: both move money."""
    pieces = ", ".join(
        f"{quantity} of line {cancel.line_ids.get(line_no, f'{line_no} (unknown to Shopify)')}"
        for line_no, quantity in sorted(cancel.quantities.items())
    )
    return PermanentFault(
        f"Shopify cancels an order only as a whole; of {cancel.order_ref} (Shopify's {cancel.channel_order_id}), "
        f"{pieces} must be refunded or taken off there by a person, since that moves money",
        code="partial_cancel",
    )

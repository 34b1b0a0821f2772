"""Whether this task was canceled, when a call of grpc.aio has ended.

grpc.aio mixes the two up, both ways. A call that is canceled raises CancelledError, as if the task had been. And a task
that is canceled while its call fails gets the call's own error instead: the cancellation is lost, and whoever tries
again would do so for ever.
"""

import asyncio


def cancellations() -> int:
    """How often this task has been canceled. When it is more after a call than before, the task has to end."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0

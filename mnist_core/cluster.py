"""A run's place on a Dask cluster: a task that a worker takes when it has room, and a thread that talks with it.

Server, scheduler and workers trust one another: Dask sends Python objects, and whoever reaches the scheduler can run
code on all of them. Keep its port from strangers, or use Dask's own TLS settings. A visitor reaches it with nothing but
the checked settings of a run.
"""

from __future__ import annotations

import asyncio
import functools
import pickle
import queue
import threading
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from mnist_core.errors import TrainingError
from mnist_core.messages import Message, say
from mnist_core.worker import Begun, Ended, EntryFunction

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_WITHIN = 5.0  # seconds
LEAVE_WITHIN = 5.0  # seconds that taking leave of a scheduler may take
LOOK_EVERY = 1.0  # seconds; so often it is looked whether the worker is still there, when nothing is heard of it


class ClusterTask:
    """An entry function that goes on at one of a cluster's workers, in a process of its own there.

    Attributes:
        process_id: None, for there is no process of this machine.
    """

    process_id: int | None = None
    _waiting: ClassVar[list[ClusterTask]] = []  # sent by this server and not yet begun, in the order of sending

    def __init__(self, scheduler: str) -> None:
        self._scheduler = scheduler
        self._name = f"digit-training-{uuid.uuid4().hex}"
        self._worker: str | None = None  # its address, when it has begun
        self._heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._orders: asyncio.Queue[str] = asyncio.Queue()
        self._loop = asyncio.new_event_loop()
        self._talk: asyncio.Task[None] | None = None
        self._given_up = False

    def start(self, entry: EntryFunction, arguments: tuple[object, ...]) -> bool:
        """Send it to the cluster, without waiting; False, for it begins when a worker has room: then comes a Begun."""
        self._waiting.append(self)
        try:
            threading.Thread(target=self._run, args=(entry, arguments), name="cluster", daemon=True).start()
        except RuntimeError:  # the system has no thread to give
            self._wait_no_more()
            raise
        return False

    @property
    def ahead(self) -> int:
        """How many of this server's runs were sent before it and wait for a worker too."""
        waiting = list(self._waiting)
        return waiting.index(self) if self in waiting else 0

    def send(self, order: str) -> bool:
        """Pass an order on; False when nobody is left to hear it."""
        return self._call(self._orders.put_nowait, order)

    def receive(self) -> Any:
        """Wait for the next message; the last one is an Ended, told by the run or, when it was lost, made here."""
        return self._heard.get()

    def kill(self) -> None:
        """Take the task back from the cluster; its worker ends the process."""
        self._heard.put(Ended("stopped"))
        self._call(self._give_up)

    def _call(self, function: Any, *arguments: Any) -> bool:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the talk is over and its loop is closed
            return False
        return True

    def _give_up(self) -> None:
        if self._talk is not None and not self._given_up:  # once, for a second time would break off its taking leave
            self._talk.cancel()
        self._given_up = True

    def _run(self, entry: EntryFunction, arguments: tuple[object, ...]) -> None:
        with suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._talk_until_over(entry, arguments))

    async def _talk_until_over(self, entry: EntryFunction, arguments: tuple[object, ...]) -> None:
        """Connect, send the task, hand on what is told, and tell how it has ended."""
        self._talk = asyncio.current_task()
        try:
            if not self._given_up:
                await self._talk_through(new_client(self._scheduler), entry, arguments)
        except TrainingError as error:
            self._heard.put(Ended("failed", error.message))
        except Exception as error:
            lost = say(
                "The connection to the cluster at {address} was lost ({error}). "
                "What the run had learnt is kept; train again.",
                address=self._scheduler,
                error=described(error),
            )
            self._heard.put(Ended("failed", lost))
        finally:
            self._wait_no_more()

    def _wait_no_more(self) -> None:
        with suppress(ValueError):
            self._waiting.remove(self)

    async def _talk_through(self, client: Client, entry: EntryFunction, arguments: tuple[object, ...]) -> None:
        """Connect, send the task, hand on what is told until its end, and take leave, whatever happens."""
        from mnist_core import relay

        future: Future[Any] | None = None
        ordering: asyncio.Task[None] | None = None
        try:
            await connect(client, self._scheduler)
            told, orders = relay.open_queues(self._name, client)
            await told
            await orders
            await orders.put(relay.BEGIN)
            task = pickle.dumps(functools.partial(relay.relay, self._name, entry, arguments))
            # The scheduler looks into a task. A lambda goes there as it is, so that it needs neither torch nor us.
            future = client.submit(lambda task: __import__("pickle").loads(task)(), task, key=self._name, pure=False)
            ordering = asyncio.create_task(self._pass_orders(orders))
            await self._listen(client, future, told)
        finally:
            if ordering is not None:
                ordering.cancel()
            if future is not None:
                with suppress(Exception):
                    async with asyncio.timeout(LEAVE_WITHIN):
                        await client.cancel([future])
                        await told.put(b"")  # the answer to a question that may still be open
                        await told.get(batch=True)
                        told.close()
                        orders.close()
            with suppress(Exception):
                async with asyncio.timeout(LEAVE_WITHIN):
                    await client.close()

    async def _pass_orders(self, orders: Any) -> None:
        with suppress(OSError):  # the connection is lost; who listens finds out
            while True:
                await orders.put(await self._orders.get())

    async def _listen(self, client: Client, future: Future[Any], told: Any) -> None:
        """Hand on what is told, until the last word or a TrainingError that says why it will not come."""
        asked = asyncio.ensure_future(told.get())
        missed = 0
        try:
            while True:
                was_done = future.done()
                if not (await asyncio.wait([asked], timeout=LOOK_EVERY))[0]:
                    if was_done:
                        raise TrainingError(await self._failure(future))
                    missed = 0 if self._worker is None or await self._is_at_work(client) else missed + 1
                    if missed > 1:  # once may be between its last word and the news that it is done
                        raise TrainingError(worker_lost())
                    continue
                message = pickle.loads(asked.result())
                if isinstance(message, Begun):
                    self._worker = message.worker
                    self._wait_no_more()
                self._heard.put(message)
                if isinstance(message, Ended):
                    return
                asked = asyncio.ensure_future(told.get())
        finally:
            asked.cancel()

    async def _is_at_work(self, client: Client) -> bool:
        processing: dict[str, Any] = await client.processing()
        return self._name in processing.get(self._worker or "", ())

    async def _failure(self, future: Future[Any]) -> Message:
        """Why a task is done that has not told the end of its run."""
        error = await future.exception() if future.status == "error" else None
        if isinstance(error, TrainingError):
            return error.message
        return say(
            "The cluster could not carry the run out ({error}). Do its workers have this program, in the same version?",
            error=described(error) if error else future.status,
        )


def new_client(scheduler: str) -> Client:
    """Dask's own end of a talk with a scheduler, not yet connected, or a TrainingError when Dask is missing."""
    try:
        from distributed import Client
    except ImportError as error:
        raise TrainingError(
            say(
                "Runs go to the cluster at {address}, but Dask is missing here ({error}). Run: pip install distributed",
                address=scheduler,
                error=str(error),
            )
        ) from error
    return Client(scheduler, asynchronous=True, timeout=CONNECT_WITHIN, set_as_default=False)


async def connect(client: Client, scheduler: str) -> None:
    """Connect, or raise a TrainingError that says what to do."""
    try:
        await client
    except Exception as error:  # an OSError, or whatever an address that is none leads to
        raise TrainingError(
            say(
                "The cluster at {address} cannot be reached ({error}). The run was not started. Is its scheduler up?",
                address=scheduler,
                error=described(error),
            )
        ) from error


def worker_lost() -> Message:
    """What a person reads when the worker has gone in mid-run."""
    return say("The worker that trained has been lost. What it had learnt is kept; train again.")


def described(error: BaseException) -> str:
    """An error in one line, with its type when it has no words."""
    return " ".join(str(error).split()) or type(error).__name__

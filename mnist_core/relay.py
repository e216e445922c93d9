"""A run's other end on a Dask worker: the run's process there, and what is told and ordered passed on."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from typing import Any

from distributed import Client, Queue, Worker, get_client, get_worker

from mnist_core.cluster import worker_lost
from mnist_core.errors import TrainingError
from mnist_core.local_process import LocalProcess, prepare_to_fork
from mnist_core.worker import Begun, Ended, EntryFunction

BEGIN, END = "begin", "end"  # orders beside pause, resume and stop
MOST_UNREAD = 16  # messages that lie with the scheduler; a run whose reader is slower waits for it
LOOK_EVERY = 0.5  # seconds


def dask_setup(worker: Worker) -> None:
    """Have all ready before a worker's first run: Dask calls this at its start, given --preload mnist_core.relay."""
    prepare_to_fork()


def open_queues(name: str, client: Client) -> tuple[Any, Any]:
    """Two of Dask's queues, by the name of a task: what is told by its run, pickled, and what is ordered, in words."""
    queue: Any = Queue
    return queue(f"{name}-told", client, maxsize=MOST_UNREAD), queue(f"{name}-orders", client)


def relay(name: str, entry: EntryFunction, arguments: tuple[object, ...]) -> None:
    """Let an entry function go on in a process of this worker's machine; the task that a cluster is given.

    In a process of its own, as on the server's machine, the run is stopped for certain, gives its memory back, and
    neither keeps the worker from its heartbeats nor leaves its threads, priority and random numbers changed.

    Raises:
        TrainingError: when it had begun elsewhere before: Dask gives a lost worker's tasks to others, but what the page
            has seen of a run cannot be taken back, so none begins twice.
    """
    worker, client = get_worker(), get_client()
    told, orders = open_queues(name, client)
    if orders.qsize() == 0 or orders.get() != BEGIN:
        raise TrainingError(worker_lost())
    allow_children()
    process = LocalProcess()
    process.start(entry, arguments)
    over = threading.Event()
    for passing in (
        threading.Thread(target=pass_orders, args=(orders, process), daemon=True),
        threading.Thread(target=end_when_unwanted, args=(name, worker, told, process, over), daemon=True),
    ):
        passing.start()
    try:
        told.put(pickle.dumps(Begun(worker.address)))
        message: Any = None
        while not isinstance(message, Ended):
            message = process.receive()
            told.put(pickle.dumps(message))
    finally:
        over.set()
        process.kill()
        orders.put(END)


def allow_children() -> None:
    """Let this process have children, which multiprocessing denies to a daemon, as Dask's nanny makes its workers.

    It does so because a daemon is ended without a chance to end its children. Ours end by themselves: they hear it when
    their parent has gone.
    """
    multiprocessing.current_process().daemon = False


def pass_orders(orders: Any, process: LocalProcess) -> None:
    """Tell the process what is ordered, until the end; without a scheduler to hear from, end the process."""
    try:
        while (order := orders.get()) != END:
            process.send(order)
    except Exception:  # whatever Dask raises for a lost connection
        process.kill()


def end_when_unwanted(name: str, worker: Worker, told: Any, process: LocalProcess, over: threading.Event) -> None:
    """End the process when the task has been cancelled, as it is too when the server has gone, until it is over."""
    while not over.wait(LOOK_EVERY):
        task = worker.state.tasks.get(name)
        if task is None or task.state != "executing":
            process.kill()
            told.get(batch=True)  # room for the last words, which nobody reads

"""Coroutines of handlers, on one event loop in a thread of its own for each process."""

from __future__ import annotations

import contextvars
import functools
import inspect
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from dragoman.web.places import place_of

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["AsyncBlocks", "Loop", "called_in_loop", "loop_of_process"]

T = TypeVar("T")


class Loop:
    """The event loop, and the thread that it runs in."""

    def __init__(self) -> None:
        # It is a tenth of what the import of dragoman.web costs, and few applications want it.
        import asyncio  # noqa: PLC0415
        from concurrent.futures import Future  # noqa: PLC0415

        self.future = Future
        self.pid = os.getpid()
        self.cancelled = asyncio.CancelledError
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="dragoman-web-loop", daemon=True)
        self.thread.start()

    def run(self, awaitable: Awaitable[T]) -> T:
        """What `awaitable` gives, in the context of the caller, which gets what is set there. Raises what it raises."""
        if threading.current_thread() is self.thread:
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            raise RuntimeError("this is the thread of the event loop: await it instead")
        done: Future[T] = self.future()
        context = contextvars.copy_context()
        after = context

        async def awaited() -> None:
            nonlocal after
            try:
                result = await awaitable
            except self.cancelled:
                done.cancel()
            except BaseException as error:
                # SystemExit, too, is for the thread that waits: here it would end the loop.
                after = contextvars.copy_context()
                done.set_exception(error)
            else:
                after = contextvars.copy_context()
                done.set_result(result)

        # `awaitable` and the task are kept by this frame, through what is awaited: asyncio itself keeps no task.
        self.loop.call_soon_threadsafe(lambda: self.loop.create_task(awaited()), context=context)
        try:
            return done.result()
        finally:
            for variable, value in after.items():
                if variable.get(UNSET) is not value:
                    variable.set(value)


UNSET = object()
LOCKS = [threading.Lock()]
RUNNING: list[Loop] = []


def loop_of_process() -> Loop:
    """The loop of this process, started when it is first wanted: not before a fork."""
    running = RUNNING[0] if RUNNING else None
    if running is None or running.pid != os.getpid():
        with LOCKS[0]:
            if not RUNNING or RUNNING[0].pid != os.getpid():
                RUNNING[:] = [Loop()]
            running = RUNNING[0]
    return running


def begin_anew() -> None:
    """In a process that was forked: a thread that is not in it may have held the lock."""
    LOCKS[:] = [threading.Lock()]


os.register_at_fork(after_in_child=begin_anew)


def called_in_loop(view: Callable[..., Any], is_refusing: bool = False) -> Callable[..., Any]:
    """`view`, or for an ``async def`` a function that runs it on the loop and waits.

    is_refusing   Raises TypeError for an ``async def`` instead: the setting ASYNC_HANDLERS
    """
    is_coroutine = inspect.iscoroutinefunction(view) or inspect.iscoroutinefunction(type(view).__call__)
    if not (is_coroutine or inspect.isasyncgenfunction(view)):
        return view
    if is_refusing:
        raise TypeError(
            f"{place_of(view)} is an async def, and ASYNC_HANDLERS is off: a thread waits for it all the same."
            " Write def, or set ASYNC_HANDLERS = True"
        )
    if not is_coroutine:
        return functools.wraps(view)(lambda *args, **kwargs: AsyncBlocks(view(*args, **kwargs)))
    return functools.wraps(view)(lambda *args, **kwargs: loop_of_process().run(view(*args, **kwargs)))


class AsyncBlocks:
    """The items of an asynchronous generator, one by one; close() ends it."""

    def __init__(self, source: AsyncIterator[Any]) -> None:
        self.source = source

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return loop_of_process().run(self.source.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """End the generator."""
        aclose = getattr(self.source, "aclose", None)
        if aclose is not None:
            loop_of_process().run(aclose())

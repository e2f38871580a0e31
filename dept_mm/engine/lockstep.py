"""Several pieces of work side by side in one process."""
from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
import torch
from mmengine.logging import MessageHub, MMLogger

Ask = Callable[[Any], Any]
_END = object()


def lockstep(works: Sequence[Callable[[Ask], object]],
             answer: Callable[[list], list]) -> list[BaseException | None]:
    """Do several works, and what they ask for in common.

    Each has a thread of its own, but only one of them runs at a time: until
    it asks for something, or ends. When all have asked, they are answered
    together. Each has its own global random numbers and its own current
    logger, as in a process of its own. One that fails leaves the others
    alone.

    Args:
        works (Sequence[Callable]): They get a function to ask with.
        answer (Callable): The questions of those that are not finished, in
            the order of ``works``, to the answers. It runs in this thread.
            What it raises is raised in all that have asked.

    Returns:
        list[BaseException | None]: What each work raised.
    """
    members = [_Member(work) for work in works]
    replies: dict[_Member, Any] = dict.fromkeys(members)
    try:
        while replies:
            asked = {}
            for member, reply in replies.items():
                question = member.go_on(reply)
                if question is not _END:
                    asked[member] = question
            try:
                answers = answer(list(asked.values())) if asked else []
            except Exception as error:
                answers = [error] * len(asked)
            replies = dict(zip(asked, answers, strict=True))
    finally:  # also on Ctrl-C
        for member in members:
            member.stop()
    return [member.error for member in members]


class _Member(Thread):
    """A work in a thread, which waits while another one runs."""

    def __init__(self, work: Callable[[Ask], object]) -> None:
        super().__init__(daemon=True)
        self.error: BaseException | None = None
        self._work = work
        self._questions, self._answers = SimpleQueue(), SimpleQueue()
        self._random: tuple | None = None
        self._current: dict[type, str] = {}
        self.start()

    def run(self) -> None:
        """In the thread: start when told to."""
        try:
            self._get_answer()
            self._work(self._ask)
        except BaseException as error:  # nobody above would see it
            self.error = error
        finally:
            self._questions.put(_END)

    def _ask(self, question: Any) -> Any:
        """In the thread: wait for an answer."""
        self._questions.put(question)
        return self._get_answer()

    def _get_answer(self) -> Any:
        answer = self._answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def go_on(self, answer: Any) -> Any:
        """Let it run until it asks the next question, or ends."""
        with self._own_state():
            self._answers.put(answer)
            return self._questions.get()

    def stop(self) -> None:
        """End it at its next question."""
        self._answers.put(SystemExit('stopped'))
        self.join()

    @contextmanager
    def _own_state(self) -> Iterator[None]:
        """Put in place what it left behind when it ran last."""
        others = _get_random()
        if self._random is not None:
            _set_random(self._random)
        for kind, name in self._current.items():
            kind._instance_dict.move_to_end(name)
        try:
            yield
        finally:
            self._random = _get_random()
            self._current = {kind: next(reversed(kind._instance_dict))
                             for kind in (MMLogger, MessageHub)
                             if kind._instance_dict}
            _set_random(others)


def _get_random() -> tuple:
    gpus = (torch.cuda.get_rng_state_all() if torch.cuda.is_initialized()
            else [])
    return (random.getstate(), np.random.get_state(), torch.get_rng_state(),
            gpus)


def _set_random(state: tuple) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])
    torch.set_rng_state(state[2])
    if state[3]:
        torch.cuda.set_rng_state_all(state[3])

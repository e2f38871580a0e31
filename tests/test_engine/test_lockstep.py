"""Works side by side: turns, random numbers, failures."""
import random
import threading

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

from dept_mm.engine.lockstep import lockstep


def test_turns_and_answers():
    """Nobody runs at the same time; questions are answered together."""
    trace, rounds = [], []

    def work(name, count):
        def do(ask):
            for i in range(count):
                trace.append(f'{name}{i}')
                assert ask((name, i)) == f'{name}{i}!'
            trace.append(f'{name} ends')
        return do

    def answer(questions):
        rounds.append([name for name, _ in questions])
        return [f'{name}{i}!' for name, i in questions]

    assert lockstep([work('a', 1), work('b', 2)], answer) == [None, None]
    assert trace == ['a0', 'b0', 'a ends', 'b1', 'b ends']
    assert rounds == [['a', 'b'], ['b']]


def test_failures():
    """Its own ends one; one in common ends those that asked."""
    ended = []

    def work(number):
        def do(ask):
            ask('start')
            if number == 0:
                raise ValueError('own')
            ended.append(ask('joint' if number < 3 else 'other'))
        return do

    def answer(questions):
        if 'joint' in questions:
            raise MemoryError('joint')
        return questions

    errors = lockstep([work(i) for i in range(3)], answer)
    assert [str(error) for error in errors] == ['own', 'joint', 'joint']
    assert lockstep([work(3)], answer) == [None] and ended == ['other']


def draw():
    return (random.random(), np.random.rand(), float(torch.rand(())))


def test_random_numbers_of_their_own():
    """Each draws what it draws alone, and the caller what it would."""
    def work(seed, found):
        def do(ask):
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            for _ in range(3):
                found.append(draw())
                ask(None)
        return do

    found, alone = ([], []), ([], [])
    torch.manual_seed(7)
    expected = float(torch.rand(()))
    torch.manual_seed(7)
    lockstep([work(1, found[0]), work(2, found[1])], list)
    assert float(torch.rand(())) == expected
    for seed, each in enumerate(alone, 1):
        work(seed, each)(lambda question: None)
    assert found == alone and found[0] != found[1]


def test_current_loggers_of_their_own():
    def work(name):
        def do(ask):
            MMLogger.get_instance(name)
            for _ in range(2):
                ask(None)
                assert MMLogger.get_current_instance().instance_name == name
        return do

    assert lockstep([work('lockstep-a'), work('lockstep-b')], list) == [
        None, None]


def test_interrupted():
    """Ctrl-C ends all, and leaves no thread behind."""
    ended = []

    def do(ask):
        try:
            ask(None)
        finally:
            ended.append(True)

    def answer(questions):
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        lockstep([do, do], answer)
    assert len(ended) == 2 and threading.active_count() == before

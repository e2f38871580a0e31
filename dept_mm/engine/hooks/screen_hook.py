"""A hook that tells a person what a training is doing."""
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from dept_mm.cli.screen import Screen, fill, format_time
from dept_mm.engine.account import describe_training
from dept_mm.engine.hooks.base_new_table_hook import BaseNewTableHook
from dept_mm.engine.pace import Pace, count_batches, count_left


class ScreenHook(Hook):
    """Says what is trained on what, and shows loss and time left.

    It is registered by ``tools/train.py`` and not by configs, because it is
    no part of what a run does.

    Args:
        screen (Screen): Where to show it.

    Attributes:
        pace (Pace): What a step and a batch of evaluation take.
    """
    # Before a hook that takes long, and after the losses are averaged.
    priority = 'HIGHEST'

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.pace = Pace()
        self._losses: list[float] = []
        self._evaluated = 0

    def before_run(self, runner: Runner) -> None:
        """Say what is trained on what."""
        self.screen.say(fill(describe_training(runner)))
        self.screen.say(f'Log: {runner.logger.log_file}\n')
        self.screen.show('preparing')

    def before_train(self, runner: Runner) -> None:
        """Say where a resumed run goes on."""
        if runner.iter:
            self.screen.say(f'Goes on after {_position(runner)}.')

    def before_train_epoch(self, runner: Runner) -> None:
        """Start the clock of an epoch."""
        self._losses = []
        self._guess_batch(runner)
        self.pace.start()

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs: dict | None = None
                         ) -> None:
        """Show the mean loss since the last line, and the time left."""
        self.pace.note('step')
        if outputs and 'loss' in outputs:
            self._losses.append(outputs['loss'].item())
        steps, batches = count_left(runner)
        self.screen.show(
            f'{_position(runner, 1)}{self._loss()}', runner.iter + 1,
            runner.max_iters, self.pace.estimate(steps - 1, batches))

    def after_train_epoch(self, runner: Runner) -> None:
        """Say a line about the epoch."""
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            self._say_line(runner, _position(runner, 1))

    def _before_evaluation(self, runner: Runner) -> None:
        self._evaluated = 0
        self.pace.start()

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None,
                       outputs=None) -> None:
        """Show how much of a validation is done."""
        self._show_evaluation(runner, 'validation')

    def after_test_iter(self, runner: Runner, batch_idx: int,
                        data_batch=None, outputs=None) -> None:
        """Show how much of a test is done."""
        self._show_evaluation(runner, 'test')

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None
                        ) -> None:
        """Say a line where there are no epochs."""
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            self._say_line(runner, _position(runner))
            self._losses = []
        self.pace.start()

    before_val_epoch = before_test_epoch = _before_evaluation

    def _show_evaluation(self, runner: Runner, what: str) -> None:
        self.pace.note('batch')
        self._evaluated += 1
        loop = runner.val_loop if what == 'validation' else runner.test_loop
        total = count_batches(loop)
        steps, batches = count_left(runner)
        batches += (total if what == 'validation' else 0) - self._evaluated
        self.screen.show(what, self._evaluated, total,
                         self.pace.estimate(steps, batches))

    def _say_line(self, runner: Runner, where: str) -> None:
        if self.screen.live:
            return
        steps, batches = count_left(runner)
        left = self.pace.estimate(max(0, steps), batches)
        self.screen.say(f'{where}{self._loss()}' + (
            '' if left is None else f', {format_time(left)} left'))

    def _loss(self) -> str:
        if not self._losses:
            return ''
        return f', loss {sum(self._losses) / len(self._losses):.4f}'

    def _guess_batch(self, runner: Runner) -> None:
        """Take what zero-shot CLIP took for what evaluations will take."""
        for hook in runner.hooks:
            if (isinstance(hook, BaseNewTableHook) and hook.zero_shot_seconds
                    and self.pace.batch is None):
                self.pace.batch = hook.zero_shot_seconds / count_batches(
                    hook.measured_loop(runner))


def _position(runner: Runner, ahead: int = 0) -> str:
    """Say where training is, e.g. ``epoch 3 of 10``."""
    if isinstance(runner.train_loop, EpochBasedTrainLoop):
        return f'epoch {runner.epoch + ahead} of {runner.max_epochs}'
    return f'step {runner.iter + ahead} of {runner.max_iters}'

"""Evaluating one model on several data sets."""
from __future__ import annotations

from collections.abc import Iterator, Mapping

from mmengine.evaluator import Evaluator
from mmengine.runner import Runner, TestLoop, ValLoop
from mmengine.runner.base_loop import BaseLoop
from torch.utils.data import DataLoader

from dept_mm.errors import DeptError
from dept_mm.registry import LOOPS

# What a further data set need not repeat of the data loader's own.
SHARED = ('pipeline', 'data_root', 'split', 'test_mode', 'indices')


class MultiDataset:
    """The loop's own data set, then further ones, in one pass.

    The own results keep their names; those of a further data set stand under
    '<its name>/'. Each has an evaluator of its own. For hooks it is one
    epoch: ``before_*_epoch`` and ``after_*_epoch``, with all results, run
    once, and ``before_*_iter`` starts again at 0 with every data set, whose
    loader is then the runner's.

    Args:
        runner (Runner): The runner.
        dataloader (Mapping): Config of the data loader.
        evaluator (Mapping | list): Config of the metrics.
        datasets (Mapping): Name -> config of a further data set. What it
            leaves out of ``SHARED`` is as in ``dataloader.dataset``.
        **kwargs: As in mmengine's loop.

    Raises:
        DeptError: If a loader or an evaluator is already built.
    """
    phase = ''

    def __init__(self, runner: Runner, dataloader: Mapping,
                 evaluator: Mapping | list, datasets: Mapping[str, Mapping],
                 **kwargs) -> None:
        for value in (dataloader, evaluator):
            if isinstance(value, (DataLoader, Evaluator)):
                raise DeptError(f'{type(self).__name__} needs configs of '
                                'data loader and evaluator, to build more of '
                                f'them; a {type(value).__name__} was given.')
        super().__init__(runner, dataloader, evaluator, **kwargs)
        self.parts = {'': (self.dataloader, self.evaluator)}
        self.configs = {'': dataloader['dataset']}
        shared = {key: value for key, value in dataloader['dataset'].items()
                  if key in SHARED}
        for name, dataset in datasets.items():
            config = self.configs[f'{name}/'] = {**shared, **dataset}
            loader = runner.build_dataloader(
                # Else the workers of every loader would stay.
                dict(dataloader, dataset=config, persistent_workers=False),
                seed=runner.seed)
            found = runner.build_evaluator(evaluator)
            found.dataset_meta = loader.dataset.metainfo
            self.parts[f'{name}/'] = loader, found

    def each(self) -> Iterator[str]:
        """Make each data set the loop's own for a while.

        Yields:
            str: What its results' names start with; '' for the first.
        """
        visualizer = self.runner.visualizer
        try:
            for prefix, part in self.parts.items():
                self.dataloader, self.evaluator = part
                visualizer.dataset_meta = self.evaluator.dataset_meta
                yield prefix
        finally:
            self.dataloader, self.evaluator = self.parts['']
            visualizer.dataset_meta = self.evaluator.dataset_meta

    def exchange(self, prefix: str, loader: DataLoader) -> None:
        """Read a data set by another loader from now on."""
        self.parts[prefix] = loader, self.parts[prefix][1]
        if not prefix:
            self.dataloader = loader

    def run(self) -> dict:
        """Evaluate on every data set.

        Returns:
            dict: All results.
        """
        call = self.runner.call_hook
        call(f'before_{self.phase}')
        call(f'before_{self.phase}_epoch')
        self.runner.model.eval()
        metrics = {}
        for prefix in self.each():
            for idx, batch in enumerate(self.dataloader):
                self.run_iter(idx, batch)
            found = self.evaluator.evaluate(len(self.dataloader.dataset))
            metrics.update({prefix + key: v for key, v in found.items()})
        call(f'after_{self.phase}_epoch', metrics=metrics)
        call(f'after_{self.phase}')
        return metrics


@LOOPS.register_module()
class MultiDatasetValLoop(MultiDataset, ValLoop):
    __doc__ = MultiDataset.__doc__
    phase = 'val'


@LOOPS.register_module()
class MultiDatasetTestLoop(MultiDataset, TestLoop):
    __doc__ = MultiDataset.__doc__
    phase = 'test'


def each_dataset(loop: BaseLoop) -> Iterator[str]:
    """:meth:`MultiDatasetValLoop.each` of any loop: '' alone for one with a
    single data set."""
    return loop.each() if isinstance(loop, MultiDataset) else iter([''])

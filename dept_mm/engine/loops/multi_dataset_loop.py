"""Loops that evaluate one model on several data sets."""
from __future__ import annotations

from collections.abc import Iterator, Mapping

from mmengine.evaluator import Evaluator
from mmengine.runner import Runner, TestLoop, ValLoop
from mmengine.runner.base_loop import BaseLoop
from torch.utils.data import DataLoader

from dept_mm.config.signature import read_options
from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS, LOOPS

# Options that a further data set takes from the loop's own data set.
SHARED = ('pipeline', 'data_root', 'split', 'test_mode', 'indices')


class MultiDataset:
    """Evaluates a model on the loop's own data set and on further ones.

    Results of the loop's own data set keep their names. Those of a further
    data set are prefixed with its name and a slash. Each data set has its own
    evaluator. For hooks, the whole evaluation is one epoch: ``before_*_epoch``
    and ``after_*_epoch`` (with all results) run once. The iteration index
    starts at 0 again for every data set, whose loader is then the loop's
    current one.

    Config, where ``targets`` maps names to configs of data sets::

        val_cfg = dict(type='MultiDatasetValLoop', datasets=targets)
        test_cfg = dict(type='MultiDatasetTestLoop', datasets=targets)

    Args:
        runner (Runner): The runner.
        dataloader (Mapping): Config of the data loader.
        evaluator (Mapping | list): Config of the metrics.
        datasets (Mapping): Configs of the further data sets by name. An option
            of ``SHARED`` that such a config leaves out is taken from
            ``dataloader.dataset``.
        **kwargs: Passed to MMEngine's loop.

    Raises:
        DeptError: If the data loader or the evaluator is already built.
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
        self.current = ''
        self.parts = {'': (self.dataloader, self.evaluator)}
        self.configs = {'': dataloader['dataset']}
        shared = {key: value for key, value in dataloader['dataset'].items()
                  if key in SHARED}
        for name, dataset in datasets.items():
            takes = read_options(DATASETS.get(dataset['type']))
            config = self.configs[f'{name}/'] = {
                **{key: value for key, value in shared.items()
                   if takes.open or key in takes.known}, **dataset}
            loader = runner.build_dataloader(
                # Otherwise the workers of every loader would stay alive.
                dict(dataloader, dataset=config, persistent_workers=False),
                seed=runner.seed)
            found = runner.build_evaluator(evaluator)
            found.dataset_meta = loader.dataset.metainfo
            self.parts[f'{name}/'] = loader, found

    def each(self) -> Iterator[str]:
        """Make each data set the current one of the loop in turn.

        At the end, the one from before is current again, since a hook may
        ask for all data sets while one of them is evaluated.

        Yields:
            str: Prefix of the names of its results; '' for the loop's own data
            set.
        """
        before = self.current
        try:
            for prefix in self.parts:
                self._switch(prefix)
                yield prefix
        finally:
            self._switch(before)

    def _switch(self, prefix: str) -> None:
        """Make the data set with this prefix the current one."""
        self.current = prefix
        self.dataloader, self.evaluator = self.parts[prefix]
        self.runner.visualizer.dataset_meta = self.evaluator.dataset_meta

    def exchange(self, prefix: str, loader: DataLoader) -> None:
        """Replace the loader of the data set with this prefix."""
        self.parts[prefix] = loader, self.parts[prefix][1]
        if not prefix:
            self.dataloader = loader

    def run(self) -> dict:
        """Evaluate on every data set.

        Returns:
            dict: The results of all data sets.
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
    """Iterate over the data sets of any loop, see :meth:`MultiDataset.each`.

    A loop with a single data set yields '' once.
    """
    return loop.each() if isinstance(loop, MultiDataset) else iter([''])

"""Measuring channel importance while a model is tested."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.reports.importance.formula import channel_ratios
from dept_mm.structures import CLIPFeatures, Vocabulary

HALVES = ('base', 'new')


class ChannelImportanceHook(Hook):
    """Takes the mean of ``channel_ratios`` over the images of each half of
    the classes, each among the class texts of its half.

    Features are those that the similarity head gets: with prompts and
    necks, before any channel-wise transform of DePT.

    Args:
        window (int, optional): Channels in a window. Defaults to an eighth
            of them, which is 64 of 512 as in DePT's code.

    Attributes:
        importance (dict): Of the last test: half -> ``(D, )``, fp64.

    Raises:
        DeptError: If there are no base and new classes, or no class texts.
    """

    def __init__(self, window: int | None = None) -> None:
        self.window = window
        self.importance: dict[str, Tensor] = {}

    def before_test(self, runner: Runner) -> None:
        """Listen to what reaches the head."""
        self._sums = dict.fromkeys(HALVES, 0.)
        self._counts = dict.fromkeys(HALVES, 0)
        self._handle = runner.model.head.register_forward_pre_hook(self._hear)

    def after_test_iter(self, runner: Runner, batch_idx: int,
                        data_batch=None, outputs: Sequence = ()) -> None:
        """Add a batch to the sums."""
        vocabulary = Vocabulary.from_metainfo(
            runner.test_loop.dataloader.dataset.metainfo)
        feats = self._feats
        labels = torch.cat([s.gt_label for s in outputs]).to(
            feats.image.device)
        for half in HALVES:
            among = torch.tensor(getattr(vocabulary, f'{half}_labels'),
                                 device=labels.device)
            if not len(among):
                raise DeptError(
                    'Channel importance compares base and new classes; the '
                    f'test set has no {half} classes. Use a config whose '
                    'data set names some, e.g. one of base-to-new.')
            match = labels[:, None] == among
            mine = match.any(dim=1)
            text = feats.text[..., among, :]
            ratios = channel_ratios(
                feats.image[mine], text[mine] if feats.per_image else text,
                match[mine].int().argmax(dim=1), self._window(feats))
            self._sums[half] += ratios.sum(dim=0).cpu()
            self._counts[half] += len(ratios)

    def after_test(self, runner: Runner) -> None:
        """Divide by the number of images."""
        self._handle.remove()
        for half, count in self._counts.items():
            if not count:
                raise DeptError(f'No test image is of a {half} class.')
            self.importance[half] = self._sums[half] / count

    def _hear(self, head: nn.Module, inputs: tuple) -> None:
        self._feats = feats = inputs[0]
        if not isinstance(feats, CLIPFeatures) or feats.text is None:
            raise DeptError('Channel importance needs class texts beside the '
                            'images: a PromptedCLIP with a vocabulary.')

    def _window(self, feats: CLIPFeatures) -> int:
        width = feats.image.shape[-1]
        window = self.window or max(1, width // 8)
        if not 1 <= window <= width:
            raise DeptError(f'A window of {window} channels: features have '
                            f'{width}.')
        return window

"""A hook that measures channel importance during a test."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.evaluation import HALVES
from dept_mm.reports.importance.formula import compute_channel_ratios
from dept_mm.structures import CLIPFeatures, Vocabulary


class ChannelImportanceHook(Hook):
    """Measures the channel importance of a model for base and for new classes.

    It averages ``compute_channel_ratios`` over the images of each half of the
    classes, scored among the classes of that half. The features are those that
    the similarity head receives: after prompts and necks, before DePT's
    channel-wise transform.

    It is not registered; ``tools/channel_importance.py`` adds it to a runner::

        runner.register_hook(ChannelImportanceHook(window=64))

    Args:
        window (int, optional): Number of channels in a window. Defaults to an
            eighth of all channels, which is 64 of 512 as in DePT's code.

    Attributes:
        importance (dict): Result of the last test: half -> ``(D, )``, in fp64.

    Raises:
        DeptError: If the test set has no base or no new classes, or if the
            model has no text features.
    """

    def __init__(self, window: int | None = None) -> None:
        self.window = window
        self.importance: dict[str, Tensor] = {}

    def before_test(self, runner: Runner) -> None:
        """Listen to the features that reach the head."""
        self._sums = dict.fromkeys(HALVES, 0.)
        self._counts = dict.fromkeys(HALVES, 0)
        self._handle = runner.model.head.register_forward_pre_hook(
            self._note_features)

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
            ratios = compute_channel_ratios(
                feats.image[mine], text[mine] if feats.per_image else text,
                match[mine].int().argmax(dim=1), self._choose_window(feats))
            self._sums[half] += ratios.sum(dim=0).cpu()
            self._counts[half] += len(ratios)

    def after_test(self, runner: Runner) -> None:
        """Divide the sums by the number of images."""
        self._handle.remove()
        for half, count in self._counts.items():
            if not count:
                raise DeptError(f'No test image belongs to a {half} class.')
            self.importance[half] = self._sums[half] / count

    def _note_features(self, head: nn.Module, inputs: tuple) -> None:
        self._feats = feats = inputs[0]
        if not isinstance(feats, CLIPFeatures) or feats.text is None:
            raise DeptError('Channel importance needs class texts beside the '
                            'images: a PromptedCLIP with a vocabulary.')

    def _choose_window(self, feats: CLIPFeatures) -> int:
        width = feats.image.shape[-1]
        window = self.window or max(1, width // 8)
        if not 1 <= window <= width:
            raise DeptError(f'A window of {window} channels does not fit: '
                            f'features have {width}.')
        return window

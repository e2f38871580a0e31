"""LP++: a linear probe plus class texts, each with a weight of its own."""
from __future__ import annotations

import torch
from torch.nn import functional as F

from dept_mm.models.probes.base import Shots
from dept_mm.models.probes.classifier import ClassifierProbe
from dept_mm.models.probes.softmax import softmax_gradient
from dept_mm.registry import MODELS


@MODELS.register_module()
class LPPlusPlus(ClassifierProbe):
    r"""Fit a linear layer and the weights of class texts together.

    "LP++: A Surprisingly Strong Linear Probe for Few-Shot CLIP" (Huang et
    al., CVPR 2024): with normalised features and texts, the logits are

    .. math::
        w_c^T f + b_c + \alpha_c \langle f, t_c \rangle

    Gradient descent on all images minimises their cross-entropy; step sizes
    and start follow from the features. The step with the best accuracy on
    validation images is kept, the last of them if there are several, and the
    last step without validation images.

    As in the code of the paper, :math:`\alpha` takes a step after every tenth
    one of :math:`w`, along the *sum* of its gradients since the start. The
    paper's step is along the present gradient (``summed=False``). The code
    starts from a random :math:`b`; here it starts from zero.

    Args:
        clip, vocabulary: As in ``BaseProbe``.
        num_steps (int): Steps of :math:`w`. Defaults to 300.
        summed (bool): Whether gradients of :math:`\alpha` are summed.
            Defaults to True.

    Examples:
        >>> neck = dict(type='LPPlusPlus', clip=_base_.clip,
        ...             vocabulary=_base_.vocabulary)
    """

    def __init__(self, clip, vocabulary, num_steps: int = 300,
                 summed: bool = True) -> None:
        super().__init__(clip, vocabulary)
        self.num_steps = num_steps
        self.summed = summed

    def solve(self, shots: Shots) -> None:
        """Descend, and keep the best step."""
        images, labels = shots.images, shots.labels
        texts = F.normalize(shots.texts, dim=1)
        # The sum of the images of each class.
        weight = torch.zeros_like(texts).index_add_(0, labels, images)
        bias = images.new_zeros(len(texts))
        count = torch.bincount(labels, minlength=len(texts)).to(images)
        alpha = (250 * (weight * texts).sum(1) / count).mean().expand(
            len(texts)).clone()
        gram = images.T @ images
        rate = 4 * len(images) / torch.linalg.eigvalsh(gram)[-1]
        rate_alpha = len(images) / (4 * ((texts @ gram) * texts).sum(1).max())
        speed = torch.zeros_like(weight), torch.zeros_like(bias)
        total, best = torch.zeros_like(alpha), -1.
        for step in range(1, self.num_steps + 1):
            _, on_weight, on_bias = softmax_gradient(
                images, labels, weight + alpha[:, None] * texts, bias)
            slope = (on_weight * texts).sum(1)
            total = total + slope if self.summed else slope
            for value, moving, gradient in zip(
                    (weight, bias), speed, (on_weight, on_bias),
                    strict=True):
                moving.mul_(.9).add_(gradient)
                value.sub_(rate * moving)
            if step % 10 == 0:
                alpha -= rate_alpha * total
            whole = weight + alpha[:, None] * texts
            score = 0. if shots.validation is None else shots.accuracy(
                torch.addmm(bias, shots.validation[0], whole.T))
            if score >= best:
                best = score
                self.set_classifier(whole, bias)

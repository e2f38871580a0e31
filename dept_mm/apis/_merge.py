"""Put what was learned into the weights of the CLIP."""
from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from dept_mm.apis.tuned_model import TunedModel
from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.models.clip import FrozenCLIP


def merge(model: TunedModel) -> TunedModel:
    """Return a model with plain weights, which runs at the cost of zero-shot
    CLIP.

    Its CLIP is a copy; ``module.backbone.clip.model`` is open_clip's model
    with the changes in its weights, e.g. for ``state_dict()``. Neck, head and
    calibration stay.

    Args:
        model (TunedModel): With a learner that changes weights, such as
            ``CLIPLoRA``.

    Raises:
        DeptError: If the learner is of another kind, or there is none, or
            the model is a language model.

    Examples:
        >>> merged = dept_mm.merge(dept_mm.load('work_dirs/clip-lora'))
    """
    if not isinstance(model, TunedModel):
        raise DeptError('dept_mm.merge is for models of images; model.merge() '
                        'of a language model returns one of transformers.')
    backbone = model.module.backbone
    prompt = getattr(backbone, 'prompt', None)
    if prompt is None:
        raise DeptError('There is nothing to merge: the model has no prompt '
                        'learner.')
    clip = backbone.clip
    changed = deepcopy(clip.model)
    prompt.merge_into(changed)
    plain = PromptedCLIP(
        FrozenCLIP(changed, clip.tokenizer, clip.spec, clip.name,
                   clip.precision), backbone.vocabulary,
        templates=(prompt.template, ), local=backbone.local)
    module = deepcopy(model.module)
    module.backbone = plain.eval()
    trained = model.trained and merge(model.trained)
    return replace(model, module=module, trained=trained)

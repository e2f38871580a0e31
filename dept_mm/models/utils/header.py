"""A header that travels inside a module's state dict.

mmengine walks modules itself when it saves: it ignores ``get_extra_state``
and calls ``.cpu()`` on every value, but honours state-dict hooks. So the
header is one uint8 tensor that holds JSON; it survives ``load_from``,
resume, ``get_model(pretrained=...)`` and safetensors alike.
"""
from __future__ import annotations

import json

import torch
from torch import Tensor

from dept_mm.errors import DeptError

KEY = 'header'


class HeaderMixin:
    """Write ``header()`` into the state dict, and check it with all names and
    shapes before anything is loaded.

    ``Runner.load_checkpoint`` is not strict and only logs what does not fit,
    so a module that must not run on wrong weights refuses them itself. Mix
    in before ``nn.Module`` and call :meth:`init_header` at the end of
    ``__init__``.
    """

    def init_header(self) -> None:
        """Start writing the header; call it once."""
        self._register_state_dict_hook(_write_header)

    def header(self) -> dict:
        """Return what a checkpoint must know, in JSON types."""
        raise NotImplementedError

    def check_header(self, found: dict, state: dict, prefix: str) -> None:
        """Raise a ``DeptError`` if ``found`` is not for this module."""
        raise NotImplementedError

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        packed = state_dict.pop(prefix + KEY, None)
        if packed is None:
            raise DeptError(
                f'The checkpoint has no {prefix + KEY!r}: it was not made '
                f'with {type(self).__name__}.')
        try:
            self.check_header(unpack(packed), state_dict, prefix)
        except (KeyError, TypeError, AttributeError) as error:
            raise DeptError(f'The {prefix + KEY!r} of the checkpoint is '
                            f'damaged: {error!r}.') from error
        self._check_tensors(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _check_tensors(self, state: dict, prefix: str) -> None:
        """Compare names, shapes and kinds of numbers below ``prefix`` with
        the module's."""
        own = {prefix + k: _form(v)
               for k, v in self.state_dict().items() if k != KEY}
        given = {k: _form(v)
                 for k, v in state.items() if k.startswith(prefix)}
        differ = [f'{k}: {given.get(k, "missing")} in the checkpoint, '
                  f'{own.get(k, "unknown")} in the model'
                  for k in sorted(own.keys() | given.keys())
                  if own.get(k) != given.get(k)]
        if differ:
            raise DeptError(
                f'The checkpoint does not fit {type(self).__name__}; build '
                'the model from the config it was trained with:\n  '
                + '\n  '.join(differ))


def _form(value: Tensor) -> str:
    """Describe the shape of a tensor and, for integers, its dtype."""
    kind = '' if value.is_floating_point() else f' {value.dtype}'
    return f'{tuple(value.shape)}{kind}'


def pack(header: dict) -> Tensor:
    """Encode JSON as a uint8 tensor."""
    return torch.tensor(list(json.dumps(header).encode()), dtype=torch.uint8)


def unpack(packed: Tensor) -> dict:
    """Decode the tensor that :func:`pack` made."""
    try:
        return json.loads(bytes(packed.cpu().tolist()))
    except (ValueError, RecursionError) as error:
        raise DeptError('The header of the checkpoint is damaged.') from error


def _write_header(module, state_dict, prefix, local_metadata) -> None:
    state_dict[prefix + KEY] = pack(module.header())

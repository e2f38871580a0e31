"""Parameter names in the public code of CoOp and its descendants."""
from __future__ import annotations

LEARNER = 'prompt_learner.'
BLOCKS = 'transformer.resblocks'
DEEP = range(1, 64)
REPRESENTATION = 'representation_learner'
ADAPTER = 'adapter_learner'
# CLIP-LoRA: tower -> its prefix; place -> its letter and its module.
LORA_TOWERS = dict(text='', image='visual.')
LORA_PLACES = dict(query=('q', 'q_proj'), key=('k', 'k_proj'),
                   value=('v', 'v_proj'), out=('o', 'proj'))

_CONTEXT = {'context': LEARNER + 'ctx'}
# Class of the prompt learner -> our parameter name -> the public name.
LEARNERS = dict(
    CoOpPrompt=_CONTEXT,
    CoCoOpPrompt={
        **_CONTEXT,
        **{f'meta_net.{2 * i}.{leaf}':
           f'{LEARNER}meta_net.linear{i + 1}.{leaf}'
           for i in (0, 1) for leaf in ('weight', 'bias')}},
    MaPLePrompt={
        'text.0': LEARNER + 'ctx',
        'to_image.0.weight': LEARNER + 'proj.weight',
        'to_image.0.bias': LEARNER + 'proj.bias',
        **{f'text.{i}': f'{LEARNER}compound_prompts_text.{i - 1}'
           for i in DEEP},
        **{f'to_image.{i}.{leaf}':
           f'{LEARNER}compound_prompt_projections.{i - 1}.{leaf}'
           for i in DEEP for leaf in ('weight', 'bias')}},
    IVLPPrompt={
        'text.0': LEARNER + 'ctx',
        'image.0': 'image_encoder.VPT',
        **{f'{tower}.{i}': f'{tower}_encoder.{BLOCKS}.{i}.VPT_shallow'
           for tower in ('text', 'image') for i in DEEP}},
    MMRLPrompt={
        'tokens': f'{REPRESENTATION}.compound_rep_tokens',
        'projection.weight': 'image_encoder.proj_rep',
        'projection.left': 'image_encoder.A',
        'projection.right': 'image_encoder.B',
        **{f'to_{tower}.weight': f'{REPRESENTATION}.srra_r2{t}proj.weight'
           for tower, t in (('text', 't'), ('image', 'v'))},
        **{f'to_{tower}.{i}.{leaf}':
           f'{REPRESENTATION}.compound_rep_tokens_r2{t}proj.{i}.{leaf}'
           for tower, t in (('text', 't'), ('image', 'v'))
           for i in range(64) for leaf in ('weight', 'bias')},
        **{f'to_{tower}.{ours}.{i}':
           f'{REPRESENTATION}.srra_r2{t}proj.srra.{i}.{theirs}'
           for tower, t in (('text', 't'), ('image', 'v'))
           for i in range(64)
           for ours, theirs in (('bias', 'bias'), ('left', 'A'),
                                ('right', 'B'))}},
    CLIPLoRA={
        f'{tower}.{i}.{place}.{leaf}':
        f'{prefix}{BLOCKS}.{i}.attn.{public}.w_lora_{matrix}'
        for tower, prefix in LORA_TOWERS.items()
        for i in range(64)
        for place, (_, public) in LORA_PLACES.items()
        for leaf, matrix in (('down', 'A'), ('up', 'B'))},
    MultiModalAdapter={
        **{f'{ours}.{i}.{layer}.{leaf}':
           f'{ADAPTER}.{theirs}_adapter.{i}.{public}.{leaf}'
           for ours, theirs in (('text', 'text'), ('image', 'visual'))
           for i in DEEP for leaf in ('weight', 'bias')
           for layer, public in (('down', 'down.0'), ('up', 'up'))},
        **{f'shared.{i}.{leaf}': f'{ADAPTER}.shared_adapter.{i}.0.{leaf}'
           for i in DEEP for leaf in ('weight', 'bias')}})
BLOCK = [f'{layer}.{leaf}' for leaf in ('weight', 'bias') for layer in (
    'ln_1', 'ln_2', 'attn.out_proj', 'mlp.c_fc', 'mlp.c_proj')] + [
        'attn.in_proj_weight', 'attn.in_proj_bias']
LEARNERS['TunedBlocks'] = {
    'text.projection': 'text_encoder.text_projection',
    'image.projection': 'image_encoder.proj',
    **{f'{tower}.norm.{leaf}': f'{tower}_encoder.{norm}.{leaf}'
       for tower, norm in (('text', 'ln_final'), ('image', 'ln_post'))
       for leaf in ('weight', 'bias')},
    **{f'{tower}.blocks.{i}.{name}': f'{tower}_encoder.{BLOCKS}.{i}.{name}'
       for tower in ('text', 'image') for i in range(64) for name in BLOCK}}
LEARNERS['ATPrompt'] = {
    **{f'tokens.{i}': f'{LEARNER}ctx_att{i + 1}' for i in range(3)},
    **{f'host.{ours}': public for host in ('CoCoOpPrompt', 'MaPLePrompt')
       for ours, public in LEARNERS[host].items()}}
# CoPrompt's and PromptKD's; other public code has no neck in its checkpoints.
NECK = {
    **{f'{ours}.weight': f'adapter_{kind}.fc.{i}.weight'
       for i, layer in ((0, 'down'), (2, 'up'))
       for ours, kind in ((layer, 'image'), (f'text_{layer}', 'text'))},
    **{f'project.{i}.{leaf}': f'VPT_image_trans.conv1.{i}.{leaf}'
       for i in (0, 1, 3) for leaf in ('weight', 'bias')},
    **{f'project.1.{leaf}': f'VPT_image_trans.conv1.1.{leaf}'
       for leaf in ('running_mean', 'running_var', 'num_batches_tracked')}}
HEAD = {
    **{f'{ours}_transform.{leaf}': f'film_lp_{theirs}.{leaf}'
       for ours, theirs in (('image', 'img'), ('text', 'text'))
       for leaf in ('scale', 'bias')},
    'linear.weight': 'linear_probe_proj.weight',
    'linear.bias': 'linear_probe_proj.bias'}


def find_public_name(learner: str, name: str) -> str | None:
    """Return the public code's name of a parameter, or None if it has none.

    Args:
        learner (str): Class name of the prompt learner.
        name (str): Our name, such as ``'backbone.prompt.context'``.
    """
    if name.startswith('neck.'):
        return NECK.get(name.removeprefix('neck.'))
    if name.startswith('head.'):
        return HEAD.get(name.removeprefix('head.'))
    return LEARNERS.get(learner, {}).get(
        name.removeprefix('backbone.prompt.'))

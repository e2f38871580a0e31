"""The smallest CLIPs, and what a model may have before its head."""
import dept_mm  # noqa: F401  registers everything
from dept_mm.models.prompts import BasePrompt
from dept_mm.registry import MODELS

TEXT = dict(context_length=77, vocab_size=49408, width=32, heads=2, layers=2)
VISION = dict(image_size=32, patch_size=16, width=32, layers=2, head_width=16)
# Kind of image tower -> the smallest CLIP with one.
ARCHITECTURES = dict(
    vit=dict(embed_dim=16, quick_gelu=True, text_cfg=TEXT,
             vision_cfg=VISION),
    # Two blocks behind a late prompt: the first at which order matters.
    deep=dict(embed_dim=16, text_cfg=dict(TEXT, layers=4),
              vision_cfg=VISION),
    resnet=dict(embed_dim=16, text_cfg=TEXT,
                vision_cfg=dict(image_size=32, layers=[1, 1, 1, 1], width=8,
                                patch_size=None)),
    timm=dict(embed_dim=16, text_cfg=TEXT,
              vision_cfg=dict(image_size=32, timm_model_name='test_resnet',
                              timm_model_pretrained=False, timm_pool='avg',
                              timm_proj='linear')),
    not_causal=dict(embed_dim=16,
                    text_cfg=dict(TEXT, no_causal_mask=True,
                                  pool_type='last', context_length=24),
                    vision_cfg=VISION),
    coca=dict(embed_dim=16, custom_text=True,
              text_cfg=dict(TEXT, context_length=76, embed_cls=True,
                            output_tokens=True),
              vision_cfg=dict(VISION, attentional_pool=True,
                              attn_pooler_heads=2, output_tokens=True),
              multimodal_cfg=dict(TEXT, context_length=76,
                                  attn_pooler_heads=2)),
)
# What the smallest towers need other than a learner's defaults.
OPTIONS = dict(MaPLePrompt=dict(depth=2), CoCoOpPrompt=dict(reduction=2),
               IVLPPrompt=dict(text_depth=2, image_depth=2),
               TCPPrompt=dict(layer=1, reduction=2),
               ATPrompt=dict(host=dict(type='MaPLePrompt', depth=2)),
               CLIPLoRA=dict(dropout=0.),
               MMRLPrompt=dict(first_block=2, token_width=8),
               TunedBlocks=dict(first_block=2),
               MultiModalAdapter=dict(first_block=2, width=4))
LEARNERS = {n: dict(type=n, **OPTIONS.get(n, {}))
            for n, c in sorted(MODELS.module_dict.items())
            if isinstance(c, type) and issubclass(c, BasePrompt)}
# This one is what it is composed of.
del LEARNERS['TowerPrompts']
for name, text, image in (
        ('soft', ['SoftPrompt'], ['SoftPrompt']),
        ('decomposed', ['DecomposedPrompt'], ['DecomposedPrompt']),
        ('adept', ['ADePTPrompt'], ['ADePTPrompt']),
        ('late', ['LatePrompt'], ['LatePrompt']),
        ('adept-late', ['ADePTPrompt', 'LatePrompt'], [])):
    LEARNERS[name] = dict(type='TowerPrompts', **{
        tower: [dict(type=n) for n in types]
        for tower, types in (('text', text), ('image', image))})
LEARNERS['late-of-image'] = dict(type='TowerPrompts', text=[dict(
    type='LatePrompt', condition='image')])
# What a model may have before its head: a prompt learner, nothing, a neck.
HOSTS = {name: dict(prompt=config) for name, config in LEARNERS.items()}
HOSTS['MMRLPrompt']['losses'] = [dict(type='TokenFeatureLoss')]
HOSTS['none'] = dict()
HOSTS['CLIPAdapter'] = dict(neck=dict(type='CLIPAdapter'))
HEADS = ('CLIPHead', 'DePTHead')
PAIRS = [(host, head) for host in HOSTS for head in HEADS]

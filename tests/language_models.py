"""Small language models with random weights, and a word tokenizer."""
import zlib

import numpy as np
import torch

from dept_mm.language import (
    FrozenLanguageModel,
    PromptedLanguageModel,
    Tokens,
)
from dept_mm.language.loading import AUTO

WORDS = ('it was a the film great terrible good bad plot cast of and this '
         'boring superb movie with no yes maybe one two three 0 1 2 . ? , : '
         'sentence').split()
SPECIAL = dict(pad_token='<pad>', bos_token='<s>', eos_token='</s>',
               unk_token='<unk>', mask_token='<mask>', sep_token='</s>',
               cls_token='<s>')
LENGTHS = (7, 4, 5)
FAMILIES = ('t5', 'roberta', 'bert', 'gpt2', 'llama')
BLOCKS = dict(t5=3, roberta=4, bert=4, gpt2=3, llama=3)
# They share LLaMA's layout; windows of attention are shorter than the texts.
LLAMAS = dict(
    llama=('LlamaConfig', {}), mistral=('MistralConfig', dict(
        sliding_window=4)),
    qwen2=('Qwen2Config', dict(
        use_sliding_window=True, sliding_window=4, max_window_layers=1)))
VOCABULARY = ['<s>', '<pad>', '</s>', '<unk>', '<mask>', *WORDS]


def config(family):
    """Config of a tiny model."""
    import transformers
    ends = dict(vocab_size=100, pad_token_id=1, bos_token_id=0,
                eos_token_id=2)
    if family == 't5':
        return transformers.T5Config(
            vocab_size=100, d_model=64, d_kv=16, d_ff=128, num_layers=3,
            num_decoder_layers=2, num_heads=4,
            relative_attention_num_buckets=8, feed_forward_proj='relu',
            decoder_start_token_id=0, pad_token_id=1, eos_token_id=2,
            tie_word_embeddings=True)
    if family == 'gpt2':
        return transformers.GPT2Config(n_embd=32, n_layer=3, n_head=2,
                                       n_positions=40, **ends)
    if family in LLAMAS:
        kind, options = LLAMAS[family]
        return getattr(transformers, kind)(
            hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, intermediate_size=64,
            max_position_embeddings=40, **ends, **options)
    kind = dict(roberta='RobertaConfig', bert='BertConfig')[family]
    return getattr(transformers, kind)(
        hidden_size=64, num_hidden_layers=4, num_attention_heads=4,
        intermediate_size=128, max_position_embeddings=40, type_vocab_size=1,
        **ends)


def make(family):
    """A tiny model with its head for words; dropout of 0.1."""
    import transformers
    torch.manual_seed(0)
    return getattr(transformers, AUTO[family]).from_config(config(family))


def tokenizer(family='roberta'):
    """Words by spaces; ends are marked where a family marks them."""
    import tokenizers
    import transformers
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(
        {w: i for i, w in enumerate(VOCABULARY)}, unk_token='<unk>'))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    words.decoder = tokenizers.decoders.WordPiece()
    ends = dict(gpt2='$A', t5='$A </s>', llama='<s> $A', mistral='<s> $A',
                qwen2='$A').get(family, '<s> $A </s>')
    words.post_processor = tokenizers.processors.TemplateProcessing(
        single=ends, special_tokens=[('<s>', 0), ('</s>', 2)])
    special = dict(SPECIAL)
    if family in ('t5', 'gpt2', *LLAMAS):
        special.pop('mask_token')
    return transformers.PreTrainedTokenizerFast(tokenizer_object=words,
                                                **special)


def save(family, folder):
    """A folder as those on the Hub."""
    make(family).save_pretrained(folder)
    tokenizer(family).save_pretrained(folder)
    return str(folder)


def draw(key, shape):
    """Standard normal values that depend on a name alone."""
    random = np.random.RandomState(zlib.crc32(key.encode()) % 2**32)
    x = random.standard_normal(int(np.prod(shape))).reshape(shape)
    return x.astype(np.float32)


def tokens(side='right'):
    """Three texts of different lengths."""
    size = max(LENGTHS)
    ids = torch.full((3, size), 1)
    mask = torch.zeros(3, size, dtype=torch.bool)
    for i, length in enumerate(LENGTHS):
        where = slice(length) if side == 'right' else slice(size - length,
                                                            size)
        ids[i, where] = torch.arange(length) * 3 + 5 + i
        mask[i, where] = True
    return Tokens(ids, mask)


def build(family, *prompts, **options):
    lm = FrozenLanguageModel(make(family), tokenizer(family), family)
    return build_on(lm, *prompts, **options)


def build_on(lm, *prompts, head=None, **options):
    torch.manual_seed(1)
    return PromptedLanguageModel(
        lm, head or dict(type='LinearTextHead', task='sst2'), prompts,
        **dict(dict(max_length=16), **options)).eval()


@torch.no_grad()
def perturb(model):
    """Away from starts that are zero."""
    for parameter in model.parameters():
        parameter += .1 * torch.randn_like(parameter)
    return model


def own(out):
    """Hidden states of the texts' own tokens, one after the other."""
    return out.hidden[:, out.shift:][out.mask[:, out.shift:]]


def stock(model, given, **more):
    """The library's forward, with explicit positions."""
    place = (given.mask.cumsum(1) - 1).clamp(min=0)
    if model.config.model_type == 'roberta':
        place = place + 2
    if model.config.model_type == 't5':
        return model.encoder(given.ids, given.mask.long(),
                                **more).last_hidden_state
    base = getattr(model, model.base_model_prefix)
    return base(given.ids, attention_mask=given.mask.long(),
                **dict(dict(position_ids=place), **more)).last_hidden_state

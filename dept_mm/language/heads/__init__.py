"""Heads that ask a frozen language model and read its answer."""
from dept_mm.language.heads.base import Encoded, TextHead
from dept_mm.language.heads.causal_lm import CausalLMHead
from dept_mm.language.heads.linear import LinearTextHead
from dept_mm.language.heads.masked_lm import MaskedLMHead
from dept_mm.language.heads.seq2seq import Seq2SeqHead

__all__ = ['CausalLMHead', 'Encoded', 'LinearTextHead', 'MaskedLMHead',
           'Seq2SeqHead', 'TextHead']

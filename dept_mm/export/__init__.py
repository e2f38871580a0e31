"""Tuned models for runtimes without Python; imported only by the tools."""
from dept_mm.export.export import Exported, export_model
from dept_mm.export.language import (
    export_language_model,
    score_language_files,
)
from dept_mm.export.score import Score, score_files
from dept_mm.export.web_page import write_page

__all__ = ['Exported', 'Score', 'export_language_model', 'export_model',
           'score_files', 'score_language_files', 'write_page']

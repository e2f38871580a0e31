_base_ = '../default_runtime.py'
# Only configs of language models import the part for language models.
custom_imports = dict(imports=['dept_mm', 'dept_mm.language'])

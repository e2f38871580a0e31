_base_ = '../default_runtime.py'
# Language models are a part of their own, which is imported where it is used.
custom_imports = dict(imports=['dept_mm', 'dept_mm.language'])

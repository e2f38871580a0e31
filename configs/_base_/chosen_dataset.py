# The data set that --dataset chooses, for base files that read its options.
_base_ = '{{$DEPT_DATASET:datasets/features}}.py'

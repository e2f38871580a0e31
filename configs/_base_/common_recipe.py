# How DePT's common recipe trains all hosts; --recipe replaces the file.
_base_ = '{{$DEPT_RECIPE:schedules/dept_clean_10e}}.py'

"""The benchmark of steps from hidden states runs, and compares like with
like."""
import lower_states
import torch
from run_tool import run_tool

from dept_mm.models.clip import build_clip


def test_rows():
    done = run_tool('benchmarks/lower_states.py', '--quick', '--clip',
                    'builtin:demo_clip', '--cpu-time')
    assert done.returncode == 0, done.stderr
    rows = [row.split() for row in done.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == list(lower_states.LEARNERS)
    # The second number of GFLOP: the lower blocks are not computed.
    assert all(float(row[8]) < float(row[7]) for row in rows)


def test_a_step_from_states_has_the_loss_of_a_step_from_images(clip, images):
    clip = build_clip(clip)
    for config in lower_states.LEARNERS.values():
        steps = lower_states.Steps(clip, lower_states.shorten(config, 1), 5,
                                   images)
        assert steps.states.blocks == 1
        steps.optimizer.param_groups[0]['lr'] = 0.
        losses = [steps.run(given) for given in (images, steps.states)]
        torch.testing.assert_close(*losses, rtol=1e-6, atol=1e-6)

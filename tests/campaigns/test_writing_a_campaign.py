"""What docs/writing-a-campaign.md tells a newcomer to do works as it says."""

import re
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / 'docs' / 'writing-a-campaign.md'


def test_the_campaign_of_the_document_runs_and_finds_the_best(tmp_path):
    (program,) = re.findall(r'^```python\n(.*?)^```$', DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    assert len([line for line in program.splitlines() if line.strip()]) <= 65
    path = tmp_path / 'reactor.py'
    path.write_text(program)
    told = subprocess.run(
        [sys.executable, str(path), str(tmp_path / 'run')], check=True, capture_output=True, text=True
    ).stdout
    temperature, minutes = re.search(r'Best: [\d.]+ at ([\d.]+) K, (\d+) min', told).groups()
    sys.path.insert(0, str(tmp_path))
    try:
        from reactor import LearningOptions, Reactor, measure
    finally:
        sys.path.remove(str(tmp_path))
    grid = Reactor(LearningOptions(surrogate='gaussian_process')).grid
    true = sorted(measure(*point, noise=0)['share'] for point in grid)
    found = measure(float(temperature), float(minutes), noise=0)['share']
    assert found > true[-len(true) // 50]
    assert (tmp_path / 'run' / 'simulation-results.jsonl').read_text().count('\n') == 60

"""The example's settings as they are, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def manage(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {**kept, "ENV_FILE": os.devnull, **environment}
    return subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


def test_the_demo_runs_on_nothing_but_a_file_and_gives_out_a_token(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'db.sqlite3'}"

    runs = [
        manage("check", DATABASE_URL=database),
        manage("migrate", DATABASE_URL=database),
        manage("create_demo_user", DATABASE_URL=database),
        manage("drf_create_token", "demo", DATABASE_URL=database),
    ]

    assert [run.returncode for run in runs] == [0, 0, 0, 0], "".join(run.stderr for run in runs)
    assert "no issues" in runs[0].stdout
    assert "Generated token" in runs[3].stdout


def test_the_production_environment_passes_the_deployment_check() -> None:
    run = manage("check", "--deploy", ENV_FILE="example_project/production.env.example")

    assert "no issues" in run.stdout, run.stderr


def test_production_does_not_start_without_a_secret() -> None:
    run = manage("check", DEBUG="off")

    assert run.returncode != 0
    assert "SECRET_KEY" in run.stderr

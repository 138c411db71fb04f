"""The launcher: the identity of the child, and its death with its parent."""

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from dispatcher.local.embedded import child
from dispatcher.local.embedded.child import Identity
from tests.local.embedded.stub_processes import ROOT, environment, eventually, is_gone, needs


def output(argv: Sequence[str], *, identity: Identity = Identity.SELF, nice: int = 0) -> str:
    command = child.command(argv, identity=identity, nice=nice)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_child_runs_as_the_user_that_starts_it() -> None:
    assert output(["id", "-u"]) == str(os.geteuid())


def test_inside_the_namespace_the_user_has_a_name_and_is_not_root() -> None:
    needs(Identity.NAMESPACE)
    uid = int(output(["id", "-u"], identity=Identity.NAMESPACE))
    assert uid != 0
    assert pwd.getpwuid(uid).pw_name


def test_files_created_inside_the_namespace_belong_to_the_user_that_started_it(
    tmp_path: os.PathLike[str],
) -> None:
    needs(Identity.NAMESPACE)
    output(["touch", f"{tmp_path}/made"], identity=Identity.NAMESPACE)
    assert os.stat(f"{tmp_path}/made").st_uid == os.geteuid()


def test_root_can_drop_to_nobody() -> None:
    needs(Identity.NOBODY)
    output_text = output(["sh", "-c", "id -u; id -G"], identity=Identity.NOBODY).split()
    nobody = pwd.getpwnam("nobody")
    assert output_text == [str(nobody.pw_uid), str(nobody.pw_gid)]


def test_a_probe_reports_what_an_identity_cannot_access(tmp_path: os.PathLike[str]) -> None:
    needs(Identity.NOBODY)
    os.chmod(tmp_path, 0o700)
    probe = child.probe([str(tmp_path)], identity=Identity.NOBODY)
    assert subprocess.run(probe).returncode == 1


def test_a_child_can_have_a_lower_priority() -> None:
    assert int(output(["nice"], nice=5)) == os.nice(0) + 5


def _scheduled_by_session() -> bool:
    switch = Path("/proc/sys/kernel/sched_autogroup_enabled")
    return switch.exists() and switch.read_text().strip() == "1" and Path("/proc/self/autogroup").exists()


@pytest.mark.skipif(not _scheduled_by_session(), reason="needs a kernel that schedules by sessions")
def test_where_sessions_are_scheduled_its_whole_session_has_the_lower_priority() -> None:
    command = child.command(["cat", "/proc/self/autogroup"], nice=5)
    output_text = subprocess.run(
        command, capture_output=True, text=True, check=True, start_new_session=True
    ).stdout
    assert output_text.endswith("nice 5\n")


def test_a_missing_program_is_named() -> None:
    result = subprocess.run(child.command(["no-such-program"]), capture_output=True, text=True)
    assert result.returncode == 1
    assert "no-such-program" in result.stderr


def test_a_child_whose_parent_has_ended_does_not_start() -> None:
    command = [
        word.replace(f"--parent={os.getpid()}", "--parent=1") for word in child.command(["echo", "ran"])
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs PR_SET_PDEATHSIG")
@pytest.mark.parametrize("identity", list(Identity))
def test_a_child_dies_with_its_parent_under_every_identity(identity: Identity) -> None:
    needs(identity)
    code = (
        "import subprocess; from dispatcher.local.embedded import child;"
        "argv = ['sh', '-c', 'echo $$; exec sleep 600'];"
        f"subprocess.run(child.command(argv, identity=child.Identity({str(identity)!r})))"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(), cwd=ROOT) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not is_gone(pid)
        parent.send_signal(signal.SIGKILL)
    assert eventually(lambda: is_gone(pid))

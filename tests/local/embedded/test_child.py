"""The launcher: who the child is, and that it dies with its parent."""

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


def test_a_part_runs_as_whoever_starts_it() -> None:
    assert output(["id", "-u"]) == str(os.geteuid())


def test_inside_the_namespace_the_user_has_a_name_and_is_not_root() -> None:
    needs(Identity.NAMESPACE)
    uid = int(output(["id", "-u"], identity=Identity.NAMESPACE))
    assert uid != 0
    assert pwd.getpwuid(uid).pw_name


def test_files_made_inside_the_namespace_belong_to_whoever_started_it(tmp_path: os.PathLike[str]) -> None:
    needs(Identity.NAMESPACE)
    output(["touch", f"{tmp_path}/made"], identity=Identity.NAMESPACE)
    assert os.stat(f"{tmp_path}/made").st_uid == os.geteuid()


def test_root_can_drop_to_nobody() -> None:
    needs(Identity.NOBODY)
    said = output(["sh", "-c", "id -u; id -G"], identity=Identity.NOBODY).split()
    nobody = pwd.getpwnam("nobody")
    assert said == [str(nobody.pw_uid), str(nobody.pw_gid)]


def test_a_probe_says_what_an_identity_cannot_reach(tmp_path: os.PathLike[str]) -> None:
    needs(Identity.NOBODY)
    os.chmod(tmp_path, 0o700)
    probe = child.probe([str(tmp_path)], identity=Identity.NOBODY)
    assert subprocess.run(probe).returncode == 1


def test_a_part_can_be_nicer_than_others() -> None:
    assert int(output(["nice"], nice=5)) == os.nice(0) + 5


def _scheduled_by_session() -> bool:
    switch = Path("/proc/sys/kernel/sched_autogroup_enabled")
    return switch.exists() and switch.read_text().strip() == "1" and Path("/proc/self/autogroup").exists()


@pytest.mark.skipif(not _scheduled_by_session(), reason="needs a kernel that schedules by sessions")
def test_where_sessions_are_scheduled_as_a_group_its_whole_session_is_nicer() -> None:
    command = child.command(["cat", "/proc/self/autogroup"], nice=5)
    said = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=True).stdout
    assert said.endswith("nice 5\n")


def test_a_program_that_is_missing_is_named() -> None:
    done = subprocess.run(child.command(["no-such-program"]), capture_output=True, text=True)
    assert done.returncode == 1
    assert "no-such-program" in done.stderr


def test_a_child_whose_parent_is_gone_already_does_not_start() -> None:
    command = [
        word.replace(f"--parent={os.getpid()}", "--parent=1") for word in child.command(["echo", "ran"])
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs PR_SET_PDEATHSIG")
@pytest.mark.parametrize("identity", list(Identity))
def test_a_child_dies_with_its_parent_whoever_it_is(identity: Identity) -> None:
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

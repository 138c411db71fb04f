"""What commands print: the command for the next step, and texts of strangers."""

import sys
from pathlib import Path

import pytest

from dispatcher.cli.console import own_command, print_line, print_note, print_table


@pytest.mark.parametrize(
    ("started_as", "command"),
    [
        (".venv/bin/dispatcher", ".venv/bin/dispatcher"),
        ("{here}/.venv/bin/dispatcher", ".venv/bin/dispatcher"),
        ("{here}/on path/dispatcher", "dispatcher"),
        ("dispatcher", "./dispatcher"),
        ("/opt/my tools/dispatcher", "'/opt/my tools/dispatcher'"),
        ("/opt/lib/dispatcher/cli/__main__.py", "bin/python -m dispatcher.cli"),
    ],
)
def test_the_program_names_the_path_by_which_it_was_started(
    started_as: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = tmp_path / "on path" / "dispatcher"
    on_path.parent.mkdir()
    on_path.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(on_path.parent))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    monkeypatch.setattr(sys, "argv", [started_as.format(here=tmp_path), "up"])
    assert own_command() == command


@pytest.mark.parametrize(
    "control",
    ["\x1b[2J", "\x1b]0;owned\x07", "\x9b31m", "\r", "\x00", "\x7f", "\x0b", "\u2028", "\u202e", "\u2066"],
)
def test_a_text_of_a_stranger_controls_no_terminal(capsys: pytest.CaptureFixture[str], control: str) -> None:
    print_line(f"a{control}b")
    print_note(f"a{control}b")
    print_table(("reason", "text"), [(f"a{control}b", f"c{control}d")])
    out, err = capsys.readouterr()
    assert out.count("\n") == 3
    assert err.count("\n") == 1
    assert (out + err).replace("\n", "").isprintable()
    assert f"a{control.encode('unicode_escape').decode()}b" in err


def test_letters_of_all_scripts_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    text = "Zażółć\tgęślą 漢字 שלום 👩\u200d👧 नमस्ते\nsecond line"
    print_line(text)
    assert capsys.readouterr().out.expandtabs() == f"{text}\n".expandtabs()

"""Output of texts as they will read: the first ones, their segments, and warnings."""

from dispatcher.cli.console import print_line, print_note
from dispatcher.service.campaigns.text_survey import TextSummary


def print_texts(summary: TextSummary, *, of: int) -> None:
    """Print the first texts, a histogram of segments, and warnings; `of` is how many recipients there are."""
    for sample in summary.first:
        print_line(f"{sample.number}, {_segments(sample.segments)}: {' '.join(sample.text.split())}")
    if summary.segments:
        counts = ", ".join(
            f"{count:,} with {_segments(segments)}" for segments, count in sorted(summary.segments.items())
        )
        which = "texts" if summary.texts >= of else f"first {summary.texts:,} texts"
        print_line(f"{which}: {counts}")
    for name, count in summary.empty.items():
        print_note(f"{count:,} {'text has' if count == 1 else 'texts have'} nothing for {name}")
    for warning in summary.warnings:
        print_note(f"careful: {warning}")


def _segments(count: int) -> str:
    return "1 segment" if count == 1 else f"{count} segments"

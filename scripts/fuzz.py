"""The long form of the fuzz tests: `python scripts/fuzz.py --requests 100000 --examples 5000`."""

import argparse
import os
import subprocess
import sys

TESTS = ("tests/fuzz", "tests/api/test_schemas.py")


def main() -> None:
    """Run the tests with this many requests over all documents, and examples for each parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="over all OpenAPI documents")
    parser.add_argument("--examples", type=int, default=5_000, help="for each parser")
    options, pytest_options = parser.parse_known_args()
    environment = {
        **os.environ,
        "FUZZ_REQUESTS": str(options.requests),
        "FUZZ_EXAMPLES": str(options.examples),
    }
    command = [sys.executable, "-m", "pytest", "-q", "--timeout=7200", *TESTS, *pytest_options]
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()

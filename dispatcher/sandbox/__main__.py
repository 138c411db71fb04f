"""`python -m dispatcher.sandbox`: a simulated SMSC on its own."""

import argparse

from dispatcher.sandbox.server import run
from dispatcher.sandbox.settings import read_settings


def main() -> None:
    """Serve a sandbox as the arguments say, until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m dispatcher.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--smpp-port", type=int, help="also serve SMPP; 0 takes a free port")
    parser.add_argument(
        "--settings", default="{}", help="settings as JSON, or @FILE to read them from a file"
    )
    parser.add_argument(
        "--post-to",
        action="append",
        default=[],
        metavar="HOST[:PORT]",
        help="where receipts may be posted besides the host of receipt_url; may be repeated",
    )
    args = parser.parse_args()
    try:
        settings = read_settings(args.settings, post_to=args.post_to)
    except (OSError, ValueError) as error:
        parser.error(f"--settings: {error}")
    run(args.host, args.port, settings, smpp_port=args.smpp_port)


if __name__ == "__main__":
    main()

"""One file and one application for each HTTP dialect: translation only."""

"""
The management API, under /manage/v1: for operators, over all accounts and dialects.

`management` is its application, and each subject has a module with a router of its own.
`docs/management.md` explains how to use it.
"""

from dispatcher.api.manage.app import management

__all__ = ["management"]

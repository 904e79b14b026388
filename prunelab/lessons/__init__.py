"""Lessons: what their notebooks share, checks of exercises, hints, solutions, fair comparisons over seeds."""

from prunelab.errors import LessonError
from prunelab.lessons import figures
from prunelab.lessons.board import leaderboard, submit
from prunelab.lessons.branches import accuracy, branch, outcome, right, trained
from prunelab.lessons.differences import Paired, paired
from prunelab.lessons.lesson import Lesson, start
from prunelab.lessons.namespaces import check, hint, solution
from prunelab.lessons.progress_file import progress
from prunelab.lessons.result import Result

__all__ = [
    "Lesson",
    "LessonError",
    "Paired",
    "Result",
    "accuracy",
    "branch",
    "check",
    "figures",
    "hint",
    "leaderboard",
    "outcome",
    "paired",
    "progress",
    "right",
    "solution",
    "start",
    "submit",
    "trained",
]

"""Exercises and quizzes: checked at once, with hints, solutions and a record of what is done."""

"""Evaluation: annotated sequences and contenders come in; accuracy, speed and their pages go out."""

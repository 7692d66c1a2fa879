"""A terminal to practise on, with everything around it; `python -m tools.practice` starts it."""

"""The wire format that terminal and gateway share; imports nothing of ours."""

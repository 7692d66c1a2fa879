"""The technician's bench inside the terminal: one test for each part."""

"""What technicians and developers run: build, flash, provision, self-test, rescue, virtual terminal."""

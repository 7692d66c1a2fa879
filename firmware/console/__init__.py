"""The line protocol on the technician's USB port."""

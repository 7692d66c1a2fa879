"""Records that people carry: as QR codes on paper and as a file over USB, and what comes back the same way."""

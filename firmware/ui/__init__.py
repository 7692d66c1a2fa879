"""What operator and family see and do: screens, sentences, receipts and the order of a conversation."""

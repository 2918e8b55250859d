"""What people and programs read: one file per output, all of them made from a report alone."""

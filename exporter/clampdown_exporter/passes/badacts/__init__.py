"""The published method's rewrites: clips, and a second pass for flagged rows."""

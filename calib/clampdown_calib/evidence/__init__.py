"""What earlier layers say of a text, and the answer that follows from it."""

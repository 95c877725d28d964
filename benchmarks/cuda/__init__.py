"""What the defence costs on a GPU."""

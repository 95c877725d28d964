"""Where files lie: paths on this machine, and objects of stores."""

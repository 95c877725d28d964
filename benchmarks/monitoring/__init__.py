"""How soon a monitor sees that the traffic changed, and what counting costs."""

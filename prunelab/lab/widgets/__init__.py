"""Own widgets: plot, scrubber, drawing, downloads. They know nothing of pruning."""

"""Custom widgets: plot, scrubber, drawing, downloads. Independent of pruning."""

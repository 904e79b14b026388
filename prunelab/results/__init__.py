"""Plain values that pictures and reports are made of: snapshots, history, measurements. Free of torch."""

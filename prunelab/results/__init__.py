"""Plain values for views and reports: snapshots, history, measurements. No torch imports."""

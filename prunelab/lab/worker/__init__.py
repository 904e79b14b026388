"""The thread that trains, and what it does at each command. No widget here."""

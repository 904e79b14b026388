"""The thread that trains, and the commands that it carries out. No widgets here."""

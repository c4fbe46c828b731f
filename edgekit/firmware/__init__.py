"""Graph, plan and target → the text of a project tree."""

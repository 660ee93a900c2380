"""Who may see and do what: keys, browser sessions, shares, and whether a watcher still may."""

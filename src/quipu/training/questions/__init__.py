"""Questions over any passages, by the question writer."""

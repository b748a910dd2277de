"""Files that somebody else made, read as tables of text in a process of their own, which may die of them."""

"""What each analytics screen says and shows: its sentences, its tables, its charts."""
